// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"
	"encoding/json"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Ops are the operations, for the pipeline.
func (s *Service) Ops() host.Ops {
	return host.Ops{
		abi.OpDriveSearch: operation(s.Search),
		abi.OpDriveRead:   operation(s.Read),
		abi.OpDriveList:   operation(s.List),
	}
}

// operation wraps a typed answer to an operation: the plugin's right and the caller's scope, the
// request's JSON, the answer's JSON.
func operation[In, Out any](f func(context.Context, host.TenantID, In) (Out, error)) host.OpFunc {
	const op = "drive"
	return func(ctx context.Context, call *host.CallInfo, req []byte) ([]byte, error) {
		switch {
		case call.Granted == nil || call.Granted.Drive != abi.DriveRights:
			return nil, host.Errorf(op, abi.CodeForbidden, "plugin %s has no right to the knowledge base", call.Plugin).
				WithHint("add to %s.yaml: grants: {drive: read}", call.Plugin)
		case call.Principal == nil || !call.Principal.Tenant.Valid():
			return nil, host.Errorf(op, abi.CodeInternal, "the call has no tenant")
		case !call.Principal.Has(host.ScopeReadData):
			return nil, host.Errorf(op, abi.CodeForbidden, "the knowledge base needs a key with the scope %s", host.ScopeReadData).
				WithHint("use a key with the scope %s", host.ScopeReadData)
		}
		var in In
		if err := json.Unmarshal(req, &in); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the request is not the JSON expected: %w", err)
		}
		out, err := f(ctx, call.Principal.Tenant, in)
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
