// Copyright 2026 The Gantry Authors.

package invoke

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// crew is the goroutines of runs. They are used again: a fresh goroutine grows its stack several times
// on the way into a guest, which for a short run costs more than starting it.
type crew struct {
	// patience is how long a goroutine waits for work before it ends; 0 means idlePatience.
	patience time.Duration

	mu   sync.Mutex
	idle []chan func()
	done bool
}

// maxIdle is how many goroutines wait for work; others end with their run. Those that wait do so for
// idlePatience.
const (
	maxIdle      = 64
	idlePatience = 30 * time.Second
)

// do runs f on a goroutine of the crew and returns at once.
func (c *crew) do(f func()) {
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

func (c *crew) serve(f func()) {
	work := make(chan func(), 1) // buffered, so that do never waits
	patience := cmp.Or(c.patience, idlePatience)
	late := time.NewTimer(patience)
	defer late.Stop()
	for more := true; more; {
		f()
		if !c.rest(work) {
			return
		}
		late.Reset(patience)
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
func (c *crew) rest(work chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, work)
	return true
}

// leave takes a goroutine off those that wait; false where it does not any more.
func (c *crew) leave(work chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.idle, work)
	if i < 0 {
		return false
	}
	c.idle = slices.Delete(c.idle, i, i+1)
	return true
}

// dismiss ends the goroutines that wait, and those that run with their run. What is done after it has a
// goroutine of its own.
func (c *crew) dismiss() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
	for _, work := range c.idle {
		close(work)
	}
	c.idle = nil
}
