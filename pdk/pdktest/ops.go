// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/internal/wire"
)

// call is what the guest meets during one run; it implements wire.Host.
type call struct {
	h       *Host
	ctx     context.Context
	res     *Result
	info    abi.Context
	streams map[int32]*webStream
}

var _ wire.Host = (*call)(nil)

func (h *Host) begin(ctx context.Context, res *Result, info abi.Context) *call {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	if info.CallID == "" {
		info.CallID = fmt.Sprintf("call-%d", h.calls)
	}
	if end, ok := ctx.Deadline(); ok && info.DeadlineMS == 0 {
		info.DeadlineMS = max(1, time.Until(end).Milliseconds())
	}
	return &call{h: h, ctx: ctx, res: res, info: info, streams: map[int32]*webStream{}}
}

func (c *call) end() {
	for _, s := range c.streams {
		s.close()
	}
}

// Context implements wire.Host.
func (c *call) Context() context.Context { return c.ctx }

// Emit implements wire.Host.
func (c *call) Emit(kind abi.EventKind, data []byte) {
	switch kind {
	case abi.EventPartial:
		if !utf8.Valid(data) {
			c.h.t.Errorf("a partial is not UTF-8: %q", data)
		}
		c.res.Partials = append(c.res.Partials, string(data))
	case abi.EventProgress:
		var p abi.Progress
		if err := json.Unmarshal(data, &p); err != nil {
			c.h.t.Errorf("progress %s does not parse: %v", data, err)
		}
		c.res.Progress = append(c.res.Progress, p)
	default:
		c.h.t.Errorf("an event of unknown kind %d", kind)
	}
}

// Log implements wire.Host.
func (c *call) Log(level abi.LogLevel, line []byte) {
	c.res.Logs = append(c.res.Logs, Line{level, string(line)})
}

// Op implements wire.Host.
func (c *call) Op(name string, req []byte) ([]byte, error) {
	if c.ctx.Err() != nil {
		return nil, c.ended()
	}
	v, err := c.dispatch(name, req)
	if err != nil {
		return nil, err
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, pdk.Errorf(abi.CodeInternal, "%s: %w", name, err)
	}
	return data, nil
}

// ended is why a call whose context is done can do no more.
func (c *call) ended() error {
	err := c.ctx.Err()
	code := abi.CodeCancelled
	if errors.Is(err, context.DeadlineExceeded) {
		code = abi.CodeDeadline
	}
	return pdk.Errorf(code, "the call has ended: %w", err)
}

func (c *call) dispatch(name string, req []byte) (any, error) {
	switch name {
	case abi.OpContext:
		return c.info, nil
	case abi.OpConfig:
		return json.RawMessage(encode(c.h.t, c.h.Config)), nil
	case abi.OpFetch:
		return with(req, c.fetch)
	case abi.OpFetchNext:
		return with(req, c.fetchNext)
	case abi.OpFileRead:
		return with(req, c.fileRead)
	case abi.OpFileWrite:
		return with(req, c.fileWrite)
	case abi.OpFileList:
		return with(req, c.fileList)
	case abi.OpFileStat:
		return with(req, c.fileStat)
	case abi.OpFileDelete:
		return with(req, c.fileDelete)
	case abi.OpKVGet:
		return with(req, c.kvGet)
	case abi.OpKVPut:
		return with(req, c.kvPut)
	case abi.OpKVDelete:
		return with(req, c.kvDelete)
	case abi.OpKVList:
		return with(req, c.kvList)
	case abi.OpMemoryRead:
		return with(req, c.memoryRead)
	case abi.OpMemoryList:
		return with(req, c.memoryList)
	case abi.OpMemoryReadMany:
		return with(req, c.memoryReadMany)
	case abi.OpMemoryWrite:
		return with(req, c.memoryWrite)
	case abi.OpMemoryAppend:
		return with(req, c.memoryAppend)
	case abi.OpMemoryDelete:
		return with(req, c.memoryDelete)
	case abi.OpMemorySearch:
		return with(req, c.memorySearch)
	case abi.OpDriveSearch:
		return with(req, c.driveSearch)
	case abi.OpDriveRead:
		return with(req, c.driveRead)
	case abi.OpDriveList:
		return with(req, c.driveList)
	case abi.OpCall:
		return with(req, c.callTool)
	case abi.OpChanged:
		return with(req, c.noteChange)
	}
	return nil, pdk.Errorf(abi.CodeNotFound, "this host has no operation %q", name)
}

// with decodes a request and does the operation.
func with[Req, Resp any](req []byte, do func(Req) (Resp, error)) (any, error) {
	var v Req
	if err := json.Unmarshal(req, &v); err != nil {
		return nil, pdk.Errorf(abi.CodeInvalidArg, "the request does not parse: %w", err)
	}
	return do(v)
}

type nothing struct{}

func (c *call) callTool(req abi.CallRequest) (*pdk.Result, error) {
	if g := c.h.Grants; g != nil && !slices.Contains(g.Tools, req.Tool) && !slices.Contains(g.Tools, "*") {
		return nil, forbidden("the tool "+req.Tool, "tools: ["+req.Tool+"]")
	}
	do := c.h.Tools[req.Tool]
	if do == nil {
		return nil, pdk.Errorf(abi.CodeUnknownTool, "no tool %q in Host.Tools", req.Tool)
	}
	return do(req.Input)
}

func (c *call) noteChange(req abi.Changed) (nothing, error) {
	c.h.mu.Lock()
	defer c.h.mu.Unlock()
	c.h.changed = append(append(c.h.changed, req.Lists...), req.URIs...)
	return nothing{}, nil
}

func forbidden(what, line string) *pdk.Error {
	return pdk.With(pdk.Errorf(abi.CodeForbidden, "the plugin has no right to %s", what),
		pdk.More{Hint: "grants: " + line})
}
