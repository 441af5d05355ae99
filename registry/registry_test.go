// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

func TestOpenServesBothSources(t *testing.T) {
	h := open(t, registry.Config{Embedded: embedded(
		"text.wasm", string(module("text", "built in")),
		"text.yaml", "limits: {wall: 5s}\ngrants: {kv: true}",
		"llm.wasm", string(module("llm", "built in")),
		"dist.txt", "no plugin",
	)})
	t.Run("embedded plugins come with their own settings", func(t *testing.T) {
		h.want("text_do", "built in")
		if s := h.status("text"); s.Limits.Wall != 5*time.Second || !s.Granted.KV || s.Source != registry.SourceEmbedded {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("an operator's settings replace those of an embedded plugin", func(t *testing.T) {
		h.put("text.yaml", "prefix: my_")
		h.want("text_do", "")
		h.want("my_text_do", "built in")
		if s := h.status("text"); s.Granted.KV || s.Limits.Wall != 0 {
			t.Errorf("got %+v", s)
		}
		h.remove("text.yaml")
		h.rescan()
		h.want("text_do", "built in")
	})
	t.Run("a module in the folder comes first, without the embedded one's rights", func(t *testing.T) {
		h.put("text.wasm", string(module("text", "v2")))
		h.want("text_do", "v2")
		if s := h.status("text"); s.Granted.KV || !strings.HasSuffix(s.Source, "text.wasm") || s.Generation != 4 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("when it leaves, the embedded one is back", func(t *testing.T) {
		h.remove("text.wasm")
		h.rescan()
		h.want("text_do", "built in")
		if s := h.status("text"); !s.Granted.KV {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("statuses are in order", func(t *testing.T) {
		var names []string
		for _, s := range h.Statuses() {
			names = append(names, s.Name)
		}
		if want := []string{"llm", "text"}; !slices.Equal(names, want) {
			t.Errorf("got %v, want %v", names, want)
		}
	})
}

func TestABrokenFileKeepsWhatIsServed(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	for name, c := range map[string]struct{ file, data, reason string }{
		"cut off":        {"text.wasm", `{"abi":1`, "the module is cut off; build it again"},
		"empty":          {"text.wasm", "", "text.wasm is empty"},
		"another name":   {"text.wasm", string(module("other", "v1")), `the module calls itself "other", but its file is text.wasm`},
		"newer contract": {"text.wasm", `{"abi":99,"name":"text"} end`, "newer than this host"},
	} {
		t.Run(name, func(t *testing.T) {
			h.put(c.file, c.data)
			h.want("text_do", "v1")
			h.wantState("text", registry.StateServing, c.reason)
			if p := h.Problems(); len(p) != 1 || p[0].Plugin != "text" || !strings.Contains(p[0].Reason, c.reason) || p[0].Since.IsZero() {
				t.Errorf("problems: %+v", p)
			}
		})
	}
	t.Run("a broken settings file keeps it too", func(t *testing.T) {
		h.put("text.wasm", string(module("text", "v1")), "text.yaml", "prefx: a")
		h.want("text_do", "v1")
		h.wantState("text", registry.StateServing, "text.yaml: line 1: prefx: there is no such field; did you mean prefix?")
	})
	t.Run("mended, it is served and the reason is gone", func(t *testing.T) {
		h.put("text.wasm", string(module("text", "v2")), "text.yaml", "")
		h.want("text_do", "v2")
		h.wantState("text", registry.StateServing, "")
		if p := h.Problems(); len(p) != 0 {
			t.Errorf("problems: %+v", p)
		}
	})
	t.Run("put back as it was, the reason is gone without a new generation", func(t *testing.T) {
		before := h.status("text").Generation
		h.put("text.wasm", "broken")
		h.put("text.wasm", string(module("text", "v2")))
		h.wantState("text", registry.StateServing, "")
		if got := h.status("text").Generation; got != before {
			t.Errorf("got generation %d, want %d", got, before)
		}
	})
}

func TestALoaderThatFailsBadly(t *testing.T) {
	l := &fakeLoader{}
	h := open(t, registry.Config{Loader: l, LoadTimeout: 50 * time.Millisecond})
	h.put("text.wasm", string(module("text", "v1")))
	t.Run("a panic is a reason", func(t *testing.T) {
		l.hook = func(context.Context, *registry.Artifact) error { panic("index out of range") }
		h.put("text.wasm", string(module("text", "v2")))
		h.want("text_do", "v1")
		h.wantState("text", registry.StateServing, "the module cannot be loaded: index out of range")
	})
	t.Run("one that takes too long is a reason", func(t *testing.T) {
		l.hook = func(ctx context.Context, _ *registry.Artifact) error { <-ctx.Done(); return ctx.Err() }
		h.rescan()
		h.wantState("text", registry.StateServing, "loading the module took longer than 50ms")
	})
	t.Run("a rescan that is broken off refuses nothing", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		l.hook = func(ctx context.Context, _ *registry.Artifact) error { cancel(); <-ctx.Done(); return ctx.Err() }
		h.write("text.wasm", module("text", "v3"))
		if err := h.Rescan(ctx); host.CodeOf(err) != abi.CodeCancelled {
			t.Errorf("got %v", err)
		}
		l.hook = nil
		h.rescan()
		h.want("text_do", "v3")
		h.wantState("text", registry.StateServing, "")
	})
}

func TestCollisionsRefuseTheLaterPlugin(t *testing.T) {
	h := open(t, registry.Config{Reserved: []string{"own"}})
	h.put("a.wasm", string(module("a", "v1", "x", "y")))
	t.Run("a tool", func(t *testing.T) {
		h.put("b.wasm", string(module("b", "v1", "y", "z")))
		h.wantState("b", registry.StateRefused,
			`the tool "y" of plugin b is already served by plugin a; put a line such as "prefix: b_" into b.yaml`)
		h.want("z", "")
	})
	t.Run("a prefix mends it", func(t *testing.T) {
		h.put("b.yaml", "prefix: b_")
		h.wantState("b", registry.StateServing, "")
		h.want("b_y", "v1")
		h.want("y", "v1")
	})
	t.Run("without the prefix the prefixed version stays", func(t *testing.T) {
		h.put("b.yaml", "")
		h.want("b_y", "v1")
		h.wantState("b", registry.StateServing, `"y"`)
	})
	t.Run("the refused one is served when the name is free", func(t *testing.T) {
		h.put("a.wasm", string(module("a", "v2", "x")))
		h.want("y", "v1")
		h.want("b_y", "")
		h.wantState("b", registry.StateServing, "")
	})
	t.Run("names may be swapped between two plugins in one look", func(t *testing.T) {
		h.put("a.wasm", string(module("a", "v3", "y")), "b.wasm", string(module("b", "v3", "x")))
		h.rescan()
		h.want("y", "v1") // neither can go first, so both stay as they were
		h.want("x", "v2")
		h.remove("a.wasm")
		h.rescan()
		h.want("x", "v3")
	})
	t.Run("a resource", func(t *testing.T) {
		m := &abi.Manifest{ABI: 1, Name: "c", Resources: []abi.Resource{{URI: "doc://1", Name: "n"}}}
		h.put("c.wasm", string(encode(m)))
		m.Name = "d"
		h.put("d.wasm", string(encode(m)))
		h.wantState("d", registry.StateRefused, `the resource "doc://1" of plugin d is already served by plugin c; put "disabled: true" into d.yaml or c.yaml`)
	})
	t.Run("a prefix that makes a name too long", func(t *testing.T) {
		h.put("e.wasm", string(module("e", "v1", strings.Repeat("n", 60))), "e.yaml", "prefix: eeeee")
		h.wantState("e", registry.StateRefused, "has 65 bytes; at most 64 are allowed, so shorten prefix")
	})
	t.Run("a prefix that makes a name just long enough", func(t *testing.T) {
		name := strings.Repeat("n", 60)
		h.put("e.yaml", "prefix: eeee")
		h.want("eeee"+name, "v1")
	})
	t.Run("a tool of the host's", func(t *testing.T) {
		h.put("f.wasm", string(module("f", "v1", "own")))
		h.wantState("f", registry.StateRefused, `has the name of one that the host serves itself; put a line such as "prefix: f_" into f.yaml`)
		h.put("f.yaml", "prefix: f_")
		h.want("f_own", "v1")
	})
}

func TestASettingsChangeAloneIsANewGeneration(t *testing.T) {
	h := open(t, registry.Config{Lookup: func(n string) (string, bool) { return "from " + n, n == "WHO" }})
	h.put("text.wasm", string(module("text", "v1")))
	gen, snap := h.status("text").Generation, h.Snapshot().Generation()
	h.put("text.yaml", "config: {who: \"${WHO}\"}\nlimits: {concurrency: 2}")
	p, _ := h.Snapshot().Plugin("text")
	if p.Generation != gen+1 || h.Snapshot().Generation() != snap+1 || string(p.Settings.Config) != `{"who":"from WHO"}` || p.Settings.Limits.Concurrency != 2 {
		t.Errorf("got %+v, settings %+v", p, p.Settings)
	}
	t.Run("a comment is none", func(t *testing.T) {
		h.put("text.yaml", "# two at once\nlimits: {concurrency: 2}\nconfig: {who: \"${WHO}\"}")
		if got, _ := h.Snapshot().Plugin("text"); got != p {
			t.Errorf("got generation %d, want %d", got.Generation, p.Generation)
		}
	})
	t.Run("the same module written again is none", func(t *testing.T) {
		loads := h.loader.loads.Load()
		h.put("text.wasm", string(module("text", "v1")))
		if got, _ := h.Snapshot().Plugin("text"); got != p || h.loader.loads.Load() != loads {
			t.Errorf("got generation %d after %d more loads", got.Generation, h.loader.loads.Load()-loads)
		}
	})
	t.Run("disabled, it leaves", func(t *testing.T) {
		h.put("text.yaml", "disabled: true")
		h.want("text_do", "")
		h.wantState("text", registry.StateDisabled, "")
	})
}

func TestTenantsSeeWhatIsTheirs(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("open.wasm", string(module("open", "v1")), "acme.wasm", string(module("acme", "v1")), "acme.yaml", "tenants: [acme, beta]")
	for tenant, want := range map[host.TenantID]string{"acme": "acme_do open_do", "beta": "acme_do open_do", "other": "open_do", "": "open_do"} {
		var got []string
		for _, ref := range h.Snapshot().Tools(tenant) {
			got = append(got, ref.Name)
			if _, _, release, ok := h.Acquire(tenant, ref.Name); !ok {
				t.Errorf("%q sees %s but cannot call it", tenant, ref.Name)
			} else {
				release()
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q sees %v, want %s", tenant, got, want)
		}
	}
	if _, _, _, ok := h.Acquire("other", "acme_do"); ok {
		t.Error("a tenant could call a plugin that it does not see")
	}
}

func TestSnapshotFindsEverything(t *testing.T) {
	h := open(t, registry.Config{})
	m := &abi.Manifest{
		ABI: 1, Name: "docs", Tools: []abi.Tool{{Name: "z"}, {Name: "a"}},
		Prompts:   []abi.Prompt{{Name: "ask"}},
		Resources: []abi.Resource{{URI: "doc://2", Name: "two"}, {URI: "doc://1", Name: "one"}},
		Templates: []abi.Template{{URITemplate: "doc://{id}", Name: "any"}},
	}
	h.put("docs.wasm", string(encode(m)), "docs.yaml", "prefix: d.")
	s := h.Snapshot()
	if ref, ok := s.Tool("d.a"); !ok || ref.Index != 1 || ref.Tool.Name != "a" {
		t.Errorf("tool: %+v, %v", ref, ok)
	}
	if ref, ok := s.Prompt("d.ask"); !ok || ref.Index != 0 || ref.Prompt.Name != "ask" || len(s.Prompts("x")) != 1 {
		t.Errorf("prompt: %+v, %v", ref, ok)
	}
	if ref, ok := s.Resource("doc://1"); !ok || ref.Index != 1 || s.Resources("x")[0] != ref {
		t.Errorf("resource: %+v, %v", ref, ok)
	}
	if refs := s.Templates("x"); len(refs) != 1 || refs[0].Index != 2 {
		t.Errorf("templates: %+v; their numbers follow those of the resources", refs)
	}
	if _, ok := s.Plugin("doc"); ok || len(s.Plugins()) != 1 {
		t.Error("a plugin was found that is not there")
	}
}

func TestHoldingAllocatesNothing(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")), "text.yaml", "tenants: [default]")
	if n := testing.AllocsPerRun(100, func() {
		_, _, release, ok := h.Acquire(host.DefaultTenant, "text_do")
		if !ok {
			t.Fatal("not found")
		}
		release()
		if len(h.Snapshot().Tools(host.DefaultTenant)) != 1 {
			t.Fatal("not listed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSubscribersHearEverySwapInOrder(t *testing.T) {
	h := open(t, registry.Config{})
	heard := make(chan string, 100)
	block := make(chan struct{})
	cancel := h.Subscribe(func(c registry.Change) {
		<-block
		heard <- fmt.Sprintf("%s %s→%s", c.Plugin, version(c.From), version(c.To))
	})
	h.put("text.wasm", string(module("text", "v1")))
	h.put("text.wasm", "broken")
	h.put("text.wasm", string(module("text", "v2")))
	h.remove("text.wasm")
	h.rescan() // a subscriber that hangs has held up none of the swaps
	close(block)
	for _, want := range []string{"text -→v1", "text v1→v2", "text v2→-"} {
		if got := <-heard; got != want {
			t.Errorf("heard %q, want %q", got, want)
		}
	}
	cancel()
	cancel()
	h.put("text.wasm", string(module("text", "v3")))
	if len(heard) != 0 {
		t.Errorf("heard %q after cancel", <-heard)
	}
}

func version(p *registry.Plugin) string {
	if p == nil {
		return "-"
	}
	return p.Manifest.Version
}

func TestCloseWaitsForCalls(t *testing.T) {
	for name, patient := range map[string]bool{"as long as they run": true, "no longer than it was told": false} {
		t.Run(name, func(t *testing.T) {
			l := &fakeLoader{}
			h := open(t, registry.Config{Loader: l})
			h.put("text.wasm", string(module("text", "v1")))
			_, g, release, _ := h.Acquire(host.DefaultTenant, "text_do")
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- h.Close(ctx) }()
			eventually(t, "nothing is served", func() bool { return len(h.Snapshot().Plugins()) == 0 })
			if h.answer("text_do") != "" {
				t.Error("a closed registry serves")
			}
			if patient {
				if _, _, err := g.Call(context.Background(), &host.GuestCall{}); err != nil {
					t.Errorf("a call that was running: %v", err)
				}
				release()
			} else {
				cancel()
			}
			if err := <-done; (err == nil) != patient {
				t.Errorf("got %v", err)
			}
			if !patient {
				release()
			}
		})
	}
}

func TestAClosedRegistrySaysSo(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(module("text", "v1")))
	p, _ := h.Snapshot().Plugin("text")
	h.close()
	if _, _, ok := h.Hold(p); ok {
		t.Error("a retired plugin could be held")
	}
	_, install := h.Install(context.Background(), "text", module("text", "v2"), registry.Ask)
	_, rollback := h.Rollback(context.Background(), "text", "")
	for _, err := range []error{install, rollback, h.Remove(context.Background(), "text"), h.Rescan(context.Background())} {
		if host.CodeOf(err) != abi.CodeUnavailable {
			t.Errorf("got %v", err)
		}
	}
}

func TestOpenRefusesABadConfig(t *testing.T) {
	for name, c := range map[string]registry.Config{
		"no loader": {}, "no logger": {Loader: &fakeLoader{}}, "negative": {Loader: &fakeLoader{}, Poll: -1},
	} {
		if _, err := registry.Open(c); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("%s: got %v", name, err)
		}
	}
	var he *host.Error
	_, err := registry.Open(registry.Config{Dir: t.TempDir()})
	if !errors.As(err, &he) || !strings.Contains(he.Error(), "Loader is missing") {
		t.Errorf("got %v", err)
	}
}
