// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Badger's keys begin with a byte that tells records from what the store keeps for itself.
const (
	dataSpace = 'd'
	metaSpace = 'm'
)

// A stored value is a format byte, the revision, a CRC-32C over all the rest and the key, and the
// value.
const (
	format     = 1
	headerSize = 1 + 8 + 4
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func encodeKey(k store.Key) []byte {
	return store.AppendKey(append(make([]byte, 0, 64), dataSpace), k)
}

func encodePrefix(k store.Key) []byte {
	return store.AppendPrefix(append(make([]byte, 0, 64), dataSpace), k)
}

func encodeValue(key []byte, rev uint64, value []byte) []byte {
	out := make([]byte, headerSize, headerSize+len(value))
	out[0] = format
	binary.LittleEndian.PutUint64(out[1:], rev)
	out = append(out, value...)
	binary.LittleEndian.PutUint32(out[9:], checksum(key, out))
	return out
}

func checksum(key, stored []byte) uint32 {
	t := castagnoli()
	sum := crc32.Update(0, t, key)
	sum = crc32.Update(sum, t, stored[:9])
	return crc32.Update(sum, t, stored[headerSize:])
}

var errDamaged = errors.New("the record is damaged")

// decodeValue returns the revision and the value, which is part of stored.
func decodeValue(key, stored []byte) (rev uint64, value []byte, err error) {
	if len(stored) < headerSize || stored[0] != format ||
		binary.LittleEndian.Uint32(stored[9:]) != checksum(key, stored) {
		return 0, nil, errDamaged
	}
	return binary.LittleEndian.Uint64(stored[1:]), stored[headerSize:], nil
}

// readItem copies a record out of Badger.
func readItem(opName string, item *badger.Item) (store.Record, error) {
	var rec store.Record
	enc := item.Key()
	err := item.Value(func(stored []byte) error {
		rev, value, err := decodeValue(enc, stored)
		rec.Rev, rec.Value = rev, append([]byte{}, value...)
		return err
	})
	if err == nil {
		rec.Key, err = store.ParseKey(enc[1:])
	}
	if err != nil {
		return store.Record{}, host.Errorf(opName, abi.CodeInternal, "record %q cannot be read: %w", enc[1:], err).
			WithHint("the disk may be failing; restore the last backup")
	}
	rec.Expires = fromUnix(item.ExpiresAt())
	return rec, nil
}

func fromUnix(sec uint64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(int64(sec), 0)
}

// toUnix rounds up, so that a record lives at least as long as it was promised.
func toUnix(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	sec := t.Unix()
	if t.Nanosecond() > 0 {
		sec++
	}
	return uint64(max(sec, 1))
}

// ceilingKey holds the revision that a restart goes on after. It is moved ahead in blocks, so that
// revisions grow over deletes and restarts without a second write for each.
func ceilingKey() []byte { return []byte{metaSpace, 'r', 'e', 'v'} }

const ceilingBlock = 1 << 16

func readCeiling(db *badger.DB) (uint64, error) {
	var rev uint64
	err := db.View(func(txn *badger.Txn) error {
		item, err := txn.Get(ceilingKey())
		if err != nil {
			return err
		}
		return item.Value(func(stored []byte) (err error) {
			rev, _, err = decodeValue(ceilingKey(), stored)
			return err
		})
	})
	if err != nil && !errors.Is(err, badger.ErrKeyNotFound) {
		return 0, host.Errorf("badgerstore.Open", abi.CodeInternal, "the store's revision cannot be read: %w", err)
	}
	return rev, nil
}
