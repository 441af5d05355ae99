// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// A backup is a line that names the format, the records (key length, key, revision, expiry in Unix
// seconds, value length, value; numbers as uvarints), a key length of 0, the number of records, and
// the SHA-256 of all that. It knows nothing of Badger, so that any back-end could read it; Badger's
// own has no end mark, and one cut short looks whole.
const backupMagic = "gantry-store-backup 1\n"

// Backup writes all records as they are at one moment and returns their number; writers go on
// meanwhile. The error of w is told as abi.CodeUnavailable. Closing the store ends a backup.
func (s *Store) Backup(ctx context.Context, w io.Writer) (int, error) {
	const opName = "badgerstore.Backup"
	leave, err := s.enter(ctx, opName)
	if err != nil {
		return 0, err
	}
	defer leave()
	out := newBackupWriter(w)
	if err := s.backup(ctx, out); err != nil {
		return 0, err
	}
	if err := out.finish(); err != nil {
		return 0, host.Errorf(opName, abi.CodeUnavailable, "the backup cannot be written: %w", err)
	}
	return out.count, nil
}

func (s *Store) backup(ctx context.Context, out *backupWriter) error {
	const opName = "badgerstore.Backup"
	// One read transaction and one goroutine: Badger's parallel stream is not one moment.
	txn := s.db.NewTransaction(false)
	defer txn.Discard()
	it := newIterator(txn, []byte{dataSpace})
	defer it.Close()
	for it.Rewind(); it.Valid(); it.Next() {
		if err := ctx.Err(); err != nil {
			return host.E(opName, host.CodeOf(err), err)
		}
		if s.ctx.Err() != nil {
			return host.Errorf(opName, abi.CodeUnavailable, "the store was closed during the backup")
		}
		rec, err := readItem(opName, it.Item())
		if err != nil {
			return err
		}
		if err := out.record(rec); err != nil {
			return host.Errorf(opName, abi.CodeUnavailable, "the backup cannot be written: %w", err)
		}
	}
	return nil
}

// Restore fills an empty store from a backup and returns the number of records; revisions and
// expiries are kept, and what has expired meanwhile is left out. A store that is not empty is
// abi.CodeConflict. A backup that is damaged or cut short is abi.CodeInvalidArg, and the store is
// empty again afterwards. Nothing else may write meanwhile.
func (s *Store) Restore(ctx context.Context, r io.Reader) (int, error) {
	const opName = "badgerstore.Restore"
	page, err := s.List(ctx, nil, "", 1)
	if err != nil {
		return 0, err
	}
	if len(page.Records) > 0 {
		return 0, host.Errorf(opName, abi.CodeConflict, "the store is not empty; restore into a new data folder")
	}
	n, err := s.restore(ctx, newBackupReader(r))
	if err == nil {
		err = s.Flush(ctx)
	}
	if err != nil {
		return 0, s.undoRestore(err)
	}
	return n, nil
}

func (s *Store) restore(ctx context.Context, in *backupReader) (int, error) {
	const opName = "badgerstore.Restore"
	var writes []write
	size, n := 0, 0
	send := func() error {
		if len(writes) == 0 {
			return nil
		}
		_, err := s.submit(ctx, opName, newOp(store.AnyRev, writes...))
		writes, size = nil, 0
		return err
	}
	now := time.Now()
	for {
		rec, err := in.next()
		if errors.Is(err, io.EOF) {
			return n, send()
		}
		if err != nil {
			return 0, host.Errorf(opName, abi.CodeInvalidArg, "this is not a whole backup: %w", err)
		}
		if !rec.Expires.IsZero() && !rec.Expires.After(now) {
			continue
		}
		w := write{key: rec.Key, value: rec.Value, rev: rec.Rev, expires: toUnix(rec.Expires)}
		if size+w.size() > maxGroupBytes || len(writes) == maxGroup {
			if err := send(); err != nil {
				return 0, err
			}
		}
		writes, size, n = append(writes, w), size+w.size(), n+1
	}
}

func (s *Store) undoRestore(cause error) error {
	leave, err := s.enter(context.Background(), "badgerstore.Restore")
	if err != nil {
		return cause
	}
	defer leave()
	if err := s.db.DropPrefix([]byte{dataSpace}); err != nil {
		return host.Errorf("badgerstore.Restore", host.CodeOf(cause),
			"%w; what was read could not be removed again (%v), so throw this folder away", cause, err)
	}
	return cause
}

type backupWriter struct {
	buf   *bufio.Writer
	raw   *bufio.Writer
	sum   hash.Hash
	count int
	num   []byte
}

func newBackupWriter(w io.Writer) *backupWriter {
	b := &backupWriter{raw: bufio.NewWriter(w), sum: sha256.New()}
	b.buf = bufio.NewWriter(io.MultiWriter(b.raw, b.sum))
	_, _ = b.buf.WriteString(backupMagic) // a bufio.Writer keeps its error for the end
	return b
}

func (b *backupWriter) uvarint(n uint64) {
	b.num = binary.AppendUvarint(b.num[:0], n)
	_, _ = b.buf.Write(b.num)
}

func (b *backupWriter) record(r store.Record) error {
	key := store.AppendKey(nil, r.Key)
	b.uvarint(uint64(len(key)))
	_, _ = b.buf.Write(key)
	b.uvarint(r.Rev)
	b.uvarint(toUnix(r.Expires))
	b.uvarint(uint64(len(r.Value)))
	_, err := b.buf.Write(r.Value)
	b.count++
	return err
}

func (b *backupWriter) finish() error {
	b.uvarint(0)
	b.uvarint(uint64(b.count))
	if err := b.buf.Flush(); err != nil {
		return err
	}
	if _, err := b.raw.Write(b.sum.Sum(nil)); err != nil {
		return err
	}
	return b.raw.Flush()
}

type backupReader struct {
	in    *bufio.Reader
	sum   hash.Hash
	begun bool
	count uint64
}

func newBackupReader(r io.Reader) *backupReader {
	return &backupReader{in: bufio.NewReader(r), sum: sha256.New()}
}

var (
	errNoBackup = errors.New("it does not begin as one")
	errCut      = errors.New("it is cut short")
	errBroken   = errors.New("it is damaged")
)

// next returns the next record, io.EOF behind the last of a backup that is whole.
func (b *backupReader) next() (store.Record, error) {
	if !b.begun {
		magic, err := b.bytes(uint64(len(backupMagic)), uint64(len(backupMagic)))
		if err != nil || string(magic) != backupMagic {
			return store.Record{}, errNoBackup
		}
		b.begun = true
	}
	size, err := b.uvarint()
	if err != nil {
		return store.Record{}, err
	}
	if size == 0 {
		return store.Record{}, b.end()
	}
	return b.record(size)
}

func (b *backupReader) record(keySize uint64) (rec store.Record, err error) {
	key, err := b.bytes(keySize, store.MaxKeyBytes)
	if err != nil {
		return rec, err
	}
	if rec.Key, err = store.ParseKey(key); err != nil {
		return rec, errBroken
	}
	if rec.Rev, err = b.uvarint(); err != nil {
		return rec, err
	}
	expires, err := b.uvarint()
	if err != nil {
		return rec, err
	}
	size, err := b.uvarint()
	if err != nil {
		return rec, err
	}
	const farFuture = 1 << 40
	if rec.Rev == 0 || rec.Rev >= store.AnyRev-ceilingBlock || expires > farFuture {
		return rec, errBroken
	}
	rec.Expires = fromUnix(expires)
	rec.Value, err = b.bytes(size, store.MaxValueBytes)
	b.count++
	return rec, err
}

func (b *backupReader) end() error {
	count, err := b.uvarint()
	if err != nil {
		return err
	}
	want := b.sum.Sum(nil)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(b.in, got); err != nil {
		return errCut
	}
	if count != b.count || !bytes.Equal(got, want) {
		return errBroken
	}
	return io.EOF
}

func (b *backupReader) bytes(n, limit uint64) ([]byte, error) {
	if n > limit {
		return nil, errBroken
	}
	out := make([]byte, n)
	if _, err := io.ReadFull(b.in, out); err != nil {
		return nil, errCut
	}
	b.sum.Write(out)
	return out, nil
}

func (b *backupReader) uvarint() (uint64, error) {
	var n uint64
	for shift := 0; shift < 64; shift += 7 {
		c, err := b.in.ReadByte()
		if err != nil {
			return 0, errCut
		}
		b.sum.Write([]byte{c})
		n |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return n, nil
		}
	}
	return 0, errBroken
}
