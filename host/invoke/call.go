// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"errors"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/registry"
)

// Call calls a tool and waits for its end. The error is a host.Error, or the *abi.Error that the tool
// itself reported; its code says which stage failed: CodeUnknownTool, CodeForbidden,
// CodeClientCapability, CodeInvalidArg (the field is named), CodeConfirmation, CodeDeclined, CodeBusy,
// CodeLimit, CodeDeadline, CodeCancelled, CodeTrap, CodeContract, CodeUnavailable, or what the tool said.
// RequestID does not make a Call idempotent: only runs are recorded.
func (p *Pipeline) Call(ctx context.Context, r Request, sink Sink) (*Answer, error) {
	const op = "invoke.Call"
	who, err := p.admit(ctx, op)
	if err != nil {
		return nil, err
	}
	defer p.leave()
	c := p.newCall(who, &r, sink)
	c.info.CallID = newCallID()
	gate := p.gates.of(who.Tenant)
	if err := p.gates.enter(ctx, gate, false); err != nil {
		err = stopped(op, err)
		c.record(err)
		return nil, err
	}
	defer gate.leave()
	return c.tool(ctx)
}

// admit finds the principal and counts the call in; leave has to follow where it succeeds.
func (p *Pipeline) admit(ctx context.Context, op string) (*host.Principal, error) {
	who := host.PrincipalFrom(ctx)
	if who == nil {
		return nil, host.Errorf(op, abi.CodeUnauthenticated, "a credential is needed")
	}
	return who, p.enter(op)
}

// stopped words a context's end, or its cause, as an error of ours.
func stopped(op string, err error) error {
	var he *host.Error
	if errors.As(err, &he) {
		return err
	}
	return host.E(op, host.CodeOf(err), err)
}

// call is one call under way, and the border its guest meets.
type call struct {
	p       *Pipeline
	info    host.CallInfo
	request *Request
	sink    Sink
	limits  host.Limits
	started time.Time
	// kind is what is called where it is no tool; see journal.Entry.
	kind string

	// cleared is what a run was cleared for when it was accepted, and set here for other calls; kept
	// says that the state of a question stays in the host, since a run's answers come to it there.
	cleared *clearance
	kept    bool

	plugin *registry.Plugin
	usage  host.Usage
	// reserved says that the tenant's quota has the call already; rationed that the fuel of limits is
	// what the tenant has left.
	reserved, rationed bool
	// rationAt is when the quota was asked.
	rationAt time.Time

	ops     int
	events  int
	out     int // bytes of the answer
	closers []func()
	guest   host.GuestCall
	room    *room
}

var _ host.Border = (*call)(nil)

func (p *Pipeline) newCall(who *host.Principal, r *Request, sink Sink) *call {
	c := &call{p: p, request: r, sink: sink, started: p.cfg.Clock.Now()}
	c.info = host.CallInfo{
		Principal: who, RequestID: r.RequestID, SessionID: r.SessionID, Tool: r.Tool,
		Metadata: r.Metadata, Client: r.Client, Answers: r.Answers, Defer: c.onEnd,
	}
	return c
}

func (c *call) onEnd(f func()) { c.closers = append(c.closers, f) }

// tool is the pipeline for a tool, from its name to its answer, once a place is reserved.
func (c *call) tool(ctx context.Context) (a *Answer, err error) {
	const op = "invoke.Call"
	defer func() { c.record(err) }()
	ref, guest, release, ok := c.p.cfg.Catalog.Acquire(c.info.Principal.Tenant, c.request.Tool)
	if !ok {
		return nil, c.p.unknownTool(op, c.info.Principal, c.request.Tool)
	}
	defer release()
	c.use(ref.Plugin)
	if err := c.p.permit(c.info.Principal, ref, &c.request.Client); err != nil {
		return nil, err
	}
	input, err := c.p.checkInput(ref, c.request.Input, &c.limits)
	if err != nil {
		return nil, err
	}
	switch ask, err := c.clear(ctx, ref, input); {
	case err != nil:
		return nil, err
	case ask != nil:
		return &Answer{CallID: c.info.CallID, InputRequired: ask}, nil
	}
	c.guest = host.GuestCall{Entry: host.EntryTool, Index: ref.Index, Input: input, Room: c.enter()}
	defer c.leave()
	out, err := c.run(ctx, guest)
	if err != nil {
		return nil, toolError(err, ref.Tool)
	}
	return c.settle(ref, out)
}

func stateOf(ref registry.ToolRef) string { return "tool " + ref.Name }

// use sets what a call gets from the plugin it goes to.
func (c *call) use(p *registry.Plugin) {
	c.plugin = p
	c.limits = fill(p.Settings.Limits, c.p.cfg.Limits)
	c.info.Plugin, c.info.Granted, c.info.Config = p.Name, &p.Settings.Grants, p.Settings.Config
	c.info.Limits = c.limits
}

// permit decides whether the principal, with that client, may call the tool.
func (p *Pipeline) permit(who *host.Principal, ref registry.ToolRef, client *abi.Client) error {
	const op = "invoke.permit"
	switch {
	case !who.Has(host.ScopeReadTools):
		return host.Errorf(op, abi.CodeForbidden, "the credential lacks the scope %s", host.ScopeReadTools).
			WithHint("use a credential with %s, or with %s for tools that change things", host.ScopeReadTools, host.ScopeWriteTools)
	case !ref.Tool.Annotations.ReadOnly && !who.Has(host.ScopeWriteTools):
		return host.Errorf(op, abi.CodeForbidden, "the tool %s is not read-only and the credential lacks the scope %s", ref.Name, host.ScopeWriteTools).
			WithHint("use a credential with %s", host.ScopeWriteTools)
	}
	for _, s := range ref.Tool.Scopes {
		if !who.Has(host.Scope(s)) {
			return host.Errorf(op, abi.CodeForbidden, "the tool %s needs the scope %s, which the credential lacks", ref.Name, s).
				WithHint("use a credential with %s", s)
		}
	}
	for _, need := range ref.Tool.Needs {
		if !slices.Contains(client.Can, need) {
			return lacking(op, ref.Name, need)
		}
	}
	return nil
}

func lacking(op, tool, need string) error {
	return host.Errorf(op, abi.CodeClientCapability, "the tool %s needs a client that can do %s, which this one has not declared", tool, need).
		WithHint("call it over MCP from a client that declares the capability %s", need)
}

// checkInput is the input to hand to the guest, checked for size and against the tool's schema.
func (p *Pipeline) checkInput(ref registry.ToolRef, input []byte, lim *host.Limits) ([]byte, error) {
	const op = "invoke.check"
	// Clients and plugins in many languages write "no arguments" as null.
	if len(input) == 0 || string(input) == "null" {
		input = []byte("{}")
	}
	if !lim.TakesInput(len(input)) {
		return nil, host.Errorf(op, abi.CodeLimit, "the input has %d bytes; the plugin %s takes at most %d", len(input), ref.Plugin.Name, lim.InputBytes).
			WithHint("send less, or raise limits: input: in %s.yaml", ref.Plugin.Name)
	}
	s, err := p.compiled.of(ref.Plugin, p.cfg.Catalog.Snapshot).input(ref.Index, ref.Tool)
	if err != nil {
		return nil, err
	}
	return input, s.Check(input)
}

// run lets the guest run and closes what its operations have opened. The border and the limits are
// set here; the rest of c.guest by the caller.
func (c *call) run(ctx context.Context, g host.Guest) (out host.Output, err error) {
	const op = "invoke.run"
	defer func() {
		if r := recover(); r != nil {
			c.p.log.Error("a call panicked in the host", "plugin", c.plugin.Name, "tool", c.info.Tool, "call_id", c.info.CallID,
				"panic", r, "stack", string(debug.Stack()))
			c.room = nil // who panicked may still have it
			err = host.Errorf(op, abi.CodeInternal, "panic: %v", r)
		}
		for _, f := range slices.Backward(c.closers) {
			f()
		}
		c.closers = nil
	}()
	if err := c.reserve(ctx); err != nil {
		return out, err
	}
	c.guest.Tenant, c.guest.Border, c.guest.Limits = c.info.Principal.Tenant, c, c.limits
	out, c.usage, err = g.Call(ctx, &c.guest)
	err = c.settled(ctx, err)
	c.out = len(out.Data)
	if err == nil && !c.limits.TakesOutput(len(out.Data)) {
		return host.Output{}, host.Errorf(op, abi.CodeLimit, "the answer has %d bytes; at most %d are allowed", len(out.Data), c.limits.OutputBytes).
			WithHint("raise limits: output: in %s.yaml", c.plugin.Name)
	}
	return out, err
}

// toolError gives a failure of the tool's upstream the tool's own code.
func toolError(err error, t *abi.Tool) error {
	var ae *abi.Error
	if t.ErrorCode == "" || !errors.As(err, &ae) || ae.Code != abi.CodeUpstream {
		return err
	}
	own := *ae
	own.Code = t.ErrorCode
	return &own
}

// record tells the journal how the call ended.
func (c *call) record(err error) {
	code := host.CodeOf(err)
	if code == abi.CodeInternal {
		c.p.log.Error("a call failed in the host", "plugin", c.info.Plugin, "tool", c.info.Tool, "call_id", c.info.CallID, "error", err)
	}
	if c.p.cfg.Journal == nil {
		return
	}
	who, r := c.info.Principal, c.request
	wall := c.usage.Wall
	if wall == 0 {
		wall = c.p.cfg.Clock.Now().Sub(c.started)
	}
	c.p.cfg.Journal.Record(journal.Entry{
		Time: c.started, Tenant: who.Tenant, User: who.User, Workspace: who.Workspace, Credential: who.CredentialID,
		Surface: r.Surface, Plugin: c.info.Plugin, Tool: clip(c.info.Tool), Kind: c.kind, CallID: c.info.CallID,
		RequestID: r.RequestID, SessionID: clipTo(r.SessionID, maxID), Depth: c.info.Depth, Code: code,
		WallMicros: wall.Microseconds(), Fuel: c.usage.Fuel, PeakBytes: c.usage.PeakBytes, Ops: c.usage.Ops,
		BytesIn: len(r.Input), BytesOut: c.out,
	})
}

func clipTo(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
