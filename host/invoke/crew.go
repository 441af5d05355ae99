// Copyright 2026 The Gantry Authors.

package invoke

import "sync"

// crew is the goroutines of runs. They are used again: a fresh goroutine grows its stack several times
// on the way into a guest, which for a short run costs more than starting it.
type crew struct {
	mu   sync.Mutex
	idle []chan func()
	done bool
}

// maxIdle is how many goroutines wait for work; others end with their run.
const maxIdle = 64

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
	for {
		f()
		if !c.rest(work) {
			return
		}
		var more bool
		if f, more = <-work; !more {
			return
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
