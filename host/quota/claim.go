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

// The keys: limits of its own, and what was claimed of a day.
func ownKey(id host.TenantID) store.Key { return store.Key{"quota", "limits", string(id)} }

func usedKey(id host.TenantID) store.Key { return store.Key{"quota", "used", string(id)} }

// keepUsed is longer than any day, whatever the clock does.
const keepUsed = 7 * 24 * time.Hour

// claimed is the record of usedKey. Claims of a day only grow, but for what Close gives back.
type claimed struct {
	Day   int64 `json:"day"`
	Calls int64 `json:"calls"`
	Fuel  int64 `json:"fuel"`
}

// claim is one write of a claimed record; done is closed when it is over.
type claim struct {
	done chan struct{}
	err  error
}

func (c *claim) wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return host.E("quota.Reserve", host.CodeOf(ctx.Err()), ctx.Err())
	}
}

// chunk is how much is claimed at once of a limit: a hundredth of it.
func chunk(limit int64) int64 { return max(limit/100, 1) }

// low tells whether it is time to claim more.
func (a *account) low(limit int64) bool {
	return limit > 0 && (a.used > a.claimed || a.claimed < limit && a.claimed-a.used <= chunk(limit)/2)
}

// next is what is to be claimed: a chunk more than what is used, and no more than the limit, but never
// less than before and than what was used all the same.
func (a *account) next(limit int64) int64 {
	if limit == 0 {
		return a.claimed
	}
	return max(a.claimed, a.used, min(limit, a.used+chunk(limit)))
}

// ahead sets a claim off where it is time for one, and returns the one that is on its way. t.mu is
// held.
func (s *Service) ahead(t *tenant) *claim {
	if t.claim != nil || !t.calls.low(t.limits.CallsPerDay) && !t.fuel.low(t.limits.FuelPerDay) {
		return t.claim
	}
	c := &claim{done: make(chan struct{})}
	if t.closed {
		c.err = host.Errorf("quota.claim", abi.CodeUnavailable, "the host is stopping; try again in a moment")
		close(c.done)
		return c
	}
	t.claim = c
	want := claimed{Day: t.day, Calls: t.calls.next(t.limits.CallsPerDay), Fuel: t.fuel.next(t.limits.FuelPerDay)}
	s.claims.Go(func() { s.write(t, c, want) })
	return c
}

// write is the goroutine of a claim. It ends with the store's answer.
func (s *Service) write(t *tenant, c *claim, want claimed) {
	ctx := context.WithoutCancel(s.life)
	rev, err := s.put(ctx, t.id, want, t.rev)
	if host.CodeOf(err) == abi.CodeConflict {
		c.err = s.yield(ctx, t) // who waits claims again
	} else if c.err = err; err == nil {
		t.claimed(want, rev)
	}
	if c.err != nil {
		s.log.Warn("a quota could not be claimed", "tenant", t.id, "error", c.err)
	}
	t.mu.Lock()
	t.claim = nil
	if c.err == nil && !t.closed {
		s.ahead(t) // what was used meanwhile may be more than what the store was told of
	}
	t.mu.Unlock()
	close(c.done)
}

// claimed notes what the store has taken; a day that is over meanwhile is not this one's.
func (t *tenant) claimed(c claimed, rev uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rev = rev
	if t.day == c.Day {
		t.calls.claimed, t.fuel.claimed = c.Calls, c.Fuel
	}
}

// yield takes over a record that somebody else has written, or that has expired: what another has
// claimed counts as used here, so that both together never grant more.
func (s *Service) yield(ctx context.Context, t *tenant) error {
	var c claimed
	var rev uint64
	if err := s.read(ctx, usedKey(t.id), &c, &rev); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rev = rev
	switch {
	case c.Day > t.day:
		t.day, t.calls, t.fuel = c.Day, account{c.Calls, c.Calls}, account{c.Fuel, c.Fuel}
	case c.Day == t.day:
		calls, fuel := max(c.Calls, t.calls.used), max(c.Fuel, t.fuel.used)
		t.calls, t.fuel = account{calls, calls}, account{fuel, fuel}
	}
	return nil
}

// put writes a record that nobody else has written since rev.
func (s *Service) put(ctx context.Context, id host.TenantID, c claimed, rev uint64) (uint64, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return 0, host.E("quota.claim", abi.CodeInternal, err)
	}
	return s.cfg.Store.Put(ctx, usedKey(id), value, store.PutOptions{Expect: rev, TTL: keepUsed})
}

// open reads a tenant. What was claimed and is not known to be unused counts as used.
func (s *Service) open(ctx context.Context, id host.TenantID) (*tenant, error) {
	t := &tenant{id: id}
	if err := s.read(ctx, ownKey(id), &t.own, nil); err != nil {
		return nil, err
	}
	var c claimed
	if err := s.read(ctx, usedKey(id), &c, &t.rev); err != nil {
		return nil, err
	}
	t.limits = t.own.over(s.cfg.Defaults)
	t.day, t.calls, t.fuel = c.Day, account{c.Calls, c.Calls}, account{c.Fuel, c.Fuel}
	return t, nil
}

// read decodes the record into v, and leaves v where there is none.
func (s *Service) read(ctx context.Context, k store.Key, v any, rev *uint64) error {
	rec, err := s.cfg.Store.Get(ctx, k)
	if host.CodeOf(err) == abi.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if rev != nil {
		*rev = rec.Rev
	}
	if err := json.Unmarshal(rec.Value, v); err != nil {
		return host.Errorf("quota.read", abi.CodeInternal, "the record %v does not parse: %w", []string(k), err)
	}
	return nil
}

// giveBack writes that a tenant has what it used, no more and no less.
func (s *Service) giveBack(ctx context.Context, t *tenant) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls.used == t.calls.claimed && t.fuel.used == t.fuel.claimed {
		return nil
	}
	rev, err := s.put(ctx, t.id, claimed{t.day, t.calls.used, t.fuel.used}, t.rev)
	if err == nil {
		t.rev, t.calls.claimed, t.fuel.claimed = rev, t.calls.used, t.fuel.used
	}
	return err
}
