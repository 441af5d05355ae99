// Copyright 2026 The Gantry Authors.

package quota

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Own are a tenant's own limits: a nil field is the host's default, 0 is no limit.
type Own struct {
	CallsPerMinute *int64 `json:"calls_per_minute,omitempty"`
	CallsPerDay    *int64 `json:"calls_per_day,omitempty"`
	FuelPerDay     *int64 `json:"fuel_per_day,omitempty"`
}

// over is the limits that hold where d are the defaults.
func (o *Own) over(d Limits) Limits {
	for _, f := range []struct {
		to  *int64
		own *int64
	}{{&d.CallsPerMinute, o.CallsPerMinute}, {&d.CallsPerDay, o.CallsPerDay}, {&d.FuelPerDay, o.FuelPerDay}} {
		if f.own != nil {
			*f.to = *f.own
		}
	}
	return d
}

// merge puts what is set in change over o.
func (o *Own) merge(change Own) {
	if change.CallsPerMinute != nil {
		o.CallsPerMinute = change.CallsPerMinute
	}
	if change.CallsPerDay != nil {
		o.CallsPerDay = change.CallsPerDay
	}
	if change.FuelPerDay != nil {
		o.FuelPerDay = change.FuelPerDay
	}
}

// Status is where a tenant stands.
type Status struct {
	Tenant host.TenantID `json:"tenant"`
	// Limits hold now; Own are those that are the tenant's and not the host's default.
	Limits Limits `json:"limits"`
	Own    Own    `json:"own"`
	// Used is counted where there is a limit, and 0 where there is none.
	Used Limits `json:"used"`
	// MinuteEnds and DayEnds are when the counts begin anew.
	MinuteEnds time.Time `json:"minute_ends"`
	DayEnds    time.Time `json:"day_ends"`
}

// Show tells where a tenant stands. A tenant that nobody has heard of has the defaults.
func (s *Service) Show(ctx context.Context, id host.TenantID) (Status, error) {
	if err := checkTenant(id); err != nil {
		return Status{}, err
	}
	t, err := s.tenant(ctx, id)
	if err != nil {
		return Status{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status(s.cfg.Clock.Now()), nil
}

func (t *tenant) status(now time.Time) Status {
	t.roll(now)
	st := Status{
		Tenant: t.id, Limits: t.limits, Own: t.own,
		MinuteEnds: time.Unix((t.minute+1)*60, 0).UTC(), DayEnds: time.Unix((t.day+1)*86400, 0).UTC(),
	}
	if t.limits.CallsPerMinute > 0 {
		st.Used.CallsPerMinute = t.minuteCalls
	}
	if t.limits.CallsPerDay > 0 {
		st.Used.CallsPerDay = t.calls.used
	}
	if t.limits.FuelPerDay > 0 {
		st.Used.FuelPerDay = t.fuel.used
	}
	return st
}

func checkTenant(id host.TenantID) error {
	if !id.Valid() {
		return host.Errorf("quota", abi.CodeInvalidArg, "tenant: %.80q is not a tenant id", string(id))
	}
	return nil
}

// Set changes a tenant's limits, those that change names, from the next call on. They are in the
// store when it returns.
func (s *Service) Set(ctx context.Context, id host.TenantID, change Own) (Status, error) {
	return s.change(ctx, id, func(o *Own) { o.merge(change) })
}

// Reset gives a tenant the host's default limits again. What it has used stays used.
func (s *Service) Reset(ctx context.Context, id host.TenantID) (Status, error) {
	return s.change(ctx, id, func(o *Own) { *o = Own{} })
}

func (s *Service) change(ctx context.Context, id host.TenantID, f func(*Own)) (Status, error) {
	const op = "quota.Set"
	if err := checkTenant(id); err != nil {
		return Status{}, err
	}
	t, err := s.tenant(ctx, id)
	if err != nil {
		return Status{}, err
	}
	// The store may take its time, and calls go on meanwhile; opening keeps changes in order.
	s.opening.Lock()
	defer s.opening.Unlock()
	t.mu.Lock()
	own := t.own
	t.mu.Unlock()
	f(&own)
	limits := own.over(s.cfg.Defaults)
	if err := limits.check(op); err != nil {
		return Status{}, err
	}
	value, err := json.Marshal(own)
	if err != nil {
		return Status{}, host.E(op, abi.CodeInternal, err)
	}
	if _, err := s.cfg.Store.Put(ctx, ownKey(id), value, store.PutOptions{Expect: store.AnyRev}); err != nil {
		return Status{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.own, t.limits = own, limits
	return t.status(s.cfg.Clock.Now()), nil
}

// List tells of every tenant that has limits of its own.
func (s *Service) List(ctx context.Context) ([]Status, error) {
	out := []Status{}
	for cursor := ""; ; {
		page, err := s.cfg.Store.List(ctx, store.Key{"quota", "limits"}, cursor, 1000)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			st, err := s.Show(ctx, host.TenantID(page.Records[i].Key[2]))
			if err != nil {
				return nil, err
			}
			if st.Own != (Own{}) {
				out = append(out, st)
			}
		}
		if cursor = page.Next; cursor == "" {
			return out, nil
		}
	}
}
