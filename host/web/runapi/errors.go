// Copyright 2026 The Gantry Authors.

package runapi

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// codeCallNotFound says that there is no such call, or not for this caller. It has a code of its
// own because a tool, too, may answer that something was not found.
const codeCallNotFound abi.Code = "CALL_NOT_FOUND"

// Row is the table of this surface: the six codes of its users' reference, and for the rest the
// host's own names.
//
//	AUTH_ERROR        401  no Authorization header, or not of the form Bearer <token>
//	AUTHZ_ERROR       403  the token is unknown, expired or revoked, or lacks the scope
//	TOOL_NOT_FOUND    404  no such tool for this caller
//	CALL_NOT_FOUND    404  no such call for this caller
//	VALIDATION_ERROR  422  the request, or the tool's input, has not the right form
//	OPENAI_ERROR      502  the model's provider failed; it comes as the stream's error event
//
//	NOT_FOUND 404 · METHOD_NOT_ALLOWED 405 · REQUEST_TIMEOUT 408 · CONFLICT 409 (a request_id that
//	was used for something else) · PAYLOAD_TOO_LARGE and LIMIT_EXCEEDED 413 · UNSUPPORTED_ENCODING
//	415 · CLIENT_CAPABILITY 422 · BUSY and RATE_LIMITED 429 · HEADER_TOO_LARGE 431 · INTERNAL 500 · PLUGIN_CRASHED,
//	PLUGIN_CONTRACT, UPSTREAM_ERROR and a plugin's own codes 502 · UNAVAILABLE, INTERRUPTED and
//	CREDENTIAL_MISSING 503 · DEADLINE_EXCEEDED 504
func Row(code abi.Code) web.Row {
	switch code {
	case abi.CodeUnauthenticated:
		return web.Row{Status: 401, Code: "AUTH_ERROR"}
	case abi.CodeBadCredential, abi.CodeForbidden:
		return web.Row{Status: 403, Code: "AUTHZ_ERROR"}
	case abi.CodeUnknownTool:
		return web.Row{Status: 404, Code: "TOOL_NOT_FOUND"}
	case codeCallNotFound:
		return web.Row{Status: 404, Code: string(codeCallNotFound)}
	case abi.CodeInvalidArg:
		return web.Row{Status: 422, Code: "VALIDATION_ERROR"}
	}
	return web.DefaultRow(code)
}

// eventRow is the table for what a tool itself reports: there, FORBIDDEN and the like are about
// something the tool met and not about the caller's token.
func eventRow(code abi.Code) web.Row {
	switch code {
	case abi.CodeInvalidArg, abi.CodeUnknownTool:
		return Row(code)
	}
	return web.DefaultRow(code)
}

// callError makes "not found" about the call.
func callError(callID string, err error) error {
	if host.CodeOf(err) != abi.CodeNotFound {
		return err
	}
	e := host.Errorf("runapi.call", codeCallNotFound, "there is no call %q of yours", callID)
	e.Err = err
	return e
}
