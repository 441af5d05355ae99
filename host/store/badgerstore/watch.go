// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"bytes"
	"context"
	"sync"
	"sync/atomic"

	"github.com/gantryhost/gantry/host/store"
)

// hub hands committed changes to the watchers. It has no goroutine: the committer sends, and a
// watcher whose buffer is full is closed there and then.
type hub struct {
	buffer int
	// count lets the committer pass by without the lock while nobody watches.
	count atomic.Int32

	mu   sync.Mutex
	subs map[*sub]struct{}
}

type sub struct {
	prefix store.Key
	ch     chan store.Event
	stop   func() bool
}

// Watch implements store.Store. Records that end by their TTL are not announced.
func (s *Store) Watch(ctx context.Context, prefix store.Key) (<-chan store.Event, error) {
	if err := store.WatchArgs(prefix); err != nil {
		return nil, err
	}
	leave, err := s.enter(ctx, "badgerstore.Watch")
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.hub.add(ctx, prefix), nil
}

func (h *hub) add(ctx context.Context, prefix store.Key) <-chan store.Event {
	w := &sub{prefix: append(store.Key{}, prefix...), ch: make(chan store.Event, h.buffer)}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.subs == nil {
		h.subs = map[*sub]struct{}{}
	}
	h.subs[w] = struct{}{}
	h.count.Add(1)
	w.stop = context.AfterFunc(ctx, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.drop(w)
	})
	return w.ch
}

// drop closes a watcher once; the caller holds mu.
func (h *hub) drop(w *sub) {
	if _, ok := h.subs[w]; !ok {
		return
	}
	delete(h.subs, w)
	h.count.Add(-1)
	w.stop()
	close(w.ch)
}

func (h *hub) publish(events []store.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.subs {
		for _, e := range events {
			if !e.Key.Below(w.prefix) {
				continue
			}
			e.Key, e.Value = append(store.Key{}, e.Key...), bytes.Clone(e.Value)
			select {
			case w.ch <- e:
				continue
			default:
			}
			h.drop(w)
			break
		}
	}
}

func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.subs {
		h.drop(w)
	}
}
