// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"encoding/json"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Emit implements host.Border.
func (c *call) Emit(_ context.Context, kind abi.EventKind, data []byte) error {
	const op = "invoke.Emit"
	if c.events++; c.events > c.limits.Events {
		return host.Errorf(op, abi.CodeLimit, "the call emitted more than %d events", c.limits.Events).
			WithHint("raise limits: events: in %s.yaml", c.plugin.Name)
	}
	if !c.limits.TakesOutput(len(data)) {
		return host.Errorf(op, abi.CodeLimit, "an event has %d bytes; at most %d are allowed", len(data), c.limits.OutputBytes).
			WithHint("raise limits: output: in %s.yaml", c.plugin.Name)
	}
	switch kind {
	case abi.EventPartial:
		if c.sink != nil {
			c.sink.Partial(strings.ToValidUTF8(string(data), "�"))
		}
	case abi.EventProgress:
		if c.sink == nil {
			return nil
		}
		var p abi.Progress
		if err := json.Unmarshal(data, &p); err != nil {
			return host.Errorf(op, abi.CodeContract, "the plugin emitted a progress event that does not parse: %w", err)
		}
		c.sink.Progress(p)
	default:
		return host.Errorf(op, abi.CodeContract, "the plugin emitted an event of the unknown kind %d", kind)
	}
	return c.sinkError()
}

// failing is what a Sink of ours may be besides: one that cannot take more.
type failing interface{ failure() error }

func (c *call) sinkError() error {
	if f, ok := c.sink.(failing); ok {
		return f.failure()
	}
	return nil
}

// Log implements host.Border.
func (c *call) Log(ctx context.Context, level abi.LogLevel, line []byte) {
	heard := c.p.log.Enabled(ctx, slog.Level(level))
	if !heard && c.sink == nil {
		return
	}
	text := strings.ToValidUTF8(string(line), "�")
	if heard {
		c.p.log.LogAttrs(ctx, slog.Level(level), text, slog.String("plugin", c.info.Plugin),
			slog.String("tool", c.info.Tool), slog.String("call_id", c.info.CallID))
	}
	if c.sink != nil {
		c.sink.Log(level, text)
	}
}

// Op implements host.Border.
func (c *call) Op(ctx context.Context, name string, req []byte) (resp []byte, err error) {
	const op = "invoke.Op"
	if c.ops++; c.ops > c.limits.Ops {
		return nil, host.Errorf(op, abi.CodeLimit, "the call asked for more than %d operations", c.limits.Ops).
			WithHint("raise limits: ops: in %s.yaml", c.plugin.Name)
	}
	f := c.p.ops[name]
	if f == nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "this host has no operation %q", clip(name)).
			WithHint("the plugin may be newer than the host")
	}
	defer func() {
		if r := recover(); r != nil {
			c.p.log.Error("an operation panicked", "op", name, "plugin", c.info.Plugin, "call_id", c.info.CallID,
				"panic", r, "stack", string(debug.Stack()))
			resp, err = nil, host.Errorf(op, abi.CodeInternal, "panic in %s: %v", name, r)
		}
	}()
	resp, err = f(ctx, &c.info, req)
	if host.CodeOf(err) == abi.CodeInternal {
		c.p.log.Error("an operation failed", "op", name, "plugin", c.info.Plugin, "call_id", c.info.CallID, "error", err)
	}
	return resp, err
}

func (p *Pipeline) opContext(ctx context.Context, c *host.CallInfo, _ []byte) ([]byte, error) {
	left := c.Limits.Wall
	if d, ok := ctx.Deadline(); ok {
		left = max(0, time.Until(d))
	}
	return json.Marshal(abi.Context{
		Tenant: string(c.Principal.Tenant), User: c.Principal.User, Workspace: c.Principal.Workspace,
		Plugin: c.Plugin, Tool: c.Tool, CallID: c.CallID, RequestID: c.RequestID, SessionID: c.SessionID,
		DeadlineMS: left.Milliseconds(), Metadata: c.Metadata, Client: c.Client, Answers: c.Answers, State: c.State,
	})
}

func (p *Pipeline) opConfig(_ context.Context, c *host.CallInfo, _ []byte) ([]byte, error) {
	if len(c.Config) == 0 {
		return []byte("{}"), nil
	}
	return slices.Clone(c.Config), nil
}

// opCall calls another tool for the same principal. It takes no place of its own: the call above it
// holds one, and would otherwise wait for itself when the tenant has no other.
func (p *Pipeline) opCall(ctx context.Context, c *host.CallInfo, req []byte) ([]byte, error) {
	const op = "invoke.opCall"
	var r abi.CallRequest
	if err := json.Unmarshal(req, &r); err != nil || r.Tool == "" {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "call: the request needs tool, a name, and input, an object")
	}
	if !slices.Contains(c.Granted.Tools, r.Tool) && !slices.Contains(c.Granted.Tools, "*") {
		return nil, host.Errorf(op, abi.CodeForbidden, "the plugin %s may not call the tool %s", c.Plugin, clip(r.Tool)).
			WithHint("add tools: [%s] to grants: in %s.yaml", clip(r.Tool), c.Plugin)
	}
	if c.Depth+1 >= maxDepth {
		return nil, host.Errorf(op, abi.CodeLimit, "tools call tools at most %d deep", maxDepth)
	}
	inner := p.newCall(c.Principal, &Request{Tool: r.Tool, Input: r.Input, SessionID: c.SessionID, Surface: "tool"}, nil)
	inner.info.CallID, inner.info.Depth = c.CallID, c.Depth+1
	a, err := inner.tool(ctx)
	if err != nil {
		return nil, err
	}
	if a.InputRequired != nil {
		return nil, host.Errorf(op, abi.CodeClientCapability, "the tool %s asks its caller something, which only a client can answer", r.Tool)
	}
	return json.Marshal(a.Result)
}

// maxChanged bounds what one OpChanged may name.
const maxChanged = 256

func (p *Pipeline) opChanged(_ context.Context, c *host.CallInfo, req []byte) ([]byte, error) {
	const op = "invoke.opChanged"
	var ch abi.Changed
	if err := json.Unmarshal(req, &ch); err != nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "changed: the request does not parse: %w", err)
	}
	if len(ch.Lists)+len(ch.URIs) > maxChanged {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "changed: at most %d lists and uris at once", maxChanged)
	}
	for _, l := range ch.Lists {
		if l != "tools" && l != "prompts" && l != "resources" {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "changed: lists: %q is not one of tools, prompts, resources", clip(l))
		}
	}
	if p.cfg.OnChanged != nil {
		p.cfg.OnChanged(c.Principal.Tenant, c.Plugin, ch)
	}
	return []byte("{}"), nil
}
