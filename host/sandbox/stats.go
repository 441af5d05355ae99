// Copyright 2026 The Gantry Authors.

package sandbox

import "time"

// Stats is what an engine holds at one moment.
type Stats struct {
	// MemoryBytes is the linear memory of all instances, MemoryBudget what it may be.
	MemoryBytes, MemoryBudget int64
	// Plugins has one entry for each loaded guest, in no order; two generations of a plugin are two.
	Plugins []PluginStats
	Totals  Totals
}

// Totals are what all guests have done since New, closed ones included. They never go down.
type Totals struct {
	// Resets are calls after which the instance was put back, ResetBytes what that copied.
	Resets, ResetBytes int64
	Traps, Mismatches  int64
	// Waits are the calls that had to wait for their turn, Waited how long all of them did.
	Waits  int64
	Waited time.Duration
	// Compiles are modules that were compiled or read from the cache, failed ones included, Compiling
	// is the time that took.
	Compiles  int64
	Compiling time.Duration
}

// add counts what one guest has done.
func (t *Totals) add(s *PluginStats) {
	t.Resets += s.Resets
	t.ResetBytes += s.ResetBytes
	t.Traps += s.Traps
	t.Mismatches += s.Mismatches
	t.Waits += s.Waits
	t.Waited += s.Waited
}

// PluginStats is what one guest holds, and what it has done since Load.
type PluginStats struct {
	Name, Digest string
	// Instances is how many are alive, Idle how many of them wait for a call.
	Instances, Idle int
	Calls, Traps    int64
	// Waiting is how many calls wait for their turn now; Waits had to, and Waited is their time.
	Waiting int
	Waits   int64
	Waited  time.Duration
	// Fuel is what all calls used, failed ones included.
	Fuel uint64
	// Resets are calls after which the instance was put back, ResetBytes what that copied, Mismatches
	// how many of those that were compared differed.
	Resets, ResetBytes, Mismatches int64
}

// Stats counts. The numbers of different guests are not of exactly the same moment.
func (e *Engine) Stats() Stats {
	s := Stats{MemoryBytes: e.budget.Used(), MemoryBudget: e.budget.Limit}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Totals = e.past
	for g := range e.guests {
		st := g.stats()
		s.Totals.add(&st)
		s.Plugins = append(s.Plugins, st)
	}
	return s
}

func (g *guest) stats() PluginStats {
	live, idle := g.pool.count()
	slots := g.pool.slots.Stats()
	return PluginStats{
		Name: g.name, Digest: g.digest, Instances: live, Idle: idle,
		Calls: g.calls.Load(), Traps: g.traps.Load(), Fuel: g.fuel.Load(),
		Waiting: slots.Waiting, Waits: slots.Waits, Waited: slots.Waited,
		Resets: g.resets.Load(), ResetBytes: g.resetBytes.Load(), Mismatches: g.mismatches.Load(),
	}
}
