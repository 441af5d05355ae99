// Copyright 2026 The Gantry Authors.

package registry

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/gantryhost/gantry/host"
)

// lifetime counts the calls that hold a generation and tells when the last has let go of a retired
// one. One atomic number carries both: retiring subtracts so much that the count is negative, so
// that "is it retired" and "count me in" are one step and no call can slip in between.
type lifetime struct {
	guest   host.Guest
	holders atomic.Int64
	drained chan struct{}
	once    sync.Once
	// letGo is release as a value, made once, so that holding allocates nothing.
	letGo func()
}

const retired = math.MinInt64 / 2

func (l *lifetime) start(g host.Guest) {
	l.guest = g
	l.drained = make(chan struct{})
	l.letGo = l.release
}

// hold counts a call in. It is false, and nothing is held, once the generation is retired.
func (l *lifetime) hold() bool {
	if l.holders.Add(1) > 0 {
		return true
	}
	l.release()
	return false
}

func (l *lifetime) release() {
	if l.holders.Add(-1) == retired {
		l.once.Do(func() { close(l.drained) })
	}
}

// retire lets no further call in; drained closes when the last one has left. It is called once.
func (l *lifetime) retire() {
	if l.holders.Add(retired) == retired {
		l.once.Do(func() { close(l.drained) })
	}
}

func (l *lifetime) inFlight() int64 {
	n := l.holders.Load()
	if n < 0 {
		n -= retired
	}
	return n
}
