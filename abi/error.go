// Copyright 2026 The Gantry Authors.

package abi

import "encoding/json"

// Code is a word for machines that names a kind of failure. The host has one set, below; each
// surface maps it to its own words in one table. A plugin may use codes of its own in
// [A-Z][A-Z0-9_]{0,63}; surfaces treat those like CodeUpstream.
type Code string

// The code set.
const (
	// CodeInvalidArg says that the input is at fault: a field is missing, of the wrong kind or out of bounds.
	CodeInvalidArg Code = "INVALID_ARG"
	// CodeNotFound says that what was asked for does not exist, or not for this caller.
	CodeNotFound Code = "NOT_FOUND"
	// CodeUnknownTool says that no tool of this name is served to this caller.
	CodeUnknownTool Code = "UNKNOWN_TOOL"
	// CodeUnauthenticated says that no credential came with the request, or none of the right form.
	CodeUnauthenticated Code = "UNAUTHENTICATED"
	// CodeBadCredential says that a well-formed credential is unknown, expired or revoked.
	CodeBadCredential Code = "BAD_CREDENTIAL"
	// CodeForbidden says that the caller, or the plugin, lacks the right.
	CodeForbidden Code = "FORBIDDEN"
	// CodeConflict says that the thing exists already or changed meanwhile.
	CodeConflict Code = "CONFLICT"
	// CodeUpstream says that a service the plugin called failed.
	CodeUpstream Code = "UPSTREAM_ERROR"
	// CodeCredentialMissing says that a credential the plugin needs is not set on this host.
	CodeCredentialMissing Code = "CREDENTIAL_MISSING"
	// CodeDeadline says that the call ran into its wall-clock limit.
	CodeDeadline Code = "DEADLINE_EXCEEDED"
	// CodeCancelled says that the caller ended the call.
	CodeCancelled Code = "CANCELLED"
	// CodeLimit says that another limit was met; the message says which.
	CodeLimit Code = "LIMIT_EXCEEDED"
	// CodeBusy says that the host or the plugin has no room just now; try again.
	CodeBusy Code = "BUSY"
	// CodeRateLimited says that the tenant has used up a quota; the message says which, and when it
	// begins anew.
	CodeRateLimited Code = "RATE_LIMITED"
	// CodeUnavailable says that the host is stopping or read-only.
	CodeUnavailable Code = "UNAVAILABLE"
	// CodeTrap says that the plugin crashed: a trap, a panic or a bad pointer.
	CodeTrap Code = "PLUGIN_CRASHED"
	// CodeContract says that the plugin broke the contract: a wrong version, a missing export, an answer
	// that does not parse.
	CodeContract Code = "PLUGIN_CONTRACT"
	// CodeClientCapability says that the tool needs something the calling client has not declared.
	CodeClientCapability Code = "CLIENT_CAPABILITY"
	// CodeConfirmation says that a person has to confirm the call, and nobody could be asked here.
	CodeConfirmation Code = "CONFIRMATION_REQUIRED"
	// CodeDeclined says that the person who was asked to confirm the call did not.
	CodeDeclined Code = "DECLINED"
	// CodeInterrupted says that the host stopped, or was killed, while the call ran.
	CodeInterrupted Code = "INTERRUPTED"
	// CodeInternal says that the host is at fault; the log has the cause under the same call id.
	CodeInternal Code = "INTERNAL"
)

// Error is a failure as it crosses the border, in both directions. Its JSON is what MCP clients
// read as the body of a tool error (seed 000).
type Error struct {
	Code      Code            `json:"code"`
	Message   string          `json:"message"`
	Retryable bool            `json:"retryable"`
	Hint      string          `json:"hint,omitempty"`
	Details   json.RawMessage `json:"details,omitempty"`
}

// Error returns the message; the code is for machines.
func (e *Error) Error() string { return e.Message }

// Retryable tells whether a failure of this code may pass by itself, where the one who raised it
// did not say.
func (c Code) Retryable() bool {
	switch c {
	case CodeUpstream, CodeDeadline, CodeBusy, CodeRateLimited, CodeUnavailable, CodeInterrupted:
		return true
	}
	return false
}
