// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/internal/wire"
)

// Host is the world of one test. Set the fields before the first call; calls may run at once.
type Host struct {
	// Config are the plugin's settings: anything that encodes to a JSON object. nil is {}.
	Config any
	// Grants are the rights that are enforced; nil permits everything.
	Grants *pdk.Rights
	// Principal and the like; New fills in Tenant "test", User "tester".
	Context abi.Context
	// Web answers every Context.Fetch; nil answers none (UPSTREAM_ERROR).
	Web http.Handler
	// Tools are the tools of other plugins that Context.Call finds, by name.
	Tools map[string]func(input json.RawMessage) (*pdk.Result, error)
	// Answers are given to the questions of these keys, as MCP writes them: see Accept, Decline,
	// Sampled, Roots. A question without one ends the call with Result.Asked.
	Answers map[string]any

	t        testing.TB
	manifest *abi.Manifest
	guest    wire.Guest

	mu      sync.Mutex
	files   map[string]file
	kv      map[string]entry
	memory  map[string]memo
	drive   map[string]document
	rev     uint64
	calls   int
	changed []string
}

// New returns a host for the plugin of this program. A mistake in the plugin's definitions ends the
// test.
func New(t testing.TB) *Host {
	t.Helper()
	return For(t, pdk.Registered())
}

// For is New for a plugin that is not the program's own; most tests want New.
func For(t testing.TB, plugin *pdk.Served) *Host {
	t.Helper()
	h := &Host{
		Context: abi.Context{Tenant: "test", User: "tester"},
		t:       t, guest: guestOf(plugin), files: map[string]file{}, kv: map[string]entry{},
	}
	kind, out := plugin.Describe()
	if kind != abi.OutputStructured {
		t.Fatalf("the plugin cannot be described: %v", readError(out))
	}
	m, err := abi.ParseManifest(out)
	if err != nil {
		t.Fatalf("a host would refuse the plugin: %v", err)
	}
	h.manifest = m
	h.Context.Plugin = m.Name
	return h
}

// Manifest is what the plugin says of itself.
func (h *Host) Manifest() *abi.Manifest { return h.manifest }

// Changed lists what the plugin said has changed, in order.
func (h *Host) Changed() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.changed...)
}

// Call calls a tool with the test's context; see CallContext.
func (h *Host) Call(tool string, input any) *Result {
	h.t.Helper()
	return h.CallContext(h.t.Context(), tool, input)
}

// CallContext calls a tool. Input is encoded as JSON; a json.RawMessage or []byte goes as it is, nil
// is {}. A tool the plugin does not have ends the test; every other failure is in Result.Err.
func (h *Host) CallContext(ctx context.Context, tool string, input any) *Result {
	h.t.Helper()
	for i, t := range h.manifest.Tools {
		if t.Name == tool {
			return h.run(ctx, wire.EntryTool, i, tool, encode(h.t, input))
		}
	}
	h.t.Fatalf("the plugin has no tool %q", tool)
	return nil
}

// maxRounds bounds how often a tool may ask in one call.
const maxRounds = 8

// run does one call, again as long as the plugin asks what Answers has an answer for.
func (h *Host) run(ctx context.Context, e wire.Entry, index int, name string, input []byte) *Result {
	h.t.Helper()
	res := &Result{t: h.t}
	info := h.Context
	info.Tool = name
	for range maxRounds {
		c := h.begin(ctx, res, info)
		kind, out := h.guest.Run(c, e, index, input)
		c.end()
		res.read(kind, out)
		if res.Asked == nil {
			return res
		}
		answers, all := h.answer(res.Asked)
		if !all {
			return res
		}
		info.Answers, info.State, res.Asked = answers, res.Asked.State, nil
	}
	h.t.Fatalf("%s asks again and again: %d rounds", name, maxRounds)
	return nil
}

func (h *Host) answer(q *abi.InputRequired) (map[string]json.RawMessage, bool) {
	out := map[string]json.RawMessage{}
	for key := range q.Requests {
		a, ok := h.Answers[key]
		if !ok {
			return nil, false
		}
		out[key] = encode(h.t, a)
	}
	return out, true
}

// Prompt asks for a prompt by name. A prompt the plugin does not have ends the test.
func (h *Host) Prompt(name string, args map[string]string) (*abi.PromptResult, error) {
	h.t.Helper()
	for i, p := range h.manifest.Prompts {
		if p.Name == name {
			return decoded[abi.PromptResult](h.run(h.t.Context(), wire.EntryPrompt, i, name, encode(h.t, args)))
		}
	}
	h.t.Fatalf("the plugin has no prompt %q", name)
	return nil, nil
}

// Read reads a resource by its URI, or a template's document by the template and its variables.
func (h *Host) Read(uri string, variables map[string]string) ([]abi.Content, error) {
	h.t.Helper()
	index := -1
	for i, r := range h.manifest.Resources {
		if r.URI == uri {
			index = i
		}
	}
	req := abi.ReadRequest{URI: uri}
	for i, t := range h.manifest.Templates {
		if t.URITemplate == uri {
			index = len(h.manifest.Resources) + i
			req = abi.ReadRequest{URI: expand(uri, variables), Variables: variables}
		}
	}
	if index < 0 {
		h.t.Fatalf("the plugin has no resource and no template %q", uri)
	}
	res, err := decoded[abi.ReadResult](h.run(h.t.Context(), wire.EntryRead, index, uri, encode(h.t, req)))
	if err != nil {
		return nil, err
	}
	return res.Contents, nil
}

// Complete asks for values of an argument.
func (h *Host) Complete(req abi.CompleteRequest) (*abi.CompleteResult, error) {
	h.t.Helper()
	if !h.manifest.Completes {
		h.t.Fatalf("the plugin has no pdk.Complete")
	}
	return decoded[abi.CompleteResult](h.run(h.t.Context(), wire.EntryComplete, 0, "", encode(h.t, req)))
}
