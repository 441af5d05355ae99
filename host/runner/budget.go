// Copyright 2026 The Gantry Authors.

package runner

import "sync/atomic"

// Budget is the memory that all instances of a runner may hold together. All methods may be called
// concurrently.
type Budget struct {
	// Limit is in bytes and does not change. Reclaim frees what it can of idle instances' memory and
	// tells whether it freed any; nil means that there is none to free.
	Limit   int64
	Reclaim func() bool

	used atomic.Int64
}

// Take takes n bytes, if it has to by giving up idle instances. False says that they are not there,
// and nothing was taken.
func (b *Budget) Take(n int64) bool {
	for {
		if b.used.Add(n) <= b.Limit {
			return true
		}
		b.used.Add(-n)
		if b.Reclaim == nil || !b.Reclaim() {
			return false
		}
	}
}

// Give gives back n bytes that were taken.
func (b *Budget) Give(n int64) { b.used.Add(-n) }

// Used is what is taken now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Refusal says which bound a memory met that did not grow.
type Refusal int

// The refusals: none, by the limit of the call, by the budget of all instances.
const (
	NotRefused Refusal = iota
	RefusedByLimit
	RefusedByBudget
)
