// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// batch is one commit in the making.
type batch struct {
	s   *Store
	txn *badger.Txn
	rev uint64
	// written are the revisions that this batch has given, 0 for a delete: what a later op of the
	// same batch must see.
	written map[string]uint64
	events  bool
	changed []store.Event
}

// apply adds an op's writes, if its expectation holds, and returns the revision of the last.
func (b *batch) apply(o *op) (uint64, error) {
	var rev uint64
	for i := range o.writes {
		w := &o.writes[i]
		enc := encodeKey(w.key)
		if skip, err := b.guard(enc, w, o.expect); err != nil || skip {
			return 0, err
		}
		var err error
		if rev, err = b.write(enc, w); err != nil {
			return 0, commitError(err)
		}
	}
	return rev, nil
}

// guard checks the expectation. Deleting what is not there is skipped.
func (b *batch) guard(enc []byte, w *write, expect uint64) (skip bool, err error) {
	if expect == store.AnyRev && !w.deleted {
		return false, nil
	}
	current, err := b.current(enc)
	if err != nil {
		return false, host.Errorf("badgerstore.commit", abi.CodeInternal, "record %s cannot be read: %w", w.key, err)
	}
	switch {
	case w.deleted && current == 0 && expect == store.AnyRev:
		return true, nil
	case w.deleted && current == 0:
		return false, host.Errorf("badgerstore.Delete", abi.CodeConflict, "record %s is not there", w.key)
	case expect == store.AnyRev || current == expect:
		return false, nil
	case expect == 0:
		return false, host.Errorf("badgerstore.Put", abi.CodeConflict, "record %s exists already, at revision %d", w.key, current)
	case current == 0:
		return false, host.Errorf("badgerstore.Put", abi.CodeConflict, "record %s is not there; revision %d was expected", w.key, expect)
	}
	return false, host.Errorf("badgerstore.commit", abi.CodeConflict,
		"record %s is at revision %d, not %d", w.key, current, expect)
}

// current is the revision a record has, 0 where there is none.
func (b *batch) current(enc []byte) (uint64, error) {
	if rev, ok := b.written[string(enc)]; ok {
		return rev, nil
	}
	item, err := b.txn.Get(enc)
	if errors.Is(err, badger.ErrKeyNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var rev uint64
	err = item.Value(func(stored []byte) (err error) {
		rev, _, err = decodeValue(enc, stored)
		return err
	})
	return rev, err
}

func (b *batch) write(enc []byte, w *write) (uint64, error) {
	rev := w.rev
	if rev == 0 {
		rev = b.rev + 1
	}
	e := &badger.Entry{Key: enc, ExpiresAt: w.expires}
	var err error
	if w.deleted {
		err = b.txn.Delete(enc)
	} else {
		e.Value = encodeValue(enc, rev, w.value)
		err = b.txn.SetEntry(e)
	}
	if err != nil {
		return 0, err
	}
	b.rev = max(b.rev, rev)
	if b.written == nil {
		b.written = map[string]uint64{}
	}
	b.written[string(enc)] = rev
	if w.deleted {
		b.written[string(enc)] = 0
	}
	if b.events {
		b.changed = append(b.changed, store.Event{Deleted: w.deleted, Record: store.Record{
			Key: w.key, Value: w.value, Rev: rev, Expires: fromUnix(w.expires)}})
	}
	return rev, nil
}

// commit commits, with the revision ceiling moved ahead where this batch has passed it.
func (b *batch) commit() (ceiling uint64, err error) {
	ceiling = b.s.ceiling
	if b.rev > ceiling {
		ceiling = b.rev + ceilingBlock
		if err := b.txn.Set(ceilingKey(), encodeValue(ceilingKey(), ceiling, nil)); err != nil {
			return 0, err
		}
	}
	return ceiling, b.txn.Commit()
}
