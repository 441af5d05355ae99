// Copyright 2026 The Gantry Authors.

// Package keys issues, checks and revokes the host's credentials: org keys, admin keys and
// workspace credentials.
//
// A credential is an id to look up and a 256-bit random secret. The store keeps an HMAC-SHA-256 of
// it under a pepper that is not in the store, so neither the store nor a backup of it opens
// anything. A slow password hash would add nothing: there is no guessing 256 random bits.
//
// It decides who asks, never what they may do, and it knows no accounts and no HTTP.
package keys

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Config is what a Service is made of.
type Config struct {
	// Store keeps the credentials. It has to be one that syncs its writes.
	Store store.Store
	// Pepper is PepperBytes random bytes; see LoadPepper.
	Pepper []byte
	// Clock decides what has expired; nil is the machine's.
	Clock host.Clock
	// Logger hears of issues and revocations, by id; nil for silence.
	Logger *slog.Logger
	// CacheSize bounds the credentials kept ready for Verify. 0 means 10,000.
	CacheSize int
	// UseEvery is how often "last used" is written. 0 means every minute.
	UseEvery time.Duration
}

const (
	defaultCache    = 10_000
	defaultUseEvery = time.Minute
	// keepEnded is how long an expired or revoked key can still be seen in a listing.
	keepEnded = 30 * 24 * time.Hour
)

// Key is what may be known of a credential: everything but its secret.
type Key struct {
	ID        string
	Kind      host.Kind
	Tenant    host.TenantID
	User      string
	Workspace string
	Scopes    []host.Scope
	Name      string
	CreatedAt time.Time
	// ExpiresAt is zero where the key does not expire, RevokedAt where it is not revoked, and
	// LastUsed where it never was or the use is too recent to be written.
	ExpiresAt time.Time
	RevokedAt time.Time
	LastUsed  time.Time
	// Imported says that the token was of the operator's choosing.
	Imported bool
	// MetaTools says that MCP clients with this key see only the host's own tools listed.
	MetaTools bool
}

// record is a Key as it is stored, with the MAC of its token.
type record struct {
	Kind      host.Kind     `json:"kind"`
	Tenant    host.TenantID `json:"tenant"`
	User      string        `json:"user,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	Scopes    []host.Scope  `json:"scopes"`
	Name      string        `json:"name,omitempty"`
	CreatedAt time.Time     `json:"created_at"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"`
	RevokedAt time.Time     `json:"revoked_at,omitzero"`
	Imported  bool          `json:"imported,omitempty"`
	MetaTools bool          `json:"meta_tools,omitempty"`
	MAC       []byte        `json:"mac"`
}

func (r *record) key(id string) Key {
	return Key{ID: id, Kind: r.Kind, Tenant: r.Tenant, User: r.User, Workspace: r.Workspace,
		Scopes: append([]host.Scope(nil), r.Scopes...), Name: r.Name, CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt, RevokedAt: r.RevokedAt, Imported: r.Imported, MetaTools: r.MetaTools}
}

func recordKey(id string) store.Key { return store.Key{"keys", "by-id", id} }

// Service issues and checks credentials. All methods may be called concurrently.
type Service struct {
	store  store.Store
	mac    macer
	clock  host.Clock
	log    *slog.Logger
	cache  cache
	cancel context.CancelFunc
	done   sync.WaitGroup
	closed sync.Once

	listeners listeners
}

// New makes a service and starts what keeps its cache true; Close ends it. A pepper that is not the
// one the store's keys were made with is abi.CodeInvalidArg.
func New(c Config) (*Service, error) {
	const op = "keys.New"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is missing")
	case len(c.Pepper) != PepperBytes:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Pepper has %d bytes; it needs %d", len(c.Pepper), PepperBytes)
	case c.CacheSize < 0 || c.UseEvery < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "CacheSize and UseEvery cannot be negative")
	}
	s := &Service{store: c.Store, mac: newMacer(c.Pepper), clock: c.Clock, log: c.Logger}
	if s.clock == nil {
		s.clock = host.SystemClock{}
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if c.CacheSize == 0 {
		c.CacheSize = defaultCache
	}
	if c.UseEvery == 0 {
		c.UseEvery = defaultUseEvery
	}
	s.cache.init(c.CacheSize)
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	if err := s.checkPepper(ctx); err != nil {
		cancel()
		return nil, err
	}
	events, err := s.store.Watch(ctx, watched())
	if err != nil {
		cancel()
		return nil, err
	}
	s.done.Go(func() { s.follow(ctx, events) })
	s.done.Go(func() { s.flushUses(ctx, c.UseEvery) })
	return s, nil
}

// Close writes what is to be written of "last used" and ends the service's goroutines. The store
// stays open. A second Close does nothing. The service must not be used afterwards: nothing would
// tell it of revocations any more.
func (s *Service) Close() error {
	var err error
	s.closed.Do(func() {
		s.cancel()
		s.done.Wait()
		err = s.writeUses(context.Background())
	})
	return err
}

// checkPepper finds out at the start that a pepper was lost or mixed up, rather than by every key
// being refused.
func (s *Service) checkPepper(ctx context.Context) error {
	const op = "keys.New"
	k := store.Key{"keys", "pepper-check"}
	want := s.mac.sum("check", "pepper")
	rec, err := s.store.Get(ctx, k)
	if host.CodeOf(err) == abi.CodeNotFound {
		_, err = s.store.Put(ctx, k, want, store.PutOptions{})
		if host.CodeOf(err) != abi.CodeConflict && host.CodeOf(err) != abi.CodeUnavailable {
			return err
		}
		// Another host on the same store came first, or the store is read-only: keys can be checked.
		rec, err = s.store.Get(ctx, k)
		if host.CodeOf(err) == abi.CodeNotFound {
			return nil
		}
	}
	if err != nil {
		return err
	}
	if !equal(rec.Value, want) {
		return host.Errorf(op, abi.CodeInvalidArg, "the pepper is not the one this store's keys were made with").
			WithHint("put back the file %s that belongs to this data folder; without it every key has to be issued again", pepperFile)
	}
	return nil
}

// List returns a tenant's keys in order of creation, expired and revoked ones for 30 days more; the
// empty tenant lists all.
func (s *Service) List(ctx context.Context, tenant host.TenantID) ([]Key, error) {
	uses, err := s.uses(ctx)
	if err != nil {
		return nil, err
	}
	var out []Key
	err = s.each(ctx, watched(), func(rec store.Record) error {
		id := rec.Key[len(rec.Key)-1]
		var r record
		if err := json.Unmarshal(rec.Value, &r); err != nil {
			return host.Errorf("keys.List", abi.CodeInternal, "key %s cannot be read: %w", id, err)
		}
		if tenant == "" || r.Tenant == tenant {
			k := r.key(id)
			k.LastUsed = uses[id]
			out = append(out, k)
		}
		return nil
	})
	sortByCreation(out)
	return out, err
}

func (s *Service) each(ctx context.Context, prefix store.Key, f func(store.Record) error) error {
	for cursor := ""; ; {
		page, err := s.store.List(ctx, prefix, cursor, store.MaxPage)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			if err := f(rec); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// Revoke ends a key at once, here before it returns and in other hosts on the same store a moment
// later. A key that is revoked already stays so; an id that is none is abi.CodeNotFound.
func (s *Service) Revoke(ctx context.Context, id string) error {
	const op = "keys.Revoke"
	for {
		rec, err := s.lookup(ctx, id)
		if host.CodeOf(err) == abi.CodeNotFound || host.CodeOf(err) == abi.CodeInvalidArg {
			return host.Errorf(op, abi.CodeNotFound, "there is no key %q", clip(id)).
				WithHint("list the keys to see their ids")
		}
		if err != nil {
			return err
		}
		if !rec.RevokedAt.IsZero() {
			s.cache.forget(id)
			return nil
		}
		rec.RevokedAt = s.clock.Now().UTC()
		err = s.save(ctx, id, rec.record, rec.rev)
		s.cache.forget(id)
		if host.CodeOf(err) == abi.CodeConflict {
			continue // someone else changed it meanwhile
		}
		if err == nil {
			s.log.Info("key revoked", "id", id, "tenant", rec.Tenant, "kind", rec.Kind)
			s.listeners.tell(id)
		}
		return err
	}
}

type found struct {
	record
	rev uint64
}

func (s *Service) lookup(ctx context.Context, id string) (found, error) {
	got, err := s.store.Get(ctx, recordKey(id))
	if err != nil {
		return found{}, err
	}
	f := found{rev: got.Rev}
	if err := json.Unmarshal(got.Value, &f.record); err != nil {
		return found{}, host.Errorf("keys.lookup", abi.CodeInternal, "key %s cannot be read: %w", id, err)
	}
	return f, nil
}

// save writes a record, which leaves by itself some time after it has ended.
func (s *Service) save(ctx context.Context, id string, r record, expect uint64) error {
	value, err := json.Marshal(r)
	if err != nil {
		return host.E("keys.save", abi.CodeInternal, err)
	}
	o := store.PutOptions{Expect: expect}
	ends := r.ExpiresAt
	if !r.RevokedAt.IsZero() && (ends.IsZero() || r.RevokedAt.Before(ends)) {
		ends = r.RevokedAt
	}
	if !ends.IsZero() {
		o.TTL = max(ends.Sub(s.clock.Now())+keepEnded, time.Hour)
	}
	_, err = s.store.Put(ctx, recordKey(id), value, o)
	return err
}

// follow keeps the cache true to changes made through another handle on the store. When it has to
// begin anew it forgets everything first, because it cannot know what it has missed.
func (s *Service) follow(ctx context.Context, events <-chan store.Event) {
	for {
		for e := range events {
			s.noteChange(e)
		}
		for {
			if ctx.Err() != nil {
				return
			}
			var err error
			if events, err = s.store.Watch(ctx, watched()); err == nil {
				break
			}
			// Without a watch the cache could go on letting a revoked key in.
			s.cache.clear()
			if !pause(ctx, time.Second) {
				return
			}
		}
		s.cache.clear()
		s.tellAll(ctx)
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

func watched() store.Key { return store.Key{"keys", "by-id"} }

var errRevoked = errors.New("revoked")
