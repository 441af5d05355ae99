// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"context"
	"errors"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// startUpkeep starts what a store on disk does now and then. The goroutines end with s.ctx, before
// the database is closed.
func (s *Store) startUpkeep() {
	if s.cfg.InMemory {
		return
	}
	if !s.cfg.Sync && s.cfg.FlushEvery > 0 {
		s.done.Go(func() { s.every(s.cfg.FlushEvery, s.flush) })
	}
	if s.cfg.GCEvery > 0 {
		s.done.Go(func() { s.every(s.cfg.GCEvery, s.collect) })
	}
}

func (s *Store) every(d time.Duration, f func() error) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-t.C:
			if err := f(); err != nil {
				s.log.Error("the store's upkeep failed", "dir", s.cfg.Dir, "err", err)
			}
		}
	}
}

func (s *Store) flush() error {
	s.flushing.Lock() // who finds the store clean must not return before the flush that cleaned it
	defer s.flushing.Unlock()
	if !s.dirty.Swap(false) {
		return nil
	}
	return s.db.Sync()
}

// collect rewrites value-log files that are at least half garbage, until there is none.
func (s *Store) collect() error {
	for s.ctx.Err() == nil {
		// Rewriting needs room before it gives some back.
		if s.space.check("badgerstore.collect") != nil {
			return nil
		}
		err := s.db.RunValueLogGC(0.5)
		if errors.Is(err, badger.ErrNoRewrite) || errors.Is(err, badger.ErrRejected) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Flush has everything acknowledged so far on the disk when it returns. With Config.Sync it is
// there already.
func (s *Store) Flush(ctx context.Context) error {
	const opName = "badgerstore.Flush"
	leave, err := s.enter(ctx, opName)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.flush(); err != nil {
		return host.Errorf(opName, abi.CodeInternal, "the store could not be flushed: %w", err)
	}
	return nil
}
