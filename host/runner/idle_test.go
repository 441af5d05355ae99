// Copyright 2026 The Gantry Authors.

package runner

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// idler has one instance for each moment that it remembers.
type idler struct {
	mu   sync.Mutex
	idle []time.Time
}

func (i *idler) OldestIdle() (time.Time, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.idle) == 0 {
		return time.Time{}, false
	}
	return i.idle[0], true
}

func (i *idler) CloseIdle(until time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.idle) > 0 && !i.idle[0].After(until) {
		i.idle = i.idle[1:]
	}
}

func (i *idler) left() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.idle)
}

func TestWhatIsIdleLongestIsReclaimedFirst(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 1, 1, 0, minute, 0, 0, time.UTC) }
	a, b, none := &idler{idle: []time.Time{at(2), at(5)}}, &idler{idle: []time.Time{at(3)}}, &idler{}
	all := []*idler{none, a, b}
	for i, want := range [][2]int{{1, 1}, {1, 0}, {0, 0}} {
		if !Reclaim(all) || a.left() != want[0] || b.left() != want[1] {
			t.Fatalf("turn %d: %d and %d are left, want %v", i+1, a.left(), b.left(), want)
		}
	}
	if Reclaim(all) {
		t.Error("something was reclaimed where nothing was idle")
	}
}

func TestTheSweepClosesWhatNobodyUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		i := &idler{idle: []time.Time{start, start.Add(30 * time.Second)}}
		done := make(chan struct{})
		go Sweep(done, time.Minute, func() []*idler { return []*idler{i} })
		for _, step := range []struct {
			at   time.Duration
			left int
		}{{59 * time.Second, 2}, {76 * time.Second, 1}, {89 * time.Second, 1}, {106 * time.Second, 0}} {
			time.Sleep(time.Until(start.Add(step.at)))
			synctest.Wait()
			if got := i.left(); got != step.left {
				t.Errorf("after %v %d are left, want %d", step.at, got, step.left)
			}
		}
		close(done)
	})
}
