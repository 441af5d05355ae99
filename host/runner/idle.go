// Copyright 2026 The Gantry Authors.

package runner

import "time"

// Idler is a guest with instances that may wait for calls.
type Idler interface {
	// OldestIdle tells since when the instance waits that has waited longest; false where none does.
	OldestIdle() (since time.Time, ok bool)
	// CloseIdle closes the instances that have waited since until or longer.
	CloseIdle(until time.Time)
}

// Sweep closes, until done is closed, the instances of all guests that nobody has used for after. It
// looks four times in that while, so that one may wait a quarter longer.
func Sweep[G Idler](done <-chan struct{}, after time.Duration, all func() []G) {
	t := time.NewTicker(max(after/4, time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-done:
			return
		case now := <-t.C:
			for _, g := range all() {
				g.CloseIdle(now.Add(-after))
			}
		}
	}
}

// Reclaim closes the idle instances of the guest whose oldest has waited longest. It is true where
// there was one, even if a call took it first: then there may be another.
func Reclaim[G Idler](all []G) bool {
	var oldest G
	var since time.Time
	found := false
	for _, g := range all {
		if t, ok := g.OldestIdle(); ok && (!found || t.Before(since)) {
			oldest, since, found = g, t, true
		}
	}
	if found {
		oldest.CloseIdle(since)
	}
	return found
}
