// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"bytes"
	"context"
	"errors"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// pageBytes ends a page early, so that a listing of large values does not fill the memory.
const pageBytes = 4 << 20

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, k store.Key) (store.Record, error) {
	const opName = "badgerstore.Get"
	if err := k.Validate(); err != nil {
		return store.Record{}, err
	}
	leave, err := s.enter(ctx, opName)
	if err != nil {
		return store.Record{}, err
	}
	defer leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	item, err := txn.Get(encodeKey(k))
	switch {
	case errors.Is(err, badger.ErrKeyNotFound):
		return store.Record{}, host.Errorf(opName, abi.CodeNotFound, "there is no record %s", k)
	case err != nil:
		return store.Record{}, host.Errorf(opName, abi.CodeInternal, "record %s cannot be read: %w", k, err)
	}
	return readItem(opName, item)
}

// List implements store.Store. A page holds about 4 MiB of values at most.
func (s *Store) List(ctx context.Context, prefix store.Key, cursor string, limit int) (store.Page, error) {
	const opName = "badgerstore.List"
	after, limit, err := store.ListArgs(prefix, cursor, limit)
	if err != nil {
		return store.Page{}, err
	}
	leave, err := s.enter(ctx, opName)
	if err != nil {
		return store.Page{}, err
	}
	defer leave()
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	it := newIterator(txn, encodePrefix(prefix))
	defer it.Close()
	seekAfter(it, after)

	var page store.Page
	size := 0
	for ; it.Valid(); it.Next() {
		if len(page.Records) == limit || size >= pageBytes {
			page.Next = store.CursorAfter(page.Records[len(page.Records)-1].Key)
			return page, nil
		}
		if err := ctx.Err(); err != nil {
			return store.Page{}, host.E(opName, host.CodeOf(err), err)
		}
		rec, err := readItem(opName, it.Item())
		if err != nil {
			return store.Page{}, err
		}
		size += len(rec.Value)
		page.Records = append(page.Records, rec)
	}
	return page, nil
}

func newIterator(txn *badger.Txn, prefix []byte) *badger.Iterator {
	o := badger.DefaultIteratorOptions
	o.PrefetchValues = false // values lie beside their keys; a prefetch starts a goroutine for each
	o.Prefix = prefix
	return txn.NewIterator(o)
}

// seekAfter moves to the first record behind after, or to the first of all.
func seekAfter(it *badger.Iterator, after store.Key) {
	if after == nil {
		it.Rewind()
		return
	}
	enc := encodeKey(after)
	it.Seek(enc)
	if it.Valid() && bytes.Equal(it.Item().Key(), enc) {
		it.Next()
	}
}
