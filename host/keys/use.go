// Copyright 2026 The Gantry Authors.

package keys

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/gantryhost/gantry/host/store"
)

// "Last used" lives in records of its own: written beside the key, each flush would race with a
// revocation and wake every watcher.
func useKey(id string) store.Key { return store.Key{"keys", "used", id} }

// keepUse is longer than any pause between two uses that one would still want to see.
const keepUse = 400 * 24 * time.Hour

func (s *Service) flushUses(ctx context.Context, every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			if err := s.writeUses(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("the keys' last use could not be written", "err", err)
			}
		}
	}
}

func (s *Service) writeUses(ctx context.Context) error {
	var failed []error
	for id, u := range s.cache.takeUses() {
		at := u.at.Load()
		if at == u.written.Load() {
			continue
		}
		value := binary.BigEndian.AppendUint64(nil, uint64(at))
		if _, err := s.store.Put(ctx, useKey(id), value, store.PutOptions{Expect: store.AnyRev, TTL: keepUse}); err != nil {
			failed = append(failed, err)
			break // the next would fail as well; they are tried again at the next flush
		}
		u.written.Store(at)
	}
	return errors.Join(failed...)
}

// takeUses returns the uses to write, and lets go of those that are written and whose key has left
// the cache.
func (c *cache) takeUses() map[string]*use {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]*use{}
	for id, u := range c.uses {
		if u.at.Load() != u.written.Load() {
			out[id] = u
		} else if _, cached := c.byID[id]; !cached {
			delete(c.uses, id)
		}
	}
	return out
}

// uses are the last uses: those that are written, and the newer ones that this service knows of.
func (s *Service) uses(ctx context.Context) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	err := s.each(ctx, store.Key{"keys", "used"}, func(rec store.Record) error {
		if len(rec.Value) == 8 {
			out[rec.Key[2]] = time.Unix(int64(binary.BigEndian.Uint64(rec.Value)), 0).UTC()
		}
		return nil
	})
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	for id, u := range s.cache.uses {
		out[id] = time.Unix(u.at.Load(), 0).UTC()
	}
	return out, err
}
