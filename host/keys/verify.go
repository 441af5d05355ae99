// Copyright 2026 The Gantry Authors.

package keys

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Verify says who a token belongs to. The principal is shared with other calls and must not be
// changed. No token, or a string that cannot be one, is abi.CodeUnauthenticated. A token that is
// unknown, expired or revoked is abi.CodeBadCredential in the same words for all three; the cause,
// for the log, tells them apart. A token that was verified before costs no access to the store.
func (s *Service) Verify(ctx context.Context, token string) (*host.Principal, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	now := s.clock.Now()
	// The cache knows tokens by a digest: a dump of the memory should not be a list of keys.
	digest := sha256.Sum256([]byte(token))
	if e := s.cache.get(digest); e != nil {
		if !e.expires.IsZero() && !now.Before(e.expires) {
			return nil, refuse(expired(e.expires))
		}
		e.use.at.Store(now.Unix())
		return e.principal, nil
	}
	return s.verifyCold(ctx, token, digest)
}

// verifyCold looks the token up. A token of an issued form and one of the operator's choosing, a
// known id and an unknown one: each time one lookup, one MAC over the token and one comparison.
func (s *Service) verifyCold(ctx context.Context, token string, digest [32]byte) (*host.Principal, error) {
	gen := s.cache.generation()
	id, issued := tokenID(token)
	if imported := s.mac.importID(token); !issued {
		id = imported
	}
	got := s.mac.token(id, token)
	rec, err := s.lookup(ctx, id)
	if code := host.CodeOf(err); err != nil && code != abi.CodeNotFound {
		return nil, err
	}
	want := rec.MAC
	if err != nil {
		want = make([]byte, len(got))
	}
	now := s.clock.Now()
	switch match := equal(got, want); {
	case err != nil:
		return nil, refuse(fmt.Errorf("no key %q", id))
	case !match:
		return nil, refuse(fmt.Errorf("key %s: wrong secret", id))
	case !rec.RevokedAt.IsZero():
		return nil, refuse(fmt.Errorf("key %s: %w at %s", id, errRevoked, rec.RevokedAt.Format(time.RFC3339)))
	case !rec.ExpiresAt.IsZero() && !now.Before(rec.ExpiresAt):
		return nil, refuse(fmt.Errorf("key %s: %w", id, expired(rec.ExpiresAt)))
	}
	e := &entry{id: id, expires: rec.ExpiresAt, principal: &host.Principal{
		Tenant: rec.Tenant, User: rec.User, Workspace: rec.Workspace, Kind: rec.Kind,
		Scopes: rec.Scopes, CredentialID: id, ExpiresAt: rec.ExpiresAt, MetaTools: rec.MetaTools}}
	s.cache.put(digest, e, gen, now)
	return e.principal, nil
}

func expired(at time.Time) error {
	return fmt.Errorf("expired at %s", at.UTC().Format(time.RFC3339))
}

// refuse keeps the cause for the log: which of the three it was is nothing a stranger should learn.
func refuse(cause error) error {
	return &host.Error{Op: "keys.Verify", Code: abi.CodeBadCredential, Err: cause,
		Message: "the key is unknown, expired or revoked",
		Hint:    "check that the whole key was copied, or ask the operator for a new one"}
}

// Reason is why Verify refused a token, for the log; "" for an error that is not a refusal.
func Reason(err error) string {
	var he *host.Error
	if errors.As(err, &he) && he.Op == "keys.Verify" && he.Err != nil {
		return he.Err.Error()
	}
	return ""
}

// cache holds verified tokens. Whoever fills it after a lookup says at which generation he looked:
// a revocation in between raises it, and the answer, perhaps old by then, is not kept.
type cache struct {
	limit int
	gen   atomic.Uint64

	mu       sync.RWMutex
	byDigest map[[32]byte]*entry
	byID     map[string][32]byte
	// uses outlive their entries until they are written.
	uses map[string]*use
}

type entry struct {
	id        string
	principal *host.Principal
	expires   time.Time
	use       *use
}

// use is when a key was last used, in Unix seconds, and what of it has been written.
type use struct{ at, written atomic.Int64 }

func (c *cache) init(limit int) {
	c.limit = limit
	c.byDigest, c.byID, c.uses = map[[32]byte]*entry{}, map[string][32]byte{}, map[string]*use{}
}

func (c *cache) generation() uint64 { return c.gen.Load() }

func (c *cache) get(digest [32]byte) *entry {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.byDigest[digest]
}

func (c *cache) put(digest [32]byte, e *entry, gen uint64, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.use = c.uses[e.id]; e.use == nil {
		e.use = &use{}
		c.uses[e.id] = e.use
	}
	e.use.at.Store(now.Unix())
	if c.gen.Load() != gen {
		return
	}
	for d, old := range c.byDigest { // any will do: Go's order is random
		if len(c.byDigest) < c.limit {
			break
		}
		delete(c.byDigest, d)
		delete(c.byID, old.id)
	}
	c.byDigest[digest], c.byID[e.id] = e, digest
}

func (c *cache) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen.Add(1)
	if digest, ok := c.byID[id]; ok {
		delete(c.byDigest, digest)
		delete(c.byID, id)
	}
}

func (c *cache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen.Add(1)
	clear(c.byDigest)
	clear(c.byID)
}
