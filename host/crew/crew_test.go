// Copyright 2026 The Gantry Authors.

package crew_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/host/crew"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCrew(t *testing.T) {
	t.Run("a goroutine that is free takes the next work", func(t *testing.T) {
		var c crew.Crew
		defer c.Dismiss()
		for range 3 {
			done := make(chan struct{})
			c.Do(func() { close(done) })
			<-done
			waitFor(t, func() bool { return c.Idle() == 1 })
		}
	})
	t.Run("work never waits for other work", func(t *testing.T) {
		var c crew.Crew
		defer c.Dismiss()
		const n = 2 * crew.MaxIdle
		var all sync.WaitGroup
		all.Add(n)
		for range n {
			c.Do(func() { all.Done(); all.Wait() }) // ends when all have begun
		}
		all.Wait()
		waitFor(t, func() bool { return c.Idle() == crew.MaxIdle })
	})
	t.Run("who waits for long goes, and no work is lost to it", func(t *testing.T) {
		c := crew.Crew{Patience: time.Microsecond}
		defer c.Dismiss()
		for range 2_000 { // work meets goroutines that are about to go
			done := make(chan struct{})
			c.Do(func() { close(done) })
			<-done
		}
		waitFor(t, func() bool { return c.Idle() == 0 })
	})
	t.Run("after its dismissal it does what it is given, and keeps nobody", func(t *testing.T) {
		var c crew.Crew
		done := make(chan struct{})
		c.Do(func() { close(done) })
		<-done
		c.Dismiss()
		c.Dismiss()
		again := make(chan struct{})
		c.Do(func() { close(again) })
		<-again
		if n := c.Idle(); n != 0 {
			t.Errorf("%d wait", n)
		}
	})
	t.Run("work, rest and dismissal meet", func(t *testing.T) {
		var c crew.Crew
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for range 200 {
					all.Add(1)
					c.Do(all.Done)
				}
			})
		}
		all.Go(c.Dismiss)
		all.Wait()
	})
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that within 10 s")
		}
	}
}
