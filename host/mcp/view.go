// Copyright 2026 The Gantry Authors.

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// view is what one kind of caller sees: an SDK server whose lists are kept like the pipeline's.
type view struct {
	s      *Server
	who    *host.Principal // one who sees this; the lists are asked for in its name
	server *sdk.Server
	first  sync.Once
	used   uint64 // guarded by views.mu
	plain  atomic.Pointer[map[string]*pace]
	finder atomic.Pointer[finder]
	ids    nextID

	audience audience

	mu        sync.Mutex
	tools     offers
	prompts   offers
	resources offers
	templates offers
}

// offers are the things of one kind that the SDK's server holds, by name or URI.
type offers map[string]offer

type offer struct {
	plugin string
	print  string // differs when the thing differs
	plain  bool   // a tool that Hot can call
	tool   *abi.Tool
	add    func() // puts it into the SDK's server, also again
}

func newView(s *Server, p *host.Principal) *view {
	v := &view{s: s, tools: offers{}, prompts: offers{}, resources: offers{}, templates: offers{}}
	v.who = &host.Principal{Tenant: p.Tenant, User: p.User, Workspace: p.Workspace, Kind: p.Kind,
		Scopes: p.Scopes, CredentialID: p.CredentialID, MetaTools: p.MetaTools}
	opts := &sdk.ServerOptions{
		Instructions: s.instructions(p),
		Logger:       nil,
		PageSize:     s.cfg.PageSize,
		GetSessionID: v.ids.take,
		Capabilities: &sdk.ServerCapabilities{
			Tools:   &sdk.ToolCapabilities{ListChanged: true},
			Logging: &sdk.LoggingCapabilities{},
		},
		SetCacheable: func(_ context.Context, _ sdk.Request, c *sdk.Cacheable) { c.CacheScope = "private" },
	}
	if p.Kind != host.KindWorkspace { // a workspace is plain storage: tools and nothing else
		opts.SubscribeHandler = v.subscribe
		opts.UnsubscribeHandler = func(context.Context, *sdk.UnsubscribeRequest) error { return nil }
		opts.CompletionHandler = v.complete
	}
	if v.hasTasks() {
		opts.Capabilities.AddExtension(tasksExtension, map[string]any{})
	}
	withSkills := s.announceSkills(p, opts.Capabilities)
	v.server = sdk.NewServer(&sdk.Implementation{Name: s.cfg.Name, Version: s.cfg.Version}, opts)
	v.offerTasks()
	if withSkills {
		v.addSkillMethods()
	}
	v.server.AddReceivingMiddleware(v.guard)
	return v
}

// guard stands around every method: a panic ends the request and not the process, the request's own
// principal counts and not the one who began the session, and each era gets the lists it can read.
func (v *view) guard(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (res sdk.Result, err error) {
		defer func() {
			if r := recover(); r != nil {
				v.s.cfg.Logger.Error("a method panicked", "method", method, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
				res, err = panicked(method)
				res = completed(req, res)
			}
		}()
		p := principalOf(req.GetExtra())
		if p == nil {
			return nil, &jsonrpc.Error{Code: jsonrpc.CodeInvalidRequest, Message: "no credential came with the request"}
		}
		ctx, cancel := v.s.callContext(ctx, p)
		defer cancel()
		defer v.s.sessions.working(req)()
		if hello, ok := req.GetParams().(*sdk.InitializeParams); ok && hello.ProtocolVersion >= firstModern {
			hello.ProtocolVersion = lastSession // what the SDK answers; it would go on by what was asked for
		}
		if call, ok := req.(*sdk.CallToolRequest); ok && !v.lists(call.Params.Name) {
			res, err = v.s.callUnlisted(ctx, call)
			return completed(req, res), err
		} else if ok {
			if res, err := v.callAsTask(ctx, call); res != nil || err != nil {
				return res, err
			}
		}
		if res, err = next(ctx, method, req); err == nil {
			v.s.sessions.note(req)
		}
		if list, ok := res.(*sdk.ListToolsResult); ok && list != nil {
			v.show(list, modernRequest(req))
		}
		if hello, ok := res.(*sdk.InitializeResult); ok {
			withoutTasks(hello)
		}
		return res, err
	}
}

// lists tells whether the tool is in the view.
func (v *view) lists(tool string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	_, ok := v.tools[tool]
	return ok
}

// completeResult is a result that did not come by way of the SDK's own handler of tools/call, which
// marks results for clients of the modern era: as "complete", or what else kind says.
type completeResult struct {
	*sdk.CallToolResult
	kind string
}

// MarshalJSON is the result's, with its type at the end.
func (r completeResult) MarshalJSON() ([]byte, error) {
	data, err := r.CallToolResult.MarshalJSON()
	if err != nil {
		return nil, err
	}
	return append(bytes.TrimSuffix(data, []byte("}")), `,"resultType":"`+r.kind+`"}`...), nil
}

func completed(req sdk.Request, res sdk.Result) sdk.Result {
	if r, ok := res.(*sdk.CallToolResult); ok && r != nil && modernRequest(req) {
		return completeResult{r, "complete"}
	}
	return res
}

func panicked(method string) (sdk.Result, error) {
	if method == "tools/call" {
		return errorResult(host.Outward(host.E("mcp", abi.CodeInternal, nil))), nil
	}
	return nil, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: "the host failed; its log has the cause"}
}

func principalOf(extra *sdk.RequestExtra) *host.Principal {
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	p, _ := extra.TokenInfo.Extra[principalExtra].(*host.Principal)
	return p
}

// fill makes the SDK's lists like the pipeline's. The SDK tells clients of each difference.
func (v *view) fill() {
	v.mu.Lock()
	defer v.mu.Unlock()
	ctx := host.WithPrincipal(v.s.ctx, v.who)
	pipe := v.s.cfg.Pipeline
	tools := pipe.Tools(ctx)
	v.finder.Store(newFinder(tools))
	v.replace(listTools, &v.tools, v.offerTools(tools), v.server.RemoveTools)
	v.notePlain()
	v.replace(listPrompts, &v.prompts, v.offerPrompts(pipe.Prompts(ctx)), v.server.RemovePrompts)
	v.replace(listResources, &v.resources, v.offerResources(v.s.resources(ctx)), v.server.RemoveResources)
	v.replace(listResources, &v.templates, v.offerTemplates(v.s.templates(ctx)), v.server.RemoveResourceTemplates)
}

// notePlain sets what callsPlainly reads; v.mu is held.
func (v *view) notePlain() {
	plain := make(map[string]*pace, len(v.tools))
	for name, o := range v.tools {
		if o.plain {
			p, _ := v.s.paces.LoadOrStore(name, &pace{})
			plain[name] = p.(*pace)
		}
	}
	v.plain.Store(&plain)
}

// callsPlainly tells whether the tool is in the view and a call of it needs nothing of the SDK: no
// ability of the client, no argument that comes in a header too. The call gets the tool's pace. It
// does not wait for a refresh.
func (v *view) callsPlainly(tool []byte, c *hotCall) bool {
	if plain := v.plain.Load(); plain != nil {
		c.pace = (*plain)[string(tool)]
	}
	return c.pace != nil
}

// replace adds what is new or different and removes what is gone.
func (v *view) replace(kind lists, have *offers, want offers, remove func(...string)) {
	for name, o := range want {
		if old, ok := (*have)[name]; ok && old.print == o.print {
			continue
		}
		if v.add(name, o) {
			v.audience.changed(kind)
		} else {
			delete(want, name)
		}
	}
	var gone []string
	for name := range *have {
		if _, ok := want[name]; !ok {
			gone = append(gone, name)
		}
	}
	if len(gone) > 0 {
		remove(gone...)
		v.audience.changed(kind)
	}
	*have = want
}

// add puts an offer into the SDK's server, which panics at what it does not like, such as a schema
// with a header annotation that is no header. Such a thing is left out.
func (v *view) add(name string, o offer) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			v.s.cfg.Logger.Warn("a plugin's offer is left out of MCP", "plugin", o.plugin, "name", name, "reason", fmt.Sprint(r))
			ok = false
		}
	}()
	o.add()
	return true
}

func (v *view) offerTools(refs []registry.ToolRef) offers {
	out := make(offers, len(refs))
	for _, ref := range refs {
		t, needs := toolFor(ref), ref.Tool.Needs
		plain := len(needs) == 0 && ref.Tool.Task == "" && !bytes.Contains(ref.Tool.InputSchema, []byte("x-mcp-header"))
		out[ref.Name] = offer{ref.Plugin.Name, fingerprint(t, needs), plain, ref.Tool, func() {
			v.server.AddTool(t, func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
				return v.s.callTool(ctx, req, needs)
			})
		}}
	}
	v.offerMeta(out)
	return out
}

func (v *view) offerPrompts(refs []registry.PromptRef) offers {
	out := make(offers, len(refs))
	for _, ref := range refs {
		p := promptFor(ref)
		out[ref.Name] = offer{ref.Plugin.Name, fingerprint(p), false, nil, func() { v.server.AddPrompt(p, v.s.getPrompt) }}
	}
	return out
}

func (v *view) offerResources(refs []registry.ResourceRef) offers {
	out := make(offers, len(refs))
	for _, ref := range refs {
		r := &sdk.Resource{URI: ref.Resource.URI, Name: ref.Resource.Name, Title: ref.Resource.Title,
			Description: ref.Resource.Description, MIMEType: ref.Resource.MIMEType}
		out[r.URI] = offer{ref.Plugin.Name, fingerprint(r), false, nil, func() { v.server.AddResource(r, v.s.readResource) }}
	}
	return out
}

func (v *view) offerTemplates(refs []registry.TemplateRef) offers {
	out := make(offers, len(refs))
	for _, ref := range refs {
		t := &sdk.ResourceTemplate{URITemplate: ref.Template.URITemplate, Name: ref.Template.Name, Title: ref.Template.Title,
			Description: ref.Template.Description, MIMEType: ref.Template.MIMEType}
		out[t.URITemplate] = offer{ref.Plugin.Name, fingerprint(t), false, nil, func() { v.server.AddResourceTemplate(t, v.s.readResource) }}
	}
	return out
}

// fingerprint is the JSON of what a client would see, and of what else decides how a call is handled.
func fingerprint(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		return err.Error() // a schema that is no JSON: the SDK refuses it with the same words
	}
	return string(data)
}

// changed announces what the plugin said of itself.
func (v *view) changed(plugin string, c abi.Changed) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, list := range c.Lists {
		switch list {
		case "tools":
			v.announce(listTools, v.tools, plugin)
		case "prompts":
			v.announce(listPrompts, v.prompts, plugin)
		case "resources":
			if !v.announce(listResources, v.resources, plugin) {
				v.announce(listResources, v.templates, plugin)
			}
		}
	}
	for _, uri := range c.URIs {
		if r, ok := v.resources[uri]; !ok || r.plugin == plugin {
			v.resourceUpdated(uri)
		}
	}
}

// announce adds one thing of the plugin again, which is how the SDK is made to tell of a change.
func (v *view) announce(kind lists, have offers, plugin string) bool {
	for name, o := range have {
		if o.plugin != plugin {
			continue
		}
		if !v.add(name, o) {
			return false
		}
		v.audience.changed(kind)
		return true
	}
	return false
}

func (v *view) resourceUpdated(uri string) {
	err := v.server.ResourceUpdated(v.s.ctx, &sdk.ResourceUpdatedNotificationParams{URI: uri})
	if err != nil {
		v.s.cfg.Logger.Debug("a resource update was not sent", "uri", uri, "err", err)
	}
	v.audience.updated(uri) // after the SDK: a session that falls asleep in between is told twice, and not never
}

func (v *view) inUse() bool {
	if !v.audience.empty() {
		return true
	}
	for range v.server.Sessions() {
		return true
	}
	return false
}

// endSession ends the SDK's session of the id, which is ss where that is known.
func (v *view) endSession(id string, ss *sdk.ServerSession) {
	if ss != nil {
		_ = ss.Close() // see below
		return
	}
	for ss := range v.server.Sessions() {
		if ss.ID() == id {
			_ = ss.Close() // a transport that is broken already is closed enough
		}
	}
}
