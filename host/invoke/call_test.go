// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

func TestCallAnswers(t *testing.T) {
	h := start(t, nil, demo())
	a, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "echo", Input: json.RawMessage(`{"text":"hi"}`), Surface: "mcp"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(a.Result.Structured); got != `{"text":"hi"}` || a.Result.Content[0].Text != got || len(a.CallID) != 36 {
		t.Errorf("got %+v", a)
	}
	js := h.journal.of("echo")
	if len(js) != 1 || js[0].Code != "" || js[0].Plugin != "demo" || js[0].CallID != a.CallID || js[0].BytesIn != 13 ||
		js[0].BytesOut != 13 || js[0].Fuel != 7 || js[0].User != "ann" || js[0].Surface != "mcp" {
		t.Errorf("journal: %+v", js)
	}
}

func TestCallRefuses(t *testing.T) {
	p := demo()
	p.tool(abi.Tool{Name: "asks", Needs: []string{abi.ClientElicitation}}, echo)
	hidden := (&plugin{manifest: abi.Manifest{Name: "hidden"}, settings: "tenants: [other]"}).tool(abi.Tool{Name: "secret"}, echo)
	small := (&plugin{manifest: abi.Manifest{Name: "small"}, settings: "limits: {input: 1KiB}"}).tool(abi.Tool{Name: "little"}, echo)
	h := start(t, nil, p, hidden, small)
	for _, c := range []struct {
		name string
		ctx  context.Context
		req  invoke.Request
		code abi.Code
		want string
	}{
		{"nobody", context.Background(), invoke.Request{Tool: "echo"}, abi.CodeUnauthenticated, "credential"},
		{"an unknown tool, with the nearest name", as("acme", "ann"), invoke.Request{Tool: "ecoh"}, abi.CodeUnknownTool, "did you mean echo?"},
		{"a tool of another tenant, without a word of it", as("acme", "ann"), invoke.Request{Tool: "secret"}, abi.CodeUnknownTool, "list the tools"},
		{"a caller without scopes", as("acme", "ann", host.ScopeChat), invoke.Request{Tool: "echo"}, abi.CodeForbidden, "read:tools"},
		{"a writing tool for a reader", as("acme", "ann", host.ScopeReadTools), invoke.Request{Tool: "write"}, abi.CodeForbidden, "write:tools"},
		{"a tool that needs more of its client", as("acme", "ann"), invoke.Request{Tool: "asks"}, abi.CodeClientCapability, "elicitation"},
		{"an input that does not fit", as("acme", "ann"), invoke.Request{Tool: "echo", Input: json.RawMessage(`{"text":1}`)}, abi.CodeInvalidArg, "/text"},
		{"an input that is too large", as("acme", "ann"), invoke.Request{Tool: "little", Input: json.RawMessage(`{"a":"` + strings.Repeat("a", 2000) + `"}`)}, abi.CodeLimit, "small.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := h.Call(c.ctx, c.req, nil)
			wantCode(t, err, c.code)
			out := host.Outward(err)
			if !strings.Contains(out.Message+out.Hint, c.want) {
				t.Errorf("got %q, hint %q, want %q", out.Message, out.Hint, c.want)
			}
		})
	}
	if _, err := h.Call(as("acme", "ann", host.ScopeReadTools), invoke.Request{Tool: "echo"}, nil); err != nil {
		t.Errorf("a reader may call a read-only tool: %v", err)
	}
	if js := h.journal.of("write"); len(js) != 1 || js[0].Code != abi.CodeForbidden {
		t.Errorf("a refused call is in the journal: %+v", js)
	}
}

func TestListsShowWhatMayBeCalled(t *testing.T) {
	h := start(t, nil, demo())
	for _, c := range []struct {
		name string
		ctx  context.Context
		want string
	}{
		{"a writer sees all", as("acme", "ann"), "echo fail stream wait write"},
		{"a reader sees the read-only ones", as("acme", "ann", host.ScopeReadTools), "echo"},
		{"others see none", as("acme", "ann", host.ScopeChat), ""},
		{"nobody sees none", context.Background(), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var names []string
			for _, r := range h.Tools(c.ctx) {
				names = append(names, r.Name)
			}
			if got := strings.Join(names, " "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestOutputsSettle(t *testing.T) {
	out, room := host.Output{}, []byte(nil)
	p := (&plugin{manifest: abi.Manifest{Name: "any"}}).tool(abi.Tool{Name: "any"}, func(_ context.Context, c *host.GuestCall) (host.Output, error) {
		room = append(c.Room, out.Data...)
		return host.Output{Kind: out.Kind, Data: room}, nil
	})
	h := start(t, nil, p)
	for _, c := range []struct {
		name string
		kind abi.OutputKind
		data string
		code abi.Code
		want string
	}{
		{"text", abi.OutputText, "hi\xff", "", `{"content":[{"type":"text","text":"hi�"}]}`},
		{"structured", abi.OutputStructured, `[1]`, "", `{"content":[{"type":"text","text":"[1]"}],"structured":[1]}`},
		{"a whole result", abi.OutputResult, `{"content":[{"type":"image","data":"AA==","mime_type":"image/png"}],"is_error":true}`, "", `{"content":[{"type":"image","data":"AA==","mime_type":"image/png"}],"is_error":true}`},
		{"a result without content", abi.OutputResult, `{"structured":{"a":1}}`, "", `{"content":[{"type":"text","text":"{\"a\":1}"}],"structured":{"a":1}}`},
		{"an error", abi.OutputError, `{"code":"NO_LUCK","message":"none"}`, "NO_LUCK", "none"},
		{"an error with a bad code", abi.OutputError, `{"code":"no luck"}`, abi.CodeUpstream, "does not say why"},
		{"structured that is not JSON", abi.OutputStructured, `{`, abi.CodeContract, "not JSON"},
		{"a result that does not parse", abi.OutputResult, `[]`, abi.CodeContract, "does not parse"},
		{"an unknown content type", abi.OutputResult, `{"content":[{"type":"film"}]}`, abi.CodeContract, "content[0]"},
		{"an unknown kind", 9, ``, abi.CodeContract, "no kind of output"},
		{"a question that asks nothing", abi.OutputInputRequired, `{}`, abi.CodeContract, "neither"},
		{"an unknown question", abi.OutputInputRequired, `{"requests":{"a":{"method":"steal"}}}`, abi.CodeContract, "steal"},
		{"a question the client cannot answer", abi.OutputInputRequired, `{"requests":{"a":{"method":"roots/list"}}}`, abi.CodeClientCapability, "roots"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out = host.Output{Kind: c.kind, Data: []byte(c.data)}
			a, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "any"}, nil)
			wantCode(t, err, c.code)
			clear(room) // another call has it now
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			got, _ := json.Marshal(a.Result)
			if string(got) != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestAToolsUpstreamFailureHasItsOwnCode(t *testing.T) {
	h := start(t, nil, demo())
	_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "fail"}, nil)
	wantCode(t, err, "OPENAI_ERROR")
	if out := host.Outward(err); !out.Retryable || out.Message != "the service said no" {
		t.Errorf("got %+v", out)
	}
}

func TestAnswersAreHeldAgainstWhatIsPromised(t *testing.T) {
	out := host.Output{}
	answers := func(context.Context, *host.GuestCall) (host.Output, error) { return out, nil }
	const schema = `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`
	p := (&plugin{manifest: abi.Manifest{Name: "keeps"}}).
		tool(abi.Tool{Name: "promises", OutputSchema: json.RawMessage(schema)}, answers).
		tool(abi.Tool{Name: "puzzles", OutputSchema: json.RawMessage(`{"type":"object","$ref":"https://example.com/elsewhere"}`)}, answers)
	h := start(t, nil, p)
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	for _, c := range []struct {
		name, tool string
		kind       abi.OutputKind
		data       string
		want       string // of the error; "" is none
	}{
		{"what fits", "promises", abi.OutputStructured, `{"n":1}`, ""},
		{"another type", "promises", abi.OutputStructured, `{"n":"one"}`, "the plugin keeps broke the contract: its answer does not fit its output_schema: /n"},
		{"a field that is missing", "promises", abi.OutputStructured, `{}`, "output_schema: /n"},
		{"no JSON", "promises", abi.OutputStructured, `{"n":1`, "not JSON"},
		{"deeper than is looked at", "promises", abi.OutputStructured, `{"n":1,"deep":` + deep + `}`, ""},
		{"a whole result that fits", "promises", abi.OutputResult, `{"structured":{"n":1}}`, ""},
		{"a whole result that does not", "promises", abi.OutputResult, `{"structured":{"n":[]}}`, "output_schema: /n"},
		{"a whole result that tells of a failure", "promises", abi.OutputResult, `{"structured":{"why":"no"},"is_error":true}`, ""},
		{"text", "promises", abi.OutputText, `one`, ""},
		{"a promise that nobody can read", "puzzles", abi.OutputStructured, `{"n":"one"}`, ""},
		{"the same, and no JSON", "puzzles", abi.OutputStructured, `{`, "not JSON"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out = host.Output{Kind: c.kind, Data: []byte(c.data)}
			_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: c.tool}, nil)
			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, abi.CodeContract)
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestWhoPanickedKeepsTheRoom(t *testing.T) {
	var kept []byte
	p := (&plugin{manifest: abi.Manifest{Name: "rooms"}}).
		tool(abi.Tool{Name: "panics"}, func(_ context.Context, c *host.GuestCall) (host.Output, error) {
			kept = c.Room[:1]
			panic("oh")
		}).
		tool(abi.Tool{Name: "answers"}, func(_ context.Context, c *host.GuestCall) (host.Output, error) {
			if &c.Room[:1][0] == &kept[0] {
				t.Error("a call got the room of one that panicked")
			}
			return host.Output{Kind: abi.OutputText, Data: append(c.Room, 'a')}, nil
		})
	h := start(t, nil, p)
	_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "panics"}, nil)
	wantCode(t, err, abi.CodeInternal)
	for range 100 {
		if _, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "answers"}, nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAPanicInTheHostIsOneFailedCall(t *testing.T) {
	closed := false
	p := (&plugin{manifest: abi.Manifest{Name: "bad"}}).
		tool(abi.Tool{Name: "panics"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			if _, err := c.Border.Op(ctx, "open", nil); err != nil {
				return host.Output{}, err
			}
			panic("oh")
		}).
		tool(abi.Tool{Name: "op"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			_, err := c.Border.Op(ctx, "panic", nil)
			return host.Output{}, err
		})
	h := start(t, func(c *invoke.Config) {
		c.Ops = host.Ops{
			"open": func(_ context.Context, c *host.CallInfo, _ []byte) ([]byte, error) {
				c.Defer(func() { closed = true })
				return nil, nil
			},
			"panic": func(context.Context, *host.CallInfo, []byte) ([]byte, error) { panic("oh") },
		}
	}, p)
	for _, tool := range []string{"panics", "op"} {
		_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: tool}, nil)
		wantCode(t, err, abi.CodeInternal)
		if out := host.Outward(err); strings.Contains(out.Message, "oh") {
			t.Errorf("%s tells its caller %q", tool, out.Message)
		}
	}
	if !closed {
		t.Error("what an operation opened was not closed")
	}
}

func TestOperations(t *testing.T) {
	var changed atomic.Value
	ask := func(name string, req any) serve {
		return func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			r, err := op[json.RawMessage](ctx, c, name, req)
			return host.Output{Kind: abi.OutputStructured, Data: r}, err
		}
	}
	p := (&plugin{manifest: abi.Manifest{Name: "ops"}, settings: "config: {a: 1}\ngrants: {tools: [echo, deeper, asking]}\nlimits: {ops: 3, events: 2}"}).
		tool(abi.Tool{Name: "context"}, ask(abi.OpContext, nil)).
		tool(abi.Tool{Name: "config"}, ask(abi.OpConfig, nil)).
		tool(abi.Tool{Name: "unknown"}, ask("fly", nil)).
		tool(abi.Tool{Name: "call"}, ask(abi.OpCall, abi.CallRequest{Tool: "echo", Input: json.RawMessage(`{"text":"in"}`)})).
		tool(abi.Tool{Name: "foreign"}, ask(abi.OpCall, abi.CallRequest{Tool: "write"})).
		tool(abi.Tool{Name: "deeper"}, ask(abi.OpCall, abi.CallRequest{Tool: "deeper"})).
		tool(abi.Tool{Name: "asking"}, func(context.Context, *host.GuestCall) (host.Output, error) {
			return host.Output{Kind: abi.OutputInputRequired, Data: []byte(`{"state":"s"}`)}, nil
		}).
		tool(abi.Tool{Name: "nested-asking"}, ask(abi.OpCall, abi.CallRequest{Tool: "asking"})).
		tool(abi.Tool{Name: "changed"}, ask(abi.OpChanged, abi.Changed{Lists: []string{"tools"}, URIs: []string{"a:b"}})).
		tool(abi.Tool{Name: "badly-changed"}, ask(abi.OpChanged, abi.Changed{Lists: []string{"all"}})).
		tool(abi.Tool{Name: "many-ops"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			for {
				if _, err := c.Border.Op(ctx, abi.OpConfig, nil); err != nil {
					return host.Output{}, err
				}
			}
		}).
		tool(abi.Tool{Name: "many-events"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			for {
				if err := c.Border.Emit(ctx, abi.EventPartial, []byte("a")); err != nil {
					return host.Output{}, err
				}
			}
		}).
		tool(abi.Tool{Name: "odd-event"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			return host.Output{}, c.Border.Emit(ctx, 7, nil)
		})
	h := start(t, func(c *invoke.Config) {
		c.OnChanged = func(t host.TenantID, plugin string, ch abi.Changed) {
			changed.Store(string(t) + " " + plugin + " " + ch.Lists[0])
		}
	}, p, demo())
	for _, c := range []struct {
		tool string
		code abi.Code
		want string
	}{
		{"context", "", `"tenant":"acme"`},
		{"config", "", `{"a":1}`},
		{"unknown", abi.CodeInvalidArg, `"fly"`},
		{"call", "", `{"text":"in"}`},
		{"foreign", abi.CodeForbidden, "add tools: [write] to grants: in ops.yaml"},
		{"deeper", abi.CodeLimit, "8 deep"},
		{"nested-asking", abi.CodeClientCapability, "only a client can answer"},
		{"changed", "", `{}`},
		{"badly-changed", abi.CodeInvalidArg, "lists"},
		{"many-ops", abi.CodeLimit, "more than 3 operations"},
		{"many-events", abi.CodeLimit, "more than 2 events"},
		{"odd-event", abi.CodeContract, "kind 7"},
	} {
		t.Run(c.tool, func(t *testing.T) {
			a, err := h.Call(as("acme", "ann"), invoke.Request{Tool: c.tool}, nil)
			wantCode(t, err, c.code)
			got := ""
			if err != nil {
				out := host.Outward(err)
				got = out.Message + out.Hint
			} else {
				got = string(a.Result.Structured)
			}
			if !strings.Contains(got, c.want) {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if changed.Load() != "acme ops tools" {
		t.Errorf("OnChanged heard %v", changed.Load())
	}
	t.Run("a called tool has its caller's scopes", func(t *testing.T) {
		_, err := h.Call(as("acme", "ann", host.ScopeReadTools), invoke.Request{Tool: "call"}, nil)
		wantCode(t, err, abi.CodeForbidden)
	})
	t.Run("a called tool is in the journal under its caller", func(t *testing.T) {
		js := h.journal.of("echo")
		if len(js) != 1 || js[0].Depth != 1 || js[0].Surface != "tool" || js[0].CallID != h.journal.of("call")[0].CallID {
			t.Errorf("got %+v", js)
		}
	})
}

// heard is a Sink that writes down what it hears.
type heard struct {
	partial  string
	progress []float64
	lines    []string
}

func (s *heard) Partial(text string)             { s.partial += text }
func (s *heard) Progress(p abi.Progress)         { s.progress = append(s.progress, p.Done) }
func (s *heard) Log(l abi.LogLevel, line string) { s.lines = append(s.lines, line) }

func TestASinkHearsTheCall(t *testing.T) {
	p := demo()
	p.tool(abi.Tool{Name: "logs"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		c.Border.Log(ctx, abi.LogWarn, []byte("careful"))
		return text("")
	})
	h := start(t, nil, p)
	var s heard
	for _, r := range []invoke.Request{{Tool: "stream", Input: json.RawMessage(`{"N":4}`)}, {Tool: "logs"}} {
		if _, err := h.Call(as("acme", "ann"), r, &s); err != nil {
			t.Fatal(err)
		}
	}
	if s.partial != "<0><1><2><3>" || len(s.progress) != 2 || len(s.lines) != 1 || s.lines[0] != "careful" {
		t.Errorf("got %+v", s)
	}
}

func TestACancelledCallEnds(t *testing.T) {
	h := start(t, nil, demo())
	ctx, cancel := context.WithCancel(as("acme", "ann"))
	go cancel()
	_, err := h.Call(ctx, invoke.Request{Tool: "wait"}, nil)
	wantCode(t, err, abi.CodeCancelled)
}

func TestATenantHasItsPlacesAndNoMore(t *testing.T) {
	enter, leave := make(chan string, 10), make(chan struct{})
	p := (&plugin{manifest: abi.Manifest{Name: "slow"}}).tool(abi.Tool{Name: "slow"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		enter <- string(c.Tenant)
		select {
		case <-leave:
		case <-ctx.Done():
			return host.Output{}, ctx.Err()
		}
		return text("")
	})
	h := start(t, func(c *invoke.Config) { c.MaxConcurrentPerTenant, c.MaxWaitingPerTenant = 2, 1 }, p)
	var wg sync.WaitGroup
	call := func(ctx context.Context) {
		wg.Go(func() {
			err := error(host.E("", abi.CodeBusy, nil))
			for host.CodeOf(err) == abi.CodeBusy { // a probe below may hold the one place to wait in
				_, err = h.Call(ctx, invoke.Request{Tool: "slow"}, nil)
			}
			if err != nil && host.CodeOf(err) != abi.CodeCancelled {
				t.Error(err)
			}
		})
	}
	call(as("acme", "ann"))
	call(as("acme", "ann"))
	<-enter
	<-enter
	waiting, giveUp := context.WithCancel(as("acme", "ann"))
	call(waiting)
	for {
		// The third may not wait yet when this comes, and then this one waits until it gives up.
		ctx, cancel := context.WithCancel(as("acme", "ann"))
		go cancel()
		_, err := h.Call(ctx, invoke.Request{Tool: "slow"}, nil)
		if host.CodeOf(err) == abi.CodeBusy {
			break
		}
		wantCode(t, err, abi.CodeCancelled)
	}
	call(as("other", "bob"))
	if got := <-enter; got != "other" {
		t.Errorf("%s entered, want the other tenant", got)
	}
	giveUp()
	for range 3 {
		leave <- struct{}{}
	}
	wg.Wait()
	call(as("acme", "ann"))
	<-enter
	leave <- struct{}{}
	wg.Wait()
}

func TestQuestionsAndSealedState(t *testing.T) {
	p := &plugin{manifest: abi.Manifest{Name: "asker"}}
	ask := func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		in, err := op[abi.Context](ctx, c, abi.OpContext, nil)
		if err != nil {
			return host.Output{}, err
		}
		if in.State != "" {
			return text(in.State + string(in.Answers["name"]))
		}
		return host.Output{Kind: abi.OutputInputRequired, Data: []byte(
			`{"requests":{"name":{"method":"elicitation/create","params":{"message":"who?"}}},"state":"round one"}`)}, nil
	}
	p.tool(abi.Tool{Name: "ask"}, ask).tool(abi.Tool{Name: "ask2"}, ask)
	clock := &moving{}
	h := start(t, func(c *invoke.Config) { c.Clock = clock }, p)
	can := abi.Client{Can: []string{abi.ClientElicitation}}
	first, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "ask", Client: can}, nil)
	if err != nil || first.InputRequired == nil || first.Result != nil {
		t.Fatal(first, err)
	}
	state := first.InputRequired.State
	if strings.Contains(state, "round") || len(first.InputRequired.Requests) != 1 {
		t.Errorf("got %+v", first.InputRequired)
	}
	again := func(ctx context.Context, tool, state string) (*invoke.Answer, error) {
		return h.Call(ctx, invoke.Request{Tool: tool, Client: can, State: state, Answers: map[string]json.RawMessage{"name": json.RawMessage(`"Ann"`)}}, nil)
	}
	if a, err := again(as("acme", "ann"), "ask", state); err != nil || a.Result.Content[0].Text != `round one"Ann"` {
		t.Errorf("the second round: %+v, %v", a, err)
	}
	flipped := []byte(state)
	flipped[len(flipped)/2] ^= 1
	for name, c := range map[string]struct {
		ctx         context.Context
		tool, state string
	}{
		"one bit changed":    {as("acme", "ann"), "ask", string(flipped)},
		"cut off":            {as("acme", "ann"), "ask", state[:len(state)-4]},
		"made up":            {as("acme", "ann"), "ask", "bm8gc3VjaCBzdGF0ZQ"},
		"not base64":         {as("acme", "ann"), "ask", "!!"},
		"another tool's":     {as("acme", "ann"), "ask2", state},
		"another user's":     {as("acme", "bob"), "ask", state},
		"another tenant's":   {as("other", "ann"), "ask", state},
		"far too long a one": {as("acme", "ann"), "ask", strings.Repeat("A", 1<<20)},
	} {
		t.Run("refused: "+name, func(t *testing.T) {
			_, err := again(c.ctx, c.tool, c.state)
			wantCode(t, err, abi.CodeInvalidArg)
		})
	}
	t.Run("refused: too late", func(t *testing.T) {
		clock.hours.Store(2)
		_, err := again(as("acme", "ann"), "ask", state)
		wantCode(t, err, abi.CodeInvalidArg)
		if !strings.Contains(err.Error(), "expired") {
			t.Error(err)
		}
	})
}

func TestDrain(t *testing.T) {
	h := start(t, nil, demo())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	run, err := h.Start(as("acme", "ann"), invoke.Request{Tool: "wait", RequestID: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	t.Run("lets nothing new in", func(t *testing.T) {
		_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "echo"}, nil)
		wantCode(t, err, abi.CodeUnavailable)
		_, err = h.Start(as("acme", "ann"), invoke.Request{Tool: "echo"})
		wantCode(t, err, abi.CodeUnavailable)
	})
	t.Run("ends the runs that are left as interrupted", func(t *testing.T) {
		got, err := h.Run(as("acme", "ann"), run.CallID)
		if err != nil || got.Status != invoke.StatusError || got.Error.Code != abi.CodeInterrupted || !got.Error.Retryable {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestNewRefusesABadConfig(t *testing.T) {
	h := start(t, nil, demo())
	for name, c := range map[string]invoke.Config{
		"Catalog":  {Runs: h.store},
		"Runs":     {Catalog: h.reg},
		"SealKey":  {Catalog: h.reg, Runs: h.store, SealKey: []byte("short")},
		"negative": {Catalog: h.reg, Runs: h.store, RunTTL: -1},
		"context":  {Catalog: h.reg, Runs: h.store, Ops: host.Ops{abi.OpContext: func(context.Context, *host.CallInfo, []byte) ([]byte, error) { return nil, errors.New("") }}},
	} {
		if _, err := invoke.New(c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAToolMayAskForAScope(t *testing.T) {
	p := (&plugin{manifest: abi.Manifest{Name: "data"}}).
		tool(abi.Tool{Name: "read_data", Annotations: abi.Annotations{ReadOnly: true}, Scopes: []string{abi.ScopeData}},
			func(context.Context, *host.GuestCall) (host.Output, error) { return text("yours") }).
		tool(abi.Tool{Name: "plain", Annotations: abi.Annotations{ReadOnly: true}},
			func(context.Context, *host.GuestCall) (host.Output, error) { return text("anybody's") })
	h := start(t, nil, p)
	for _, c := range []struct {
		name   string
		scopes []host.Scope
		may    bool
	}{
		{"tools alone", []host.Scope{host.ScopeWriteTools}, false},
		{"data alone", []host.Scope{host.ScopeReadData}, false},
		{"both", []host.Scope{host.ScopeReadTools, host.ScopeReadData}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := as("acme", "ann", c.scopes...)
			listed := slices.ContainsFunc(h.Tools(ctx), func(r registry.ToolRef) bool { return r.Name == "read_data" })
			_, err := h.Call(ctx, invoke.Request{Tool: "read_data"}, nil)
			if listed != c.may || (err == nil) != c.may || !c.may && host.CodeOf(err) != abi.CodeForbidden {
				t.Errorf("listed: %v, call: %v; want %v", listed, err, c.may)
			}
		})
	}
	if got := h.ToolScopes(as("acme", "ann"), "read_data"); !slices.Equal(got, []host.Scope{host.ScopeReadTools, host.ScopeReadData}) {
		t.Errorf("it needs %v", got)
	}
}
