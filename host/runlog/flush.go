// Copyright 2026 The Gantry Authors.

package runlog

import (
	"context"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// appender is what a store may offer to write many records at once (badgerstore does).
type appender interface {
	Append(ctx context.Context, recs []store.Record) error
}

func (l *Log) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run flushes until Close.
func (l *Log) run() {
	defer close(l.done)
	tick := time.NewTicker(l.cfg.FlushEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.wake:
		case <-l.stop:
			return
		}
		l.try()
	}
}

// try flushes, and tells the operator when the store begins to refuse and when it takes runs again.
func (l *Log) try() {
	l.mu.Lock()
	before := l.failed
	l.mu.Unlock()
	err := l.Flush(context.Background())
	switch {
	case err != nil && before == nil:
		l.log.Warn("runs that have ended stay in the log: the store does not take them", "error", err)
	case err == nil && before != nil:
		l.log.Info("the store takes runs again")
	}
}

// Flush has the store take what has ended so far. After an error all of it stays and is tried again.
func (l *Log) Flush(ctx context.Context) error {
	l.flushing.Lock()
	defer l.flushing.Unlock()
	l.mu.Lock()
	keys := l.order
	l.order = nil
	runs := make([]entry, len(keys))
	for i, k := range keys {
		runs[i] = entry{k, l.ended[k]}
	}
	l.mu.Unlock()
	err := l.keep(ctx, l.pack(runs))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = err
	if err != nil {
		l.order = append(keys, l.order...)
		return host.Errorf("runlog.Flush", host.CodeOf(err), "%d runs that have ended are not in the store yet: %w", len(keys), err)
	}
	for i := range runs {
		delete(l.ended, runs[i].key)
		l.size -= len(runs[i].run) + entryExtra
	}
	return l.turn()
}

// turn goes on in a new file where the old one is mostly about runs that the store has; mu is held.
func (l *Log) turn() error {
	if l.cfg.Dir == "" || !l.file.due() {
		return nil
	}
	if err := l.file.next(l.all()); err != nil {
		return host.Errorf("runlog.Flush", abi.CodeUnavailable, "a new log of runs cannot be begun: %w", err)
	}
	return nil
}

func (l *Log) keep(ctx context.Context, recs []store.Record) error {
	if len(recs) == 0 {
		return nil
	}
	if a, ok := l.cfg.Store.(appender); ok {
		return a.Append(ctx, recs)
	}
	for _, r := range recs {
		if _, err := l.cfg.Store.Put(ctx, r.Key, r.Value, store.PutOptions{Expect: store.AnyRev, TTL: l.cfg.Retention}); err != nil {
			return err
		}
	}
	return nil
}
