// Copyright 2026 The Gantry Authors.

package kv

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// quota bounds what one plugin keeps for one tenant. It counts what is written and never what is
// deleted, overwritten or expired; when the count reaches the limit the space is counted anew. So a
// write costs no read, the count is never too low, and a guest that stays at its limit pays for the
// counting itself.
type quota struct {
	limit int64

	mu     sync.Mutex
	spaces map[string]*usage
}

// usage is held for reading while a write is under way, and for writing to count anew, so that no
// write is missed by both.
type usage struct {
	mu    sync.RWMutex
	known bool
	bytes atomic.Int64
}

// take adds n where it fits.
func (u *usage) take(n, limit int64) bool {
	for {
		have := u.bytes.Load()
		if !u.known || have+n > limit {
			return false
		}
		if u.bytes.CompareAndSwap(have, have+n) {
			return true
		}
	}
}

// reserve makes room for n bytes; release is called when they are written, or not.
func (q *quota) reserve(ctx context.Context, s store.Store, space store.Key, n int64) (release func(), err error) {
	if q.limit < 0 {
		return func() {}, nil
	}
	u := q.usage(space)
	for counted := false; ; counted = true {
		u.mu.RLock()
		if u.take(n, q.limit) {
			return u.mu.RUnlock, nil
		}
		have := u.bytes.Load()
		u.mu.RUnlock()
		if counted {
			return nil, host.Errorf("kv.put", abi.CodeLimit,
				"plugin %s keeps %d bytes of keys and values for this tenant; with these %d it would pass its quota of %d",
				space[2], have, n, q.limit).WithHint("delete entries that are not needed, or let them end with ttl_ms")
		}
		if err := u.recount(ctx, s, space); err != nil {
			return nil, err
		}
	}
}

func (u *usage) recount(ctx context.Context, s store.Store, space store.Key) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	n, err := count(ctx, s, space)
	if err != nil {
		return err
	}
	u.known = true
	u.bytes.Store(n)
	return nil
}

func (q *quota) usage(space store.Key) *usage {
	name := strings.Join(space, "\x00")
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.spaces[name]
	if u == nil {
		u = &usage{}
		q.spaces[name] = u
	}
	return u
}

func count(ctx context.Context, s store.Store, space store.Key) (int64, error) {
	var total int64
	for cursor := ""; ; {
		page, err := s.List(ctx, space, cursor, store.MaxPage)
		if err != nil {
			return 0, err
		}
		for _, rec := range page.Records {
			total += int64(len(rec.Key[len(space)]) + len(rec.Value))
		}
		if cursor = page.Next; cursor == "" {
			return total, nil
		}
	}
}
