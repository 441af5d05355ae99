// Copyright 2026 The Gantry Authors.

package runner

import (
	"runtime"
	"time"
)

// slice is how long a guest has the processor to itself. Handing it on when nobody waits costs 10 to
// 20 µs, since another thread is woken to look for work.
const slice = time.Millisecond

// Turn lets others have the processor in the middle of a guest's run. Compiled code cannot be
// pre-empted, and the scheduler does not know how long it has been running; the collector needs no
// turn, for it stops a guest at the next call of the host. It belongs to the goroutine of the run.
type Turn struct {
	since time.Time
}

// Begin says that a run begins now.
func (t *Turn) Begin(now time.Time) { t.since = now }

// Yield lets others run where the run has had the processor for a slice, and returns the time then.
func (t *Turn) Yield(now time.Time) time.Time {
	if now.Sub(t.since) < slice {
		return now
	}
	runtime.Gosched()
	t.since = time.Now()
	return t.since
}
