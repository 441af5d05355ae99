// Copyright 2026 The Gantry Authors.

// Package tenants keeps what an operator wants of each tenant's calls: its policy. Today that is
// whether a person has to confirm the calls of destructive tools.
//
// It makes no tenants (a tenant is whatever credentials name), asks nobody anything (the pipeline
// does) and knows no tools.
package tenants

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Confirm says which calls a person has to confirm.
type Confirm string

// The choices. As part of a Policy, ConfirmDefault leaves it to the host's settings.
const (
	ConfirmDefault     Confirm = ""
	ConfirmNever       Confirm = "never"
	ConfirmDestructive Confirm = "destructive"
)

// ParseConfirm reads a choice; "default" is ConfirmDefault. The error names the choices.
func ParseConfirm(s string) (Confirm, error) {
	switch c := Confirm(s); c {
	case ConfirmNever, ConfirmDestructive:
		return c, nil
	case "default":
		return ConfirmDefault, nil
	}
	return "", host.Errorf("tenants.ParseConfirm", abi.CodeInvalidArg, "confirm: %q is not one of never, destructive, default", clip(s))
}

// Policy is what is set for a tenant.
type Policy struct {
	Confirm Confirm `json:"confirm,omitempty"`
}

// Tenant is a tenant's policy as it holds.
type Tenant struct {
	ID host.TenantID `json:"id"`
	// Confirm is never ConfirmDefault; Default says that the host's settings, and nobody for this
	// tenant, have chosen it.
	Confirm Confirm `json:"confirm"`
	Default bool    `json:"default,omitempty"`
	// UpdatedAt is when the policy was set last, zero where it never was.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// Config is what a Service is made of. Store is required.
type Config struct {
	// Store keeps the policies. It has to be one that syncs its writes.
	Store store.Store
	// Confirm holds for tenants that have none set; empty is ConfirmNever.
	Confirm Confirm
	// Clock is the machine's where nil.
	Clock host.Clock
	// Logger hears of changes; nil for silence.
	Logger *slog.Logger
	// Retry is how long to wait before following the store again when that has failed; 0 means a second.
	Retry time.Duration
}

// record is a policy as it is stored.
type record struct {
	Policy
	UpdatedAt time.Time `json:"updated_at"`
}

// known is a record and its revision, so that news that comes late changes nothing.
type known struct {
	record
	rev uint64
}

func root() store.Key { return store.Key{"tenants", "policy"} }

func keyOf(t host.TenantID) store.Key { return append(root(), string(t)) }

// Service keeps the policies. All methods may be called concurrently.
type Service struct {
	cfg    Config
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.RWMutex
	policies map[host.TenantID]known
}

// New reads all policies and starts what keeps them true to changes by other hosts on the same
// store; Close ends it.
func New(c Config) (*Service, error) {
	const op = "tenants.New"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is missing")
	case c.Retry < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Retry cannot be negative")
	case c.Confirm == ConfirmDefault:
		c.Confirm = ConfirmNever
	case c.Confirm != ConfirmNever && c.Confirm != ConfirmDestructive:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Confirm: %q is not one of never, destructive", clip(string(c.Confirm)))
	}
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Retry == 0 {
		c.Retry = time.Second
	}
	s := &Service{cfg: c, policies: map[host.TenantID]known{}}
	ctx, cancel := context.WithCancel(context.Background())
	events, err := s.watch(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	s.cancel = cancel
	s.done.Go(func() { s.follow(ctx, events) })
	return s, nil
}

// Close ends the service's goroutine; the store stays open. A second Close does nothing.
func (s *Service) Close() error {
	s.cancel()
	s.done.Wait()
	return nil
}

// ConfirmDestructive tells whether a person has to confirm the tenant's calls of destructive tools.
// It touches no store.
func (s *Service) ConfirmDestructive(t host.TenantID) bool { return s.Get(t).Confirm != ConfirmNever }

// Get is the policy that holds for the tenant: there is one for every tenant id.
func (s *Service) Get(t host.TenantID) Tenant {
	s.mu.RLock()
	k := s.policies[t]
	s.mu.RUnlock()
	return s.tenant(t, k)
}

func (s *Service) tenant(t host.TenantID, k known) Tenant {
	out := Tenant{ID: t, Confirm: k.Confirm, UpdatedAt: k.UpdatedAt}
	if out.Confirm == ConfirmDefault {
		out.Confirm, out.Default = s.cfg.Confirm, true
	}
	return out
}

// List is every tenant that has had a policy set, in order of ids.
func (s *Service) List() []Tenant {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]Tenant, 0, len(s.policies))
	for t, k := range s.policies {
		out = append(out, s.tenant(t, k))
	}
	slices.SortFunc(out, func(a, b Tenant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return out
}

// Set sets a tenant's policy and returns what holds then. The next call on this host is held to it.
func (s *Service) Set(ctx context.Context, t host.TenantID, p Policy) (Tenant, error) {
	const op = "tenants.Set"
	switch {
	case !t.Valid():
		return Tenant{}, host.Errorf(op, abi.CodeInvalidArg, "tenant: %q is not a tenant id; use up to 63 of a-z, 0-9, _ and -", clip(string(t)))
	case p.Confirm != ConfirmDefault && p.Confirm != ConfirmNever && p.Confirm != ConfirmDestructive:
		return Tenant{}, host.Errorf(op, abi.CodeInvalidArg, "confirm: %q is not one of never, destructive, default", clip(string(p.Confirm)))
	}
	r := record{Policy: p, UpdatedAt: s.cfg.Clock.Now().UTC()}
	value, err := json.Marshal(r)
	if err != nil {
		return Tenant{}, host.E(op, abi.CodeInternal, err)
	}
	rev, err := s.cfg.Store.Put(ctx, keyOf(t), value, store.PutOptions{Expect: store.AnyRev})
	if err != nil {
		return Tenant{}, err
	}
	s.learn(t, known{r, rev})
	s.cfg.Logger.Info("a tenant's policy was set", "tenant", t, "confirm", p.Confirm)
	return s.Get(t), nil
}

// learn takes over a record that is newer than the one at hand.
func (s *Service) learn(t host.TenantID, k known) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.rev >= s.policies[t].rev {
		s.policies[t] = k
	}
}

// watch follows the store from now on, and reads what is there already.
func (s *Service) watch(ctx context.Context) (<-chan store.Event, error) {
	events, err := s.cfg.Store.Watch(ctx, root())
	if err != nil {
		return nil, err
	}
	for cursor := ""; ; {
		page, err := s.cfg.Store.List(ctx, root(), cursor, store.MaxPage)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			s.read(r)
		}
		if cursor = page.Next; cursor == "" {
			return events, nil
		}
	}
}

// read takes over one record. One that this version cannot read, or whose choice it does not know,
// counts as the strictest: it may be of a newer host.
func (s *Service) read(r store.Record) {
	k := known{rev: r.Rev}
	if err := json.Unmarshal(r.Value, &k.record); err != nil {
		s.cfg.Logger.Error("a tenant's policy does not parse; its destructive calls have to be confirmed", "key", r.Key.String(), "err", err)
		k.Confirm = ConfirmDestructive
	}
	s.learn(host.TenantID(r.Key[len(r.Key)-1]), k)
}

// follow keeps the policies true. Without a watch it goes on with those it has and tries again.
func (s *Service) follow(ctx context.Context, events <-chan store.Event) {
	for {
		for e := range events {
			if e.Deleted {
				s.learn(host.TenantID(e.Key[len(e.Key)-1]), known{rev: e.Rev})
				continue
			}
			s.read(e.Record)
		}
		for {
			if ctx.Err() != nil {
				return
			}
			var err error
			if events, err = s.watch(ctx); err == nil {
				break
			}
			s.cfg.Logger.Error("changes of tenants' policies cannot be followed", "err", err)
			if !pause(ctx, s.cfg.Retry) {
				return
			}
		}
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

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
