// Copyright 2026 The Gantry Authors.

package keys

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/gantryhost/gantry/host/store"
)

// listeners are told of revocations.
type listeners struct {
	mu   sync.RWMutex
	next int
	byID map[int]func(id string)
}

// OnRevoked lets f hear of every key that is revoked, here or through another handle on the store,
// until stop is called. f may hear of one key more than once, from several goroutines, and must
// neither block nor call stop. After stop has returned f is not called any more. Expiry is not told:
// a principal says itself when it ends.
func (s *Service) OnRevoked(f func(id string)) (stop func()) {
	l := &s.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byID == nil {
		l.byID = make(map[int]func(string))
	}
	l.next++
	n := l.next
	l.byID[n] = f
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.byID, n)
	}
}

func (l *listeners) tell(id string) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, f := range l.byID {
		f(id)
	}
}

// noteChange takes over what another handle has done to a key.
func (s *Service) noteChange(e store.Event) {
	id := e.Key[len(e.Key)-1]
	s.cache.forget(id)
	var r record
	if e.Deleted || json.Unmarshal(e.Value, &r) == nil && !r.RevokedAt.IsZero() {
		s.listeners.tell(id)
	}
}

// tellAll tells of every revoked key anew, where some may have been missed.
func (s *Service) tellAll(ctx context.Context) {
	err := s.each(ctx, watched(), func(rec store.Record) error {
		var r record
		if json.Unmarshal(rec.Value, &r) == nil && !r.RevokedAt.IsZero() {
			s.listeners.tell(rec.Key[len(rec.Key)-1])
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		s.log.Error("looking for keys that were revoked meanwhile", "err", err)
	}
}
