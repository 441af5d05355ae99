// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestCrew(t *testing.T) {
	t.Run("a goroutine that is free takes the next work", func(t *testing.T) {
		var c crew
		defer c.dismiss()
		for range 3 {
			done := make(chan struct{})
			c.do(func() { close(done) })
			<-done
			waitFor(t, func() bool { return c.waiting() == 1 })
		}
	})
	t.Run("work never waits for other work", func(t *testing.T) {
		var c crew
		defer c.dismiss()
		const n = 2 * maxIdle
		var all sync.WaitGroup
		all.Add(n)
		for range n {
			c.do(func() { all.Done(); all.Wait() }) // ends when all have begun
		}
		all.Wait()
		waitFor(t, func() bool { return c.waiting() == maxIdle })
	})
	t.Run("who waits for long goes, and no work is lost to it", func(t *testing.T) {
		c := crew{patience: time.Microsecond}
		defer c.dismiss()
		for range 2_000 { // work meets goroutines that are about to go
			done := make(chan struct{})
			c.do(func() { close(done) })
			<-done
		}
		waitFor(t, func() bool { return c.waiting() == 0 })
	})
	t.Run("after its dismissal it does what it is given, and keeps nobody", func(t *testing.T) {
		var c crew
		done := make(chan struct{})
		c.do(func() { close(done) })
		<-done
		c.dismiss()
		c.dismiss()
		again := make(chan struct{})
		c.do(func() { close(again) })
		<-again
		if n := c.waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
	t.Run("work, rest and dismissal meet", func(t *testing.T) {
		var c crew
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					all.Add(1)
					c.do(all.Done)
				}
			})
		}
		all.Go(c.dismiss)
		all.Wait()
	})
}

func (c *crew) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.idle)
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that within 10 s")
		}
	}
}

func TestDue(t *testing.T) {
	t.Run("a run's time is over with a deadline's error and the limit's words", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := withDue(parent, cancel, time.Millisecond)
		defer stop()
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Millisecond {
			t.Errorf("its deadline is %v, %v", at, ok)
		}
		<-ctx.Done()
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("its error is %v", ctx.Err())
		}
		if cause := context.Cause(ctx); host.CodeOf(cause) != abi.CodeDeadline {
			t.Errorf("its cause is %v", cause)
		}
		child, end := context.WithTimeout(ctx, time.Hour)
		defer end()
		if host.CodeOf(context.Cause(child)) != abi.CodeDeadline {
			t.Errorf("a child's cause is %v", context.Cause(child))
		}
	})
	t.Run("a cancelled run is cancelled", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := withDue(parent, cancel, time.Hour)
		defer stop()
		if ctx.Err() != nil {
			t.Errorf("it begins with %v", ctx.Err())
		}
		cancel(errCancelled())
		if ctx.Err() != context.Canceled || host.CodeOf(context.Cause(ctx)) != abi.CodeCancelled {
			t.Errorf("it ends with %v, %v", ctx.Err(), context.Cause(ctx))
		}
	})
}
