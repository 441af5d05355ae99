// Copyright 2026 The Gantry Authors.

// Package quota bounds what each tenant uses over time: calls per minute, calls per day and fuel per
// day, by UTC.
//
// The counts are kept in memory and claimed from the store in chunks, ahead of use and off the call's
// path: a host that is killed forfeits the rest of a chunk, and grants no call twice. Of fuel it may
// forget what calls used beyond their chunk in the moment before, and what those used that still ran;
// and the count of the minute begins anew with the process. What is not limited is not counted.
//
// It runs nothing and measures nothing: the pipeline asks before a call and says what it used after.
// A call that runs is not stopped here; what fuel is left when it starts bounds it, so calls that run
// side by side may together use that much more, each.
package quota

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Limits bound one tenant; 0 is no bound.
type Limits struct {
	CallsPerMinute int64 `json:"calls_per_minute"`
	CallsPerDay    int64 `json:"calls_per_day"`
	// FuelPerDay is in the units of host.Usage.Fuel.
	FuelPerDay int64 `json:"fuel_per_day"`
}

func (l *Limits) check(op string) error {
	if l.CallsPerMinute < 0 || l.CallsPerDay < 0 || l.FuelPerDay < 0 {
		return host.Errorf(op, abi.CodeInvalidArg, "calls_per_minute, calls_per_day and fuel_per_day must not be negative; 0 is no limit")
	}
	return nil
}

// Config is what a Service is made of.
type Config struct {
	// Store keeps limits and what is used. It is to sync what it acknowledges.
	Store store.Store
	// Defaults are the limits of tenants that have none of their own.
	Defaults Limits
	// Clock is the system's where nil.
	Clock host.Clock
	// Logger hears of claims that the store does not take; nil is silent.
	Logger *slog.Logger
}

// Service keeps the tenants' accounts. All methods may be called concurrently.
type Service struct {
	cfg Config
	log *slog.Logger

	// tenants is replaced and not changed, so that it is read without a lock.
	tenants atomic.Pointer[map[host.TenantID]*tenant]
	// opening is held while a tenant is read from the store.
	opening sync.Mutex

	// life ends with Close, by end; claims are the goroutines that write.
	life   context.Context
	end    context.CancelFunc
	claims sync.WaitGroup
}

// New makes a Service. Close ends it.
func New(c Config) (*Service, error) {
	const op = "quota.New"
	if c.Store == nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is nil; give the store for state")
	}
	if err := c.Defaults.check(op); err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{cfg: c, log: c.Logger}
	s.life, s.end = context.WithCancel(context.Background())
	s.tenants.Store(&map[host.TenantID]*tenant{})
	return s, nil
}

// Reserve takes n calls, 0 or 1, of a tenant's quota, and tells how much fuel there is left for what
// it will do; 0 is no bound. Where a limit is met nothing is taken and the error is of
// CodeRateLimited: it names the limit and the time when it begins anew. It waits for the store where
// more is used than was claimed ahead, as long as ctx allows, and fails as the store does.
func (s *Service) Reserve(ctx context.Context, id host.TenantID, now time.Time, n int64) (fuel uint64, err error) {
	t, err := s.tenant(ctx, id)
	if err != nil {
		return 0, err
	}
	for {
		t.mu.Lock()
		if t.limits == (Limits{}) {
			t.mu.Unlock()
			return 0, nil
		}
		fuel, enough, err := t.take(now, n)
		var wait *claim
		if err == nil {
			wait = s.ahead(t)
		}
		t.mu.Unlock()
		if err != nil || enough {
			return fuel, err
		}
		if err := wait.wait(ctx); err != nil {
			return 0, err
		}
	}
}

// Settle counts the fuel that a call used, after Reserve and with its time: on the day that is now,
// for a call that went on over midnight. It does not wait.
func (s *Service) Settle(id host.TenantID, now time.Time, fuel uint64) {
	t := (*s.tenants.Load())[id]
	if t == nil || fuel == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits.FuelPerDay == 0 {
		return
	}
	t.roll(now)
	t.fuel.used += int64(min(fuel, 1<<62))
	s.ahead(t)
}

// Return gives back a call that was reserved at a time and never ran.
func (s *Service) Return(id host.TenantID, reserved time.Time) {
	t := (*s.tenants.Load())[id]
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.day == dayOf(reserved) && t.calls.used > 0 && t.limits.CallsPerDay > 0 {
		t.calls.used--
	}
	if t.minute == minuteOf(reserved) && t.minuteCalls > 0 {
		t.minuteCalls--
	}
}

// tenant finds the tenant's account, reading it from the store the first time.
func (s *Service) tenant(ctx context.Context, id host.TenantID) (*tenant, error) {
	if t := (*s.tenants.Load())[id]; t != nil {
		return t, nil
	}
	s.opening.Lock()
	defer s.opening.Unlock()
	known := *s.tenants.Load()
	if t := known[id]; t != nil {
		return t, nil
	}
	if s.life.Err() != nil {
		return nil, host.Errorf("quota.Reserve", abi.CodeUnavailable, "the host is stopping; try again in a moment")
	}
	t, err := s.open(ctx, id)
	if err != nil {
		return nil, err
	}
	more := maps.Clone(known)
	more[id] = t
	s.tenants.Store(&more)
	return t, nil
}

// Close gives back to the store what was claimed and not used, within ctx. What needs a claim fails
// with CodeUnavailable from here on. A second Close does nothing.
func (s *Service) Close(ctx context.Context) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.life.Err() != nil {
		return nil
	}
	s.end()
	all := *s.tenants.Load()
	for _, t := range all {
		t.mu.Lock()
		t.closed = true
		t.mu.Unlock()
	}
	s.claims.Wait()
	var errs []error
	for _, t := range all {
		errs = append(errs, s.giveBack(ctx, t))
	}
	return errors.Join(errs...)
}
