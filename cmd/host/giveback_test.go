// Copyright 2026 The Gantry Authors.

package main

import "testing"

func TestMemoryIsGivenBackWhenItIsWorthIt(t *testing.T) {
	const mib = 1 << 20
	for promise, c := range map[string]struct {
		now, before heapState
		want        bool
	}{
		"garbage of a burst":           {heapState{500 * mib, 150 * mib, 100 * mib, 0, 0, 0}, heapState{allocated: 499 * mib}, true},
		"what was freed and kept":      {heapState{500 * mib, 100 * mib, 100 * mib, 60 * mib, 0, 0}, heapState{allocated: 499 * mib}, true},
		"a burst that goes on":         {heapState{500 * mib, 150 * mib, 100 * mib, 60 * mib, 0, 0}, heapState{allocated: 400 * mib}, false},
		"little":                       {heapState{500 * mib, 110 * mib, 100 * mib, 10 * mib, 0, 0}, heapState{allocated: 499 * mib}, false},
		"little for so large a heap":   {heapState{9000 * mib, 1000 * mib, 950 * mib, 0, 0, 0}, heapState{allocated: 8999 * mib}, false},
		"more alive than there is now": {heapState{500 * mib, 90 * mib, 100 * mib, 0, 0, 0}, heapState{allocated: 499 * mib}, false},
	} {
		t.Run(promise, func(t *testing.T) {
			if got := c.now.idleSince(c.before); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	for promise, c := range map[string]struct {
		now, before heapState
		most        uint64
		want        bool
	}{
		"most have left":         {heapState{allocated: 500 * mib, goroutines: 60}, heapState{allocated: 499 * mib}, 10_000, true},
		"a few have left":        {heapState{allocated: 500 * mib, goroutines: 60}, heapState{allocated: 499 * mib}, 400, false},
		"some of many":           {heapState{allocated: 500 * mib, goroutines: 6000}, heapState{allocated: 499 * mib}, 10_000, false},
		"the others are at work": {heapState{allocated: 500 * mib, goroutines: 60}, heapState{allocated: 400 * mib}, 10_000, false},
	} {
		t.Run(promise, func(t *testing.T) {
			if got := c.now.leftBy(c.before, c.most); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
	t.Run("and this Go tells all of it", func(t *testing.T) {
		shrink()
		if m := readHeap(); m.allocated == 0 || m.there == 0 || m.alive == 0 || m.stacks == 0 || m.goroutines == 0 {
			t.Errorf("it read %+v", m)
		}
	})
}
