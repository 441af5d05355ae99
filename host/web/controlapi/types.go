// Copyright 2026 The Gantry Authors.

// Package controlapi is the operator's door: what the command line says to a running host over the
// Unix socket in its data folder, and what it says to itself when no host runs.
//
// It is not a network surface. There is no authentication in it: who can open the socket owns the
// data folder (mode 0600 in a folder of mode 0700). It decides nothing either; keys, registry and
// pipeline do.
package controlapi

import (
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// Info says which host answers.
type Info struct {
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Listen  string `json:"listen,omitempty"`
	// URL is what clients reach a serving host by, without /mcp.
	URL       string    `json:"url,omitempty"`
	Data      string    `json:"data"`
	Plugins   string    `json:"plugins"`
	StartedAt time.Time `json:"started_at"`
}

// TokenRequest asks for a new credential. Kind is org where empty, Tenant is default.
type TokenRequest struct {
	Kind      host.Kind     `json:"kind,omitempty"`
	Tenant    host.TenantID `json:"tenant,omitempty"`
	User      string        `json:"user,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	// Scopes are the kind's usual ones where there are none.
	Scopes []host.Scope `json:"scopes,omitempty"`
	// TTL ends the credential after so long; 0 lets it stay until it is revoked.
	TTL  time.Duration `json:"ttl,omitempty"`
	Name string        `json:"name,omitempty"`
	// Tools is which tools MCP clients see listed: ToolsAll, also where empty, or ToolsMeta.
	Tools string `json:"tools,omitempty"`
}

// What a credential's list of tools shows: all that it may call, or the host's own alone.
const (
	ToolsAll  = "all"
	ToolsMeta = "meta"
)

// Token is a credential without its secret.
type Token struct {
	ID        string        `json:"id"`
	Kind      host.Kind     `json:"kind"`
	Tenant    host.TenantID `json:"tenant"`
	User      string        `json:"user,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	Scopes    []host.Scope  `json:"scopes"`
	Name      string        `json:"name,omitempty"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"`
	LastUsed  time.Time     `json:"last_used,omitzero"`
	RevokedAt time.Time     `json:"revoked_at,omitzero"`
	// Tools is ToolsAll or ToolsMeta.
	Tools string `json:"tools"`
}

// NewToken is a Token just made: the only time its secret is shown.
type NewToken struct {
	Token
	Secret string `json:"secret"`
}

// VersionRequest names a version of a plugin by its digest: for a rollback the one to go back to, where
// empty is the one before and "latest" ends a rollback; for an approval the one that waits.
type VersionRequest struct {
	Digest string `json:"digest,omitempty"`
}

// CallRequest calls a tool as the operator, who may do anything, within a tenant.
type CallRequest struct {
	Tool   string          `json:"tool"`
	Input  json.RawMessage `json:"input,omitempty"`
	Tenant host.TenantID   `json:"tenant,omitempty"`
	// Confirm is the operator's yes, for a tool whose calls a person has to confirm.
	Confirm bool `json:"confirm,omitempty"`
}

// CallEvent is one line of a call's answer: partials, progress and log lines as they come, then a
// Result or an Error.
type CallEvent struct {
	Partial  string        `json:"partial,omitempty"`
	Progress *abi.Progress `json:"progress,omitempty"`
	Log      *LogLine      `json:"log,omitempty"`
	Result   *abi.Result   `json:"result,omitempty"`
	Error    *abi.Error    `json:"error,omitempty"`
}

// LogLine is a line of a plugin's log.
type LogLine struct {
	Level abi.LogLevel `json:"level"`
	Text  string       `json:"text"`
}

// Check is one line of doctor's report. State is "ok", "warn" or "fail"; Mend says what to do.
type Check struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Text  string `json:"text"`
	Mend  string `json:"mend,omitempty"`
}

// Problem is the body of an answer that is not 2xx.
type Problem struct {
	Error *abi.Error `json:"error"`
}

// Run is a run as the pipeline tells it.
type Run = invoke.Run
