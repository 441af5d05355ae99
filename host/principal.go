// Copyright 2026 The Gantry Authors.

package host

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// TenantID names a tenant: an organisation, [a-z0-9][a-z0-9_-]{0,62}.
type TenantID string

// DefaultTenant is the tenant of a host that has no other.
const DefaultTenant TenantID = "default"

// Valid tells whether t has the form of a tenant id.
func (t TenantID) Valid() bool {
	if t == "" || len(t) > 63 || t[0] == '-' || t[0] == '_' {
		return false
	}
	return strings.Trim(string(t), "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

// Scope is a right of a credential (seed 000).
type Scope string

// The scopes. ScopeReadTools lists and describes tools and calls those marked read-only;
// ScopeWriteTools calls any; ScopeReadData reads memory, skills and the knowledge base; ScopeChat
// is the chat endpoint; ScopeAdmin the management and admin APIs. Scopes do not imply each other,
// but for ScopeWriteTools, which includes ScopeReadTools.
const (
	ScopeReadTools  Scope = "read:tools"
	ScopeWriteTools Scope = "write:tools"
	ScopeReadData   Scope = "read:data"
	ScopeAdmin      Scope = "admin"
	ScopeChat       Scope = "chat"
)

// AllScopes are the scopes in the order of seed 000.
var allScopes = []Scope{ScopeReadTools, ScopeWriteTools, ScopeReadData, ScopeAdmin, ScopeChat}

// AllScopes returns every scope, in the order of seed 000.
func AllScopes() []Scope { return slices.Clone(allScopes) }

// ParseScopes reads a comma-separated list; the error names the scope that is not one.
func ParseScopes(s string) ([]Scope, error) {
	var out []Scope
	for part := range strings.SplitSeq(s, ",") {
		sc := Scope(strings.TrimSpace(part))
		if sc == "" {
			continue
		}
		if !slices.Contains(allScopes, sc) {
			return nil, fmt.Errorf("%q is not a scope; use read:tools, write:tools, read:data, admin or chat", sc)
		}
		if !slices.Contains(out, sc) {
			out = append(out, sc)
		}
	}
	return out, nil
}

// Kind is the kind of a credential.
type Kind string

// The kinds of credential.
const (
	KindOrg       Kind = "org"
	KindAdmin     Kind = "admin"
	KindWorkspace Kind = "workspace"
)

// Principal is who asks: what the edge found out from a credential. It is immutable once made and
// travels in the context.
type Principal struct {
	Tenant       TenantID
	User         string
	Workspace    string
	Kind         Kind
	Scopes       []Scope
	CredentialID string
	// ExpiresAt is when the credential ends by itself, zero where it does not. Whoever checks a
	// credential has looked at it; it matters to what stays open for longer.
	ExpiresAt time.Time
	// MetaTools says that the lists of tools show the host's own alone (search_tools, call_tool). It is
	// no limit of rights: what the scopes allow can be called.
	MetaTools bool
	// Issuer is who gave the access token that the principal came with; empty where it came with a
	// key of this host.
	Issuer string
}

// Has tells whether p holds the scope, or one that includes it.
func (p *Principal) Has(s Scope) bool {
	if p == nil {
		return false
	}
	return slices.Contains(p.Scopes, s) || s == ScopeReadTools && slices.Contains(p.Scopes, ScopeWriteTools)
}

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// PrincipalFrom returns the context's principal, or nil where the request is anonymous.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}
