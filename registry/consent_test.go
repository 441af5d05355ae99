// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"context"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/registry"
)

// asking is a module that asks for rights.
func asking(name, version string, wants abi.Rights) []byte {
	return encode(&abi.Manifest{ABI: abi.Version, Name: name, Version: version, Wants: wants, Tools: []abi.Tool{{Name: name + "_do"}}})
}

var oneHost, twoHosts = abi.Rights{Hosts: []string{"a.example"}}, abi.Rights{Hosts: []string{"a.example", "b.example"}, KV: true}

func TestAVersionThatAsksForMoreWaits(t *testing.T) {
	const more = "version v2 asks for more than the one before it: hosts b.example; kv"
	h := open(t, registry.Config{})
	h.put("text.wasm", string(asking("text", "v1", oneHost)))
	h.want("text_do", "v1") // the first has nothing to be held against
	h.put("text.wasm", string(asking("text", "v2", twoHosts)))
	waits := func(t *testing.T) *registry.Waiting {
		t.Helper()
		h.want("text_do", "v1")
		h.wantState("text", registry.StateServing, more+"; grant that in text.yaml, or let it be served without: gantry plugin approve text")
		w := h.status("text").Waiting
		if w == nil || w.Version != "v2" || w.Asks.String() != "hosts b.example; kv" {
			t.Fatalf("waiting: %+v", w)
		}
		return w
	}
	t.Run("and the one before it is served", func(t *testing.T) { waits(t) })
	t.Run("also after a restart, and another look", func(t *testing.T) {
		h = h.reopen()
		waits(t)
		h.rescan()
		waits(t)
		if p := h.Problems(); len(p) != 1 || p[0].Plugin != "text" {
			t.Errorf("problems: %+v", p)
		}
	})
	t.Run("a yes to another version is none", func(t *testing.T) {
		for _, digest := range []string{"", h.status("text").Digest, "sha256:" + strings.Repeat("0", 64)} {
			_, err := h.Approve(context.Background(), "text", digest)
			wantErr(t, err, abi.CodeConflict, "another version of text")
		}
		waits(t)
	})
	t.Run("neither is the end of a rollback, nor an installation", func(t *testing.T) {
		_, err := h.Rollback(context.Background(), "text", registry.Latest)
		wantErr(t, err, abi.CodeConflict, more)
		_, err = h.install("text", asking("text", "v2", twoHosts))
		wantErr(t, err, abi.CodeConflict, more)
		waits(t)
		if n := h.loader.open(); n != 1 {
			t.Errorf("%d guests are open, want the one that is served", n)
		}
	})
	t.Run("until the operator says yes to it", func(t *testing.T) {
		s, err := h.Approve(context.Background(), "text", waits(t).Digest)
		if err != nil || s.Version != "v2" || s.State != registry.StateServing || s.Waiting != nil || s.Reason != "" {
			t.Fatalf("got %+v, %v", s, err)
		}
		if !s.Granted.IsZero() {
			t.Errorf("a yes granted %v", s.Granted)
		}
		h = h.reopen()
		h.want("text_do", "v2")
		h.wantState("text", registry.StateServing, "")
		_, err = h.Approve(context.Background(), "text", s.Digest)
		wantErr(t, err, abi.CodeConflict, "no version of text waits")
	})
	t.Run("from then on that is what others are held against", func(t *testing.T) {
		h.put("text.wasm", string(asking("text", "v3", twoHosts)))
		h.want("text_do", "v3")
		h.put("text.wasm", string(asking("text", "v4", abi.Rights{})))
		h.want("text_do", "v4")
		h.put("text.wasm", string(asking("text", "v5", oneHost)))
		h.want("text_do", "v4")
	})
	t.Run("one that was served before need not wait", func(t *testing.T) {
		h.put("text.wasm", string(asking("text", "v2", twoHosts)))
		h.want("text_do", "v2")
	})
	t.Run("of what is not there", func(t *testing.T) {
		_, err := h.Approve(context.Background(), "nobody", "")
		wantErr(t, err, abi.CodeNotFound, `no plugin "nobody"`)
	})
}

func TestGrantsAreAYes(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(asking("text", "v1", oneHost)))
	h.put("text.wasm", string(asking("text", "v2", twoHosts)))
	h.want("text_do", "v1")
	h.put("text.yaml", "grants: {hosts: [b.example]}")
	h.want("text_do", "v1")
	if w := h.status("text").Waiting; w == nil || w.Asks.String() != "kv" {
		t.Errorf("waiting: %+v", w)
	}
	h.put("text.yaml", "grants: {hosts: [b.example], kv: true}")
	h.want("text_do", "v2")
	h.wantState("text", registry.StateServing, "")
}

func TestAnInstallationMayBringTheYes(t *testing.T) {
	h := open(t, registry.Config{})
	h.put("text.wasm", string(asking("text", "v1", oneHost)))
	s, err := h.Install(context.Background(), "text", asking("text", "v2", twoHosts), registry.Agreed)
	if err != nil || s.Version != "v2" {
		t.Fatalf("got %+v, %v", s, err)
	}
	h = h.reopen()
	h.want("text_do", "v2")
}

func TestWhatComesWithTheProgramNeedNotWait(t *testing.T) {
	h := open(t, registry.Config{Embedded: embedded("text.wasm", string(asking("text", "v1", oneHost)))})
	h.want("text_do", "v1")
	h.cfg.Embedded = embedded("text.wasm", string(asking("text", "v2", twoHosts)))
	h = h.reopen()
	h.want("text_do", "v2")
	h.wantState("text", registry.StateServing, "")
}

func TestWhatCountsAsMore(t *testing.T) {
	hosts := func(h ...string) abi.Rights { return abi.Rights{Hosts: h} }
	key := abi.Credential{Name: "KEY", Host: "a.example", Header: "Authorization"}
	other, elsewhere := key, key
	other.Name, elsewhere.Host = "OTHER", "b.example"
	for _, c := range []struct {
		name          string
		before, after abi.Rights
		more          string
	}{
		{"the same", twoHosts, twoHosts, ""},
		{"less", twoHosts, oneHost, ""},
		{"any host, before", hosts("*"), hosts("a.example", "*.b.example"), ""},
		{"a host below", hosts("*.a.example"), hosts("x.a.example", "*.y.a.example"), ""},
		{"not the name itself", hosts("*.a.example"), hosts("a.example", "xa.example"), "hosts a.example xa.example"},
		{"another port", hosts("*.a.example"), hosts("x.a.example:8443"), "hosts x.a.example:8443"},
		{"any host, now", hosts("a.example"), hosts("*"), "hosts *"},
		{"a range within", abi.Rights{Private: []string{"10.0.0.0/8"}}, abi.Rights{Private: []string{"10.1.0.0/16"}}, ""},
		{"a wider range", abi.Rights{Private: []string{"10.1.0.0/16"}}, abi.Rights{Private: []string{"10.0.0.0/8"}}, "private 10.0.0.0/8"},
		{"to write after reading", abi.Rights{Files: "read", Memory: "read"}, abi.Rights{Files: "write", Memory: "write"}, "files write; memory write"},
		{"to read after writing", abi.Rights{Files: "write", Memory: "write"}, abi.Rights{Files: "read", Memory: "read"}, ""},
		{"the knowledge base", abi.Rights{}, abi.Rights{Drive: "read"}, "drive read"},
		{"another tool", abi.Rights{Tools: []string{"a"}}, abi.Rights{Tools: []string{"a", "b"}}, "tools b"},
		{"a tool of any", abi.Rights{Tools: []string{"*"}}, abi.Rights{Tools: []string{"b"}}, ""},
		{"the same credential", abi.Rights{Credentials: []abi.Credential{key}}, abi.Rights{Credentials: []abi.Credential{key}}, ""},
		{"another credential, and one for another host", abi.Rights{Credentials: []abi.Credential{key}},
			abi.Rights{Credentials: []abi.Credential{other, elsewhere}}, "credential OTHER for a.example; credential KEY for b.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, registry.Config{})
			h.put("text.wasm", string(asking("text", "v1", c.before)))
			h.put("text.wasm", string(asking("text", "v2", c.after)))
			want, got := "v2", ""
			if c.more != "" {
				want = "v1"
			}
			h.want("text_do", want)
			if w := h.status("text").Waiting; w != nil {
				got = w.Asks.String()
			}
			if got != c.more {
				t.Errorf("more: %q, want %q", got, c.more)
			}
		})
	}
}
