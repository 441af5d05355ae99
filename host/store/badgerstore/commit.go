// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bounds of one commit. Badger bounds a batch by 15 % of a memtable; these stay below.
const (
	maxGroup      = 256
	maxGroupBytes = 1 << 20
)

// op is what a writer hands to the committer: one guarded write, or an unguarded batch.
type op struct {
	writes []write
	expect uint64
	size   int
	// claimed is set by whoever comes first: the committer that takes the op, or the writer who has
	// stopped waiting for it. After that the op's fate is the committer's, or none.
	claimed atomic.Bool
	done    chan struct{}
	// rev is the last write's revision, valid with a nil err when done is closed.
	rev uint64
	err error
}

type write struct {
	key     store.Key
	value   []byte
	expires uint64
	deleted bool
	// rev is 0 for the next one; Restore keeps the old.
	rev uint64
}

func newOp(expect uint64, writes ...write) *op {
	o := &op{writes: writes, expect: expect, done: make(chan struct{})}
	for _, w := range writes {
		o.size += w.size()
	}
	return o
}

func (w *write) size() int { return 256 + len(w.value) }

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, k store.Key, value []byte, o store.PutOptions) (uint64, error) {
	if err := store.PutArgs(k, value, o); err != nil {
		return 0, err
	}
	w := write{key: k, value: value}
	if o.TTL > 0 {
		w.expires = toUnix(time.Now().Add(o.TTL))
	}
	return s.submit(ctx, "badgerstore.Put", newOp(o.Expect, w))
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, k store.Key, expect uint64) error {
	if err := k.Validate(); err != nil {
		return err
	}
	_, err := s.submit(ctx, "badgerstore.Delete", newOp(expect, write{key: k, deleted: true}))
	return err
}

// Append writes records whatever is there, in order, and returns when they are as durable as a Put.
// Rev is ignored, a zero Expires keeps the record. It is not one transaction: after an error any
// number of the first records may be written.
func (s *Store) Append(ctx context.Context, recs []store.Record) error {
	var writes []write
	size := 0
	flush := func() error {
		_, err := s.submit(ctx, "badgerstore.Append", newOp(store.AnyRev, writes...))
		writes, size = nil, 0
		return err
	}
	for _, r := range recs {
		if err := store.PutArgs(r.Key, r.Value, store.PutOptions{}); err != nil {
			return err
		}
	}
	for _, r := range recs {
		w := write{key: r.Key, value: r.Value, expires: toUnix(r.Expires)}
		if len(writes) > 0 && (size+w.size() > maxGroupBytes || len(writes) == maxGroup) {
			if err := flush(); err != nil {
				return err
			}
		}
		writes, size = append(writes, w), size+w.size()
	}
	if len(writes) == 0 {
		return nil
	}
	return flush()
}

// submit hands an op to the committer and waits. When ctx ends before the committer has taken the
// op, nothing is written; afterwards the outcome is waited for, which takes a commit at most.
func (s *Store) submit(ctx context.Context, opName string, o *op) (uint64, error) {
	leave, err := s.enter(ctx, opName)
	if err != nil {
		return 0, err
	}
	defer leave()
	select {
	case s.queue <- o:
	case <-ctx.Done():
		return 0, host.E(opName, host.CodeOf(ctx.Err()), ctx.Err())
	}
	select {
	case <-o.done:
	case <-ctx.Done():
		if o.claimed.CompareAndSwap(false, true) {
			return 0, host.E(opName, host.CodeOf(ctx.Err()), ctx.Err())
		}
		<-o.done
	}
	return o.rev, o.err
}

// commitLoop is the committer: it takes what has come together while the last commit ran.
func (s *Store) commitLoop() {
	var carry *op
	for {
		first := carry
		if first == nil {
			var ok bool
			if first, ok = <-s.queue; !ok {
				return
			}
		}
		var group []*op
		group, carry = s.gather(first)
		s.commit(group)
	}
}

// gather adds to first what waits in the queue, up to the bounds of a commit; the op that went over
// them is carried to the next.
func (s *Store) gather(first *op) (group []*op, carry *op) {
	size, n := 0, 0
	for o := first; ; {
		if size > 0 && (size+o.size > maxGroupBytes || n+len(o.writes) > maxGroup) {
			return group, o
		}
		if o.claimed.CompareAndSwap(false, true) {
			group, size, n = append(group, o), size+o.size, n+len(o.writes)
		}
		select {
		case next, ok := <-s.queue:
			if !ok {
				return group, nil
			}
			o = next
		default:
			return group, nil
		}
	}
}

// commit writes a group in one Badger transaction. An op whose expectation fails leaves the others
// alone; a commit that fails fails them all.
func (s *Store) commit(group []*op) {
	defer func() {
		for _, o := range group {
			close(o.done)
		}
	}()
	failAll := func(err error) {
		for _, o := range group {
			if o.err == nil {
				o.rev, o.err = 0, err
			}
		}
	}
	if len(group) == 0 {
		return
	}
	if err := s.space.check("badgerstore.commit"); err != nil {
		failAll(err)
		return
	}
	b := batch{s: s, txn: s.db.NewTransaction(true), rev: s.rev, events: s.hub.count.Load() > 0}
	defer b.txn.Discard()
	for _, o := range group {
		o.rev, o.err = b.apply(o)
	}
	ceiling, err := b.commit()
	// A failed commit may have reached the disk all the same, so its revisions are not given again.
	s.rev = b.rev
	if err != nil {
		failAll(commitError(err))
		return
	}
	s.ceiling = ceiling
	s.dirty.Store(true)
	if len(b.changed) > 0 {
		s.hub.publish(b.changed)
	}
}

func commitError(err error) error {
	code := abi.CodeInternal
	if errors.Is(err, badger.ErrDBClosed) || errors.Is(err, badger.ErrBlockedWrites) {
		code = abi.CodeUnavailable
	}
	return host.Errorf("badgerstore.commit", code, "the write failed: %w", err)
}
