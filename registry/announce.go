// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Change is one swap: From is nil for a plugin that is new, To for one that left.
type Change struct {
	Plugin   string
	From, To *Plugin
}

// Subscribe calls fn after each swap from now on, in order, from one goroutine for all subscribers.
// A slow fn delays the other subscribers, never a swap. It ends with cancel, which may be called
// twice and from within fn, or with Close; a call that is running then still finishes.
func (r *Registry) Subscribe(fn func(Change)) (cancel func()) { return r.news.subscribe(fn) }

type subscriber struct {
	fn   func(Change)
	gone atomic.Bool
}

// announcer carries changes from those who swap to those who listen. Its queue has no bound: swaps
// come at a person's pace.
type announcer struct {
	mu    sync.Mutex
	subs  []*subscriber // replaced, never changed
	queue []notice
	wake  chan struct{}
}

// notice is a change and who was listening when it happened.
type notice struct {
	change Change
	subs   []*subscriber
}

func (a *announcer) subscribe(fn func(Change)) func() {
	s := &subscriber{fn: fn}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.subs = append(slices.Clone(a.subs), s)
	return func() {
		s.gone.Store(true)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.subs = slices.DeleteFunc(slices.Clone(a.subs), func(o *subscriber) bool { return o == s })
	}
}

func (a *announcer) announce(changes []Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wake == nil || len(a.subs) == 0 {
		return
	}
	for _, c := range changes {
		a.queue = append(a.queue, notice{c, a.subs})
	}
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

func (a *announcer) start(ctx context.Context, tasks *sync.WaitGroup) {
	a.mu.Lock()
	a.wake = make(chan struct{}, 1)
	a.mu.Unlock()
	tasks.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-a.wake:
				a.deliver(ctx)
			}
		}
	})
}

func (a *announcer) deliver(ctx context.Context) {
	a.mu.Lock()
	batch := a.queue
	a.queue = nil
	a.mu.Unlock()
	for _, n := range batch {
		for _, s := range n.subs {
			if ctx.Err() == nil && !s.gone.Load() {
				s.fn(n.change)
			}
		}
	}
}
