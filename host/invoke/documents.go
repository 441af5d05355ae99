// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/yosida95/uritemplate/v3"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/registry"
)

// Prompt renders the prompt that r.Tool names with the arguments in r.Input, a JSON object of
// strings. Exactly one of the answers is set. A prompt that is not there is CodeNotFound, an
// argument that is missing or unknown CodeInvalidArg.
func (p *Pipeline) Prompt(ctx context.Context, r Request) (*abi.PromptResult, *abi.InputRequired, error) {
	const op = "invoke.Prompt"
	what := "prompt " + r.Tool
	c, out, err := p.ask(ctx, op, &r, func(who *host.Principal) (*ask, error) {
		ref, ok := p.cfg.Catalog.Snapshot().Prompt(r.Tool)
		if !ok || !who.Has(host.ScopeReadTools) || !ref.Plugin.VisibleTo(who.Tenant) {
			return nil, host.Errorf(op, abi.CodeNotFound, "there is no prompt %q here", clip(r.Tool))
		}
		return &ask{plugin: ref.Plugin, entry: host.EntryPrompt, index: ref.Index, what: what}, checkArguments(op, ref.Prompt, &r)
	})
	if err != nil {
		return nil, nil, err
	}
	if out.Kind == abi.OutputInputRequired {
		ask, err := c.inputRequired(what, out.Data)
		return nil, ask, err
	}
	var res abi.PromptResult
	if err := json.Unmarshal(out.Data, &res); err != nil {
		return nil, nil, c.broken("its prompt does not parse: %w", err)
	}
	for i, m := range res.Messages {
		if m.Role != "user" && m.Role != "assistant" {
			return nil, nil, c.broken("messages[%d].role is %q; use user or assistant", i, clip(m.Role))
		}
	}
	return &res, nil, nil
}

// checkArguments holds r.Input against what the prompt takes, and fills in {} for nothing.
func checkArguments(op string, prompt *abi.Prompt, r *Request) error {
	if len(r.Input) == 0 {
		r.Input = json.RawMessage("{}")
	}
	args := map[string]string{}
	if err := json.Unmarshal(r.Input, &args); err != nil {
		return host.Errorf(op, abi.CodeInvalidArg, "the arguments of a prompt have to be an object of strings: %w", err)
	}
	var names []string
	for _, a := range prompt.Arguments {
		names = append(names, a.Name)
		if _, there := args[a.Name]; a.Required && !there {
			return host.Errorf(op, abi.CodeInvalidArg, "/%s is missing; send it, a string", a.Name)
		}
	}
	for name := range args {
		if !slices.Contains(names, name) {
			err := host.Errorf(op, abi.CodeInvalidArg, "/%s is not an argument of the prompt %s", clip(name), prompt.Name)
			if near := schema.Nearest(name, names); near != "" {
				return err.WithHint("did you mean %s?", near)
			}
			return err.WithHint("the arguments are %s", strings.Join(names, ", "))
		}
	}
	return nil
}

// maxURI bounds the URIs that are looked up.
const maxURI = 2048

// Read reads the document at uri: a resource of that URI or, where there is none, the template that
// matches it with the most literal text. CodeNotFound where neither is there for this caller.
func (p *Pipeline) Read(ctx context.Context, uri string) (*abi.ReadResult, error) {
	const op = "invoke.Read"
	if len(uri) > maxURI {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "uri: has %d bytes; at most %d are allowed", len(uri), maxURI)
	}
	r := Request{Tool: uri}
	c, out, err := p.ask(ctx, op, &r, func(who *host.Principal) (*ask, error) {
		a, vars := p.findDocument(who, uri)
		if a == nil {
			return nil, host.Errorf(op, abi.CodeNotFound, "there is no resource %q here", uri)
		}
		var err error
		r.Input, err = json.Marshal(abi.ReadRequest{URI: uri, Variables: vars})
		return a, err
	})
	if err != nil {
		return nil, err
	}
	var res abi.ReadResult
	if err := json.Unmarshal(out.Data, &res); err != nil || out.Kind == abi.OutputInputRequired {
		return nil, c.broken("its document does not parse")
	}
	for i := range res.Contents {
		if res.Contents[i].URI == "" {
			res.Contents[i].URI = uri
		}
	}
	return &res, nil
}

// findDocument is nil where the principal may read nothing of that URI.
func (p *Pipeline) findDocument(who *host.Principal, uri string) (a *ask, vars map[string]string) {
	if !mayRead(who) {
		return nil, nil
	}
	snap := p.cfg.Catalog.Snapshot()
	if r, ok := snap.Resource(uri); ok && r.Plugin.VisibleTo(who.Tenant) {
		return &ask{plugin: r.Plugin, entry: host.EntryRead, index: r.Index}, nil
	}
	most := -1
	for _, t := range snap.Templates(who.Tenant) {
		parts := p.compiled.of(t.Plugin, p.cfg.Catalog.Snapshot)
		tm := parts.template(t.Index-len(t.Plugin.Manifest.Resources), t.Template.URITemplate)
		v, ok := matchTemplate(tm, uri)
		if n := literal(t.Template.URITemplate); ok && n > most {
			most, vars = n, v
			a = &ask{plugin: t.Plugin, entry: host.EntryRead, index: t.Index}
		}
	}
	return a, vars
}

// matchTemplate is the values of a template's variables in uri; a list is joined with commas.
func matchTemplate(t *uritemplate.Template, uri string) (vars map[string]string, ok bool) {
	if t == nil {
		return nil, false
	}
	// The matcher is strange code over a plugin's template and a caller's text.
	defer func() {
		if recover() != nil {
			vars, ok = nil, false
		}
	}()
	values := t.Match(uri)
	if values == nil {
		return nil, false
	}
	vars = make(map[string]string, len(values))
	for name, v := range values {
		vars[name] = strings.Join(v.V, ",")
	}
	return vars, true
}

// literal is how much of a template stands outside of its braces.
func literal(template string) int {
	n, depth := 0, 0
	for i := range len(template) {
		switch template[i] {
		case '{':
			depth++
		case '}':
			depth--
		default:
			if depth == 0 {
				n++
			}
		}
	}
	return n
}

// maxCompletions is how many values an answer holds, as MCP has it.
const maxCompletions = 100

// Complete asks the plugin of a prompt or template for values. A plugin that completes nothing, and
// a prompt or template that is not there, have none.
func (p *Pipeline) Complete(ctx context.Context, r *abi.CompleteRequest) (*abi.CompleteResult, error) {
	const op = "invoke.Complete"
	none := &abi.CompleteResult{Values: []string{}}
	if who := host.PrincipalFrom(ctx); who != nil {
		if plugin, _ := p.completer(who, r); plugin == nil {
			return none, nil
		}
	}
	q := Request{Tool: r.Prompt + r.Template}
	c, out, err := p.ask(ctx, op, &q, func(who *host.Principal) (*ask, error) {
		plugin, own := p.completer(who, r)
		if plugin == nil {
			return nil, host.Errorf(op, abi.CodeNotFound, "the plugin that completes this has just gone")
		}
		var err error
		q.Input, err = json.Marshal(own)
		return &ask{plugin: plugin, entry: host.EntryComplete}, err
	})
	if err != nil {
		return nil, err
	}
	res := &abi.CompleteResult{}
	if err := json.Unmarshal(out.Data, res); err != nil {
		return nil, c.broken("its completion does not parse: %w", err)
	}
	if res.Values == nil {
		res.Values = none.Values
	}
	if len(res.Values) > maxCompletions {
		res.Total, res.More = max(res.Total, len(res.Values)), true
		res.Values = res.Values[:maxCompletions]
	}
	return res, nil
}

// completer is the plugin that completes, nil for none, and the request as it knows it: a prompt
// without the operator's prefix.
func (p *Pipeline) completer(who *host.Principal, r *abi.CompleteRequest) (*registry.Plugin, abi.CompleteRequest) {
	own := *r
	if !mayRead(who) {
		return nil, own
	}
	snap := p.cfg.Catalog.Snapshot()
	if ref, ok := snap.Prompt(r.Prompt); ok && ref.Plugin.VisibleTo(who.Tenant) && ref.Plugin.Manifest.Completes {
		own.Prompt = ref.Prompt.Name
		return ref.Plugin, own
	}
	for _, t := range snap.Templates(who.Tenant) {
		if r.Template != "" && t.Template.URITemplate == r.Template && t.Plugin.Manifest.Completes {
			return t.Plugin, own
		}
	}
	return nil, own
}

// ask is where a call goes that is not of a tool.
type ask struct {
	plugin *registry.Plugin
	entry  host.Entry
	index  int
	// what a state is bound to; empty where none may come.
	what string
}

// kindOf is what an entry of the pipeline calls, as the journal has it.
func kindOf(op string) string { return strings.ToLower(strings.TrimPrefix(op, "invoke.")) }

// ask is the pipeline for everything but tools. Find resolves r and may complete its Input; it is
// called again when the plugin it found is replaced before the call could hold it.
func (p *Pipeline) ask(ctx context.Context, op string, r *Request, find func(*host.Principal) (*ask, error)) (c *call, out host.Output, err error) {
	who, err := p.admit(ctx, op)
	if err != nil {
		return nil, out, err
	}
	defer p.leave()
	if r.Surface == "" {
		r.Surface = "mcp"
	}
	c = p.newCall(who, r, nil)
	c.info.CallID, c.kind = newCallID(), kindOf(op)
	defer func() { c.record(err) }()
	gate := p.gates.of(who.Tenant)
	if err := p.gates.enter(ctx, gate, false); err != nil {
		return c, out, stopped(op, err)
	}
	defer gate.leave()
	a, guest, release, err := p.hold(who, find)
	if err != nil {
		return c, out, err
	}
	defer release()
	c.use(a.plugin)
	if !c.limits.TakesInput(len(r.Input)) {
		return c, out, host.Errorf(op, abi.CodeLimit, "the input has %d bytes; the plugin %s takes at most %d", len(r.Input), a.plugin.Name, c.limits.InputBytes)
	}
	if c.info.State, err = p.sealer.open(who, a.what, r.State, c.started); err != nil {
		return c, out, err
	}
	c.guest = host.GuestCall{Entry: a.entry, Index: a.index, Input: r.Input}
	if out, err = c.run(ctx, guest); err == nil && out.Kind == abi.OutputError {
		err = c.reported(out.Data)
	}
	return c, out, err
}

func (p *Pipeline) hold(who *host.Principal, find func(*host.Principal) (*ask, error)) (*ask, host.Guest, func(), error) {
	for {
		a, err := find(who)
		if err != nil {
			return nil, nil, nil, err
		}
		if guest, release, ok := p.cfg.Catalog.Hold(a.plugin); ok {
			return a, guest, release, nil
		}
	}
}
