// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"encoding/json"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Ops are the operations, for the pipeline.
func (s *Service) Ops() host.Ops {
	return host.Ops{
		abi.OpMemoryRead:     operation(false, s.Read),
		abi.OpMemoryReadMany: operation(false, s.ReadMany),
		abi.OpMemoryList:     operation(false, s.List),
		abi.OpMemorySearch:   operation(false, s.Search),
		abi.OpMemoryWrite:    operation(true, s.Write),
		abi.OpMemoryAppend:   operation(true, s.Append),
		abi.OpMemoryDelete: operation(true, func(ctx context.Context, p *host.Principal, in abi.MemoryDelete) (struct{}, error) {
			return struct{}{}, s.Delete(ctx, p, in)
		}),
	}
}

// operation wraps a typed answer to an operation: the right, the request's JSON, the answer's JSON.
// The caller's scopes are checked below.
func operation[In, Out any](write bool, f func(context.Context, *host.Principal, In) (Out, error)) host.OpFunc {
	const op = "memory"
	return func(ctx context.Context, call *host.CallInfo, req []byte) ([]byte, error) {
		if err := allowed(call, write); err != nil {
			return nil, err
		}
		var in In
		if !utf8.Valid(req) { // encoding/json would put something else in its place
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the request is not UTF-8; memory keeps text")
		}
		if err := json.Unmarshal(req, &in); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the request is not the JSON expected: %w", err)
		}
		out, err := f(ctx, call.Principal, in)
		if err != nil {
			return nil, err
		}
		data, err := json.Marshal(out)
		if err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
		return data, nil
	}
}

// allowed holds the plugin's right against what it wants to do.
func allowed(call *host.CallInfo, write bool) error {
	right, what, line := "", "read", abi.MemoryRightRead
	if call.Granted != nil {
		right = call.Granted.Memory
	}
	if write {
		what, line = "change", abi.MemoryRightWrite
	}
	if right == abi.MemoryRightWrite || right == abi.MemoryRightRead && !write {
		return nil
	}
	return host.Errorf("memory", abi.CodeForbidden, "plugin %s has no right to %s the memory of users", call.Plugin, what).
		WithHint("add to %s.yaml: grants: {memory: %s}", call.Plugin, line)
}
