// Copyright 2026 The Gantry Authors.

// Package crew keeps goroutines that have done work for more of it. A fresh goroutine grows its stack
// several times on the way into a guest, which for a short call costs more than starting it.
//
// It does not bound how much is done at once: work never waits for other work.
package crew

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// MaxIdle is how many goroutines of a crew wait for work; others end with what they do. Those that
// wait do so for 30 seconds, unless Crew.Patience says otherwise.
const (
	MaxIdle  = 64
	patience = 30 * time.Second
)

// Crew does work on goroutines of its own. The zero value is ready, and its methods may be called from
// any goroutine.
type Crew struct {
	// Patience is how long a goroutine waits for work before it ends; 0 is 30 seconds. It is set before
	// the first Do.
	Patience time.Duration

	mu   sync.Mutex
	idle []chan func()
	done bool
}

// Do runs f on a goroutine of the crew and returns at once. A panic of f ends the process, as on any
// goroutine.
func (c *Crew) Do(f func()) {
	c.mu.Lock()
	if n := len(c.idle); n > 0 {
		next := c.idle[n-1]
		c.idle = c.idle[:n-1]
		c.mu.Unlock()
		next <- f
		return
	}
	c.mu.Unlock()
	go c.serve(f)
}

func (c *Crew) serve(f func()) {
	work := make(chan func(), 1) // buffered, so that Do never waits
	long := cmp.Or(c.Patience, patience)
	late := time.NewTimer(long)
	defer late.Stop()
	for more := true; more; {
		f()
		if !c.rest(work) {
			return
		}
		late.Reset(long)
		select {
		case f, more = <-work:
		case <-late.C:
			if c.leave(work) {
				return
			}
			f, more = <-work // it was given some just now
		}
	}
}

// rest lets a goroutine wait for work; false where it is not wanted any more.
func (c *Crew) rest(work chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || len(c.idle) >= MaxIdle {
		return false
	}
	c.idle = append(c.idle, work)
	return true
}

// leave takes a goroutine off those that wait; false where it does not any more.
func (c *Crew) leave(work chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.idle, work)
	if i < 0 {
		return false
	}
	c.idle = slices.Delete(c.idle, i, i+1)
	return true
}

// Idle is how many goroutines wait for work.
func (c *Crew) Idle() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

// Dismiss ends the goroutines that wait, and those that work when they have done it; it waits for
// neither. What is given to Do after it has a goroutine of its own. It may be called again.
func (c *Crew) Dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, work := range c.idle {
		close(work)
	}
	c.idle = nil
}
