// Copyright 2026 The Gantry Authors.

package quota

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// tenant is one tenant's account.
type tenant struct {
	id host.TenantID

	mu     sync.Mutex
	own    Own
	limits Limits // that hold: its own, or the defaults

	minute      int64 // since 1970
	minuteCalls int64

	day         int64 // since 1970
	calls, fuel account

	// claim is on its way to the store; nil where none is. rev is the record's.
	claim *claim
	rev   uint64
	// closed says that no further claim may be set off.
	closed bool
}

// The limits by name, as errors have them.
const (
	limitCallsPerMinute = "calls_per_minute"
	limitCallsPerDay    = "calls_per_day"
	limitFuelPerDay     = "fuel_per_day"
)

// account is what was used of a day, and how much of it the store has been told of. Used is at most
// claimed before a call; a call that runs may take fuel beyond it.
type account struct{ used, claimed int64 }

func dayOf(t time.Time) int64    { return t.Unix() / 86400 }
func minuteOf(t time.Time) int64 { return t.Unix() / 60 }

// roll begins a new minute or day where it is time. Calls that come a little out of order begin none
// again, and nor does a clock that is put right by as much; one that goes back further does, or a
// clock that was wrong once would keep a tenant out for as long.
func (t *tenant) roll(now time.Time) {
	if m := minuteOf(now); m > t.minute || m < t.minute-1 {
		t.minute, t.minuteCalls = m, 0
	}
	if d := dayOf(now); d > t.day || d < t.day-1 {
		t.day, t.calls, t.fuel = d, account{}, account{}
	}
}

// take takes n calls. It is not enough where what was claimed does not do; then nothing is taken.
func (t *tenant) take(now time.Time, n int64) (fuel uint64, enough bool, err error) {
	t.roll(now)
	l := &t.limits
	minuteEnd, dayEnd := time.Unix((t.minute+1)*60, 0), time.Unix((t.day+1)*86400, 0)
	switch {
	case n > 0 && l.CallsPerMinute > 0 && t.minuteCalls+n > l.CallsPerMinute:
		return 0, false, t.over(limitCallsPerMinute, l.CallsPerMinute, now, minuteEnd)
	case n > 0 && l.CallsPerDay > 0 && t.calls.used+n > l.CallsPerDay:
		return 0, false, t.over(limitCallsPerDay, l.CallsPerDay, now, dayEnd)
	case l.FuelPerDay > 0 && t.fuel.used >= l.FuelPerDay:
		return 0, false, t.over(limitFuelPerDay, l.FuelPerDay, now, dayEnd)
	case l.CallsPerDay > 0 && t.calls.used+n > t.calls.claimed, l.FuelPerDay > 0 && t.fuel.used >= t.fuel.claimed:
		return 0, false, nil
	}
	t.minuteCalls += n
	if l.CallsPerDay > 0 {
		t.calls.used += n
	}
	if l.FuelPerDay > 0 {
		fuel = uint64(l.FuelPerDay - t.fuel.used)
	}
	return fuel, true, nil
}

// wording is what a limit counts, for people, and its flag on the command line.
func wording(limit string) (what, flag string) {
	switch limit {
	case limitCallsPerMinute:
		return "calls of this minute", "--calls-per-minute"
	case limitCallsPerDay:
		return "calls of today", "--calls-per-day"
	}
	return "fuel of today", "--fuel-per-day"
}

// over is the error for a limit that was met.
func (t *tenant) over(limit string, most int64, now, resets time.Time) error {
	wait := max(resets.Sub(now), time.Second).Round(time.Second)
	at := resets.UTC().Format(time.RFC3339)
	what, flag := wording(limit)
	e := host.Errorf("quota.Reserve", abi.CodeRateLimited, "the tenant %s has used its %d %s (limit: %s); it begins anew at %s",
		t.id, most, what, limit, at).
		WithHint("try again in %s, or ask the operator: gantry quota set %s %s N", wait, t.id, flag)
	e.RetryAfter = wait
	e.Details = json.RawMessage(fmt.Sprintf(`{"limit":%q,"max":%d,"resets_at":%q}`, limit, most, at))
	return e
}
