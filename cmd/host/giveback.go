// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Memory is given back to the system when the host has become quiet. Go collects by itself when its
// heap has doubled, or after two minutes; a host that thousands of clients have connected to, and that
// has nothing to do since, would keep the garbage of their handshakes, and their deep stacks, that long,
// and what was freed longer.
const (
	lookEvery     = 5 * time.Second
	giveBackAtMin = time.Minute // no oftener
	// quietBytes is how much a quiet host may allocate between two looks, spareBytes what is worth it.
	quietBytes = 20 << 20
	spareBytes = 24 << 20
	// stackBytes is how much less of stacks makes it worth to go on.
	stackBytes = 4 << 20
	// leftAtMin is how many goroutines fewer say that many clients have left. What they held counts as
	// alive until a collection has looked.
	leftAtMin = 500
)

// giveBack gives memory back in quiet moments until ctx ends.
func giveBack(ctx context.Context) {
	looks := time.NewTicker(lookEvery)
	defer looks.Stop()
	var last time.Time
	before := readHeap()
	most := before.goroutines // since memory was given back
	for {
		select {
		case <-looks.C:
		case <-ctx.Done():
			return
		}
		now := readHeap()
		most = max(most, now.goroutines)
		if (now.idleSince(before) || now.leftBy(before, most)) && time.Since(last) >= giveBackAtMin {
			shrink()
			last, now = time.Now(), readHeap()
			most = now.goroutines
		}
		before = now
	}
}

// shrink gives back what it can. A collection halves the stacks that are too large, once, so as long as
// that helps another follows.
func shrink() {
	for range 3 {
		before := readHeap().stacks
		debug.FreeOSMemory()
		if now := readHeap().stacks; now+stackBytes > before {
			return
		}
	}
}

// heapState is what Go's heap holds, in bytes: all that was ever allocated, what is there, what the last
// collection left alive, what is free but not the system's, and the goroutines' stacks; and how many
// goroutines there are.
type heapState struct{ allocated, there, alive, free, stacks, goroutines uint64 }

func readHeap() heapState {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/sched/goroutines:goroutines"}}
	metrics.Read(samples)
	value := func(i int) uint64 {
		if samples[i].Value.Kind() != metrics.KindUint64 {
			return 0 // a Go that has dropped it
		}
		return samples[i].Value.Uint64()
	}
	return heapState{value(0), value(1), value(2), value(3), value(4), value(5)}
}

// idleSince tells whether little has happened since before, and there is something to give back: enough,
// and an eighth of what is there, so that a large heap is not searched for little.
func (m heapState) idleSince(before heapState) bool {
	spare := m.free
	if m.there > m.alive {
		spare += m.there - m.alive
	}
	return m.allocated-before.allocated < quietBytes && spare >= spareBytes && spare >= m.there/8
}

// leftBy tells whether little has happened since before, and most of the goroutines there were have gone.
func (m heapState) leftBy(before heapState, most uint64) bool {
	return m.allocated-before.allocated < quietBytes && most >= m.goroutines+leftAtMin && m.goroutines < most/2
}
