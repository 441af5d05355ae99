// Copyright 2026 The Gantry Authors.

package keys

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of an IssueRequest's texts.
const (
	MaxNameBytes      = 100
	MaxUserBytes      = 128
	MaxWorkspaceBytes = 128
)

// IssueRequest says what a new key is to be.
type IssueRequest struct {
	// Kind is host.KindOrg where empty.
	Kind host.Kind
	// Tenant is host.DefaultTenant where empty.
	Tenant host.TenantID
	// User is who the key acts as; may be empty. Workspace is needed for host.KindWorkspace and is
	// for no other kind.
	User      string
	Workspace string
	// Scopes are DefaultScopes(Kind) where there are none.
	Scopes []host.Scope
	// TTL or Expires ends the key, not both; neither lets it stay until it is revoked.
	TTL     time.Duration
	Expires time.Time
	// Name is for people.
	Name string
	// MetaTools lets MCP clients see only the host's own tools listed, search_tools and call_tool. It
	// takes no rights away. Not for host.KindWorkspace, whose list is what it is.
	MetaTools bool
}

// DefaultScopes are the scopes of a key of this kind whose request names none.
func DefaultScopes(kind host.Kind) []host.Scope {
	if kind == host.KindAdmin {
		return []host.Scope{host.ScopeAdmin}
	}
	return []host.Scope{host.ScopeReadTools, host.ScopeWriteTools, host.ScopeReadData}
}

// Issue makes a key and returns its token, which cannot be had again. When it returns, the key is
// in the store.
func (s *Service) Issue(ctx context.Context, req IssueRequest) (token string, key Key, err error) {
	rec, err := s.newRecord("keys.Issue", req)
	if err != nil {
		return "", Key{}, err
	}
	id, token := newToken(rec.Kind)
	if key, err = s.add(ctx, id, token, rec); err != nil {
		return "", Key{}, err
	}
	return token, key, nil
}

// ImportToken makes a token of the operator's own choosing a key: MinTokenBytes to MaxTokenBytes of
// printable ASCII without blanks. A configuration can be applied at each start: the same token with
// the same kind, tenant, user, workspace and scopes again takes on the new name, expiry and list. With
// others, or when it was revoked, it is abi.CodeConflict. A chosen token is only as good as it is
// hard to guess.
func (s *Service) ImportToken(ctx context.Context, token string, req IssueRequest) (Key, error) {
	const op = "keys.ImportToken"
	rec, err := s.newRecord(op, req)
	if err != nil {
		return Key{}, err
	}
	if len(token) < MinTokenBytes || len(token) > MaxTokenBytes || !printable(token) {
		return Key{}, host.Errorf(op, abi.CodeInvalidArg,
			"token: use %d to %d printable ASCII characters without blanks", MinTokenBytes, MaxTokenBytes)
	}
	if _, issued := tokenID(token); issued {
		return Key{}, host.Errorf(op, abi.CodeInvalidArg,
			"token: it has the form of an issued key; choose one that does not look like sk-org-…, sk-adm-… or <id>.<secret>")
	}
	rec.Imported = true
	id := s.mac.importID(token)
	key, err := s.add(ctx, id, token, rec)
	if host.CodeOf(err) != abi.CodeConflict {
		return key, err
	}
	return s.renew(ctx, id, rec)
}

// renew applies a token's import once more.
func (s *Service) renew(ctx context.Context, id string, rec record) (Key, error) {
	const op = "keys.ImportToken"
	have, err := s.lookup(ctx, id)
	if err != nil {
		return Key{}, err
	}
	switch {
	case !have.RevokedAt.IsZero():
		return Key{}, host.Errorf(op, abi.CodeConflict, "token: it was revoked; choose another")
	case !sameGrant(&have.record, &rec):
		return Key{}, host.Errorf(op, abi.CodeConflict,
			"token: it is a key for other rights already (%s); revoke that first, or choose another token", id)
	}
	if have.Name != rec.Name || !have.ExpiresAt.Equal(rec.ExpiresAt) || have.MetaTools != rec.MetaTools {
		have.Name, have.ExpiresAt, have.MetaTools = rec.Name, rec.ExpiresAt, rec.MetaTools
		err = s.save(ctx, id, have.record, have.rev)
		s.cache.forget(id)
	}
	return have.key(id), err
}

func sameGrant(a, b *record) bool {
	return a.Kind == b.Kind && a.Tenant == b.Tenant && a.User == b.User && a.Workspace == b.Workspace &&
		slices.Equal(a.Scopes, b.Scopes)
}

func (s *Service) add(ctx context.Context, id, token string, rec record) (Key, error) {
	rec.MAC = s.mac.token(id, token)
	if err := s.save(ctx, id, rec, 0); err != nil {
		return Key{}, err
	}
	s.log.Info("key issued", "id", id, "tenant", rec.Tenant, "kind", rec.Kind, "imported", rec.Imported)
	return rec.key(id), nil
}

func (s *Service) newRecord(op string, req IssueRequest) (record, error) {
	now := s.clock.Now().UTC()
	r := record{Kind: cmp.Or(req.Kind, host.KindOrg), Tenant: cmp.Or(req.Tenant, host.DefaultTenant),
		User: req.User, Workspace: req.Workspace, Name: req.Name, CreatedAt: now, MetaTools: req.MetaTools}
	bad := func(format string, args ...any) (record, error) {
		return record{}, host.Errorf(op, abi.CodeInvalidArg, format, args...)
	}
	switch {
	case r.Kind != host.KindOrg && r.Kind != host.KindAdmin && r.Kind != host.KindWorkspace:
		return bad("kind: %q is not one of org, admin, workspace", clip(string(r.Kind)))
	case !r.Tenant.Valid():
		return bad("tenant: %q is not a tenant id; use a-z, 0-9, _ and -, at most 63, beginning with a letter or digit", clip(string(r.Tenant)))
	case r.Kind == host.KindWorkspace && r.Workspace == "":
		return bad("workspace: a workspace credential needs one")
	case r.Kind != host.KindWorkspace && r.Workspace != "":
		return bad("workspace: only a workspace credential has one; leave it out or set kind to workspace")
	case r.Kind == host.KindWorkspace && r.MetaTools:
		return bad("tools: a workspace credential lists the workspace's tools; leave it out")
	}
	for _, text := range []struct {
		field, value string
		limit        int
	}{{"name", r.Name, MaxNameBytes}, {"user", r.User, MaxUserBytes}, {"workspace", r.Workspace, MaxWorkspaceBytes}} {
		if len(text.value) > text.limit {
			return bad("%s: it has %d bytes; at most %d are allowed", text.field, len(text.value), text.limit)
		}
		if !utf8.ValidString(text.value) || strings.ContainsFunc(text.value, unicode.IsControl) {
			return bad("%s: it holds control characters or is not UTF-8", text.field)
		}
	}
	var err error
	if r.Scopes, err = scopes(op, r.Kind, req.Scopes); err != nil {
		return record{}, err
	}
	r.ExpiresAt, err = expiry(op, now, req)
	return r, err
}

// scopes puts what was asked for in the usual order, each once.
func scopes(op string, kind host.Kind, asked []host.Scope) ([]host.Scope, error) {
	if len(asked) == 0 {
		return DefaultScopes(kind), nil
	}
	var out []host.Scope
	for _, sc := range host.AllScopes() {
		if slices.Contains(asked, sc) {
			out = append(out, sc)
		}
	}
	for _, sc := range asked {
		if !slices.Contains(out, sc) {
			return nil, host.Errorf(op, abi.CodeInvalidArg,
				"scopes: %q is not one of read:tools, write:tools, read:data, admin, chat", clip(string(sc)))
		}
	}
	return out, nil
}

func expiry(op string, now time.Time, req IssueRequest) (time.Time, error) {
	switch {
	case req.TTL != 0 && !req.Expires.IsZero():
		return time.Time{}, host.Errorf(op, abi.CodeInvalidArg, "expires: set it or ttl, not both")
	case req.TTL < 0:
		return time.Time{}, host.Errorf(op, abi.CodeInvalidArg, "ttl: %s is negative", req.TTL)
	case req.TTL > 0:
		return now.Add(req.TTL), nil
	case !req.Expires.IsZero() && !req.Expires.After(now):
		return time.Time{}, host.Errorf(op, abi.CodeInvalidArg, "expires: %s is in the past", req.Expires.UTC().Format(time.RFC3339))
	case !req.Expires.IsZero():
		return req.Expires.UTC(), nil
	}
	return time.Time{}, nil
}

func sortByCreation(keys []Key) {
	slices.SortFunc(keys, func(a, b Key) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
