// Copyright 2026 The Gantry Authors.

// Package badgerstore keeps a store.Store in a Badger folder, or in memory for tests.
//
// One goroutine commits: writers that come together share a commit, and with Config.Sync one trip
// to the disk. Every stored value carries its revision and a checksum over key, revision and value,
// so that a damaged record is an error and never an answer. Writes are refused before the disk is
// full, because a full disk kills a process that writes to mapped files.
//
// It does not replicate, does not encrypt, and has no transactions over several records.
package badgerstore

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Config says where and how a store is kept.
type Config struct {
	// Dir is the store's own folder; it is made where it is missing. Empty with InMemory.
	Dir string
	// InMemory keeps nothing on disk.
	InMemory bool
	// Sync has every write on the disk before it is acknowledged. Without it a kill of the process
	// loses nothing, but a power cut may lose the last moments.
	Sync bool
	// Logger hears of the store's own affairs; nil for silence.
	Logger *slog.Logger
	// MinFreeBytes is the free space below which writes are refused. 0 means 128 MiB, negative off.
	MinFreeBytes int64
	// FlushEvery is how often a store without Sync is flushed to the disk. 0 means every second,
	// negative never.
	FlushEvery time.Duration
	// GCEvery is how often space of overwritten large values is taken back. 0 means 10 minutes,
	// negative never.
	GCEvery time.Duration
	// WatchBuffer is how many events a watcher may lag behind. 0 means 256.
	WatchBuffer int
	// FreeBytes tells the free space of a folder; nil asks the file system.
	FreeBytes func(dir string) (int64, error)
}

const (
	defaultMinFree    = 128 << 20
	defaultFlushEvery = time.Second
	defaultGCEvery    = 10 * time.Minute
	defaultBuffer     = 256
)

func (c Config) withDefaults() (Config, error) {
	const op = "badgerstore.Open"
	if c.InMemory != (c.Dir == "") {
		return c, host.Errorf(op, abi.CodeInvalidArg, "set Dir or InMemory, one of them")
	}
	if c.Dir != "" {
		dir, err := filepath.Abs(c.Dir)
		if err != nil {
			return c, host.Errorf(op, abi.CodeInvalidArg, "Dir %q: %w", c.Dir, err)
		}
		c.Dir = dir
	}
	if c.WatchBuffer < 0 {
		return c, host.Errorf(op, abi.CodeInvalidArg, "WatchBuffer is %d; use 1 or more, or 0 for %d", c.WatchBuffer, defaultBuffer)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.FreeBytes == nil {
		c.FreeBytes = freeBytes
	}
	c.MinFreeBytes = orDefault(c.MinFreeBytes, defaultMinFree)
	c.FlushEvery = orDefault(c.FlushEvery, defaultFlushEvery)
	c.GCEvery = orDefault(c.GCEvery, defaultGCEvery)
	c.WatchBuffer = orDefault(c.WatchBuffer, defaultBuffer)
	return c, nil
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// Store is an open store. All methods may be called concurrently.
type Store struct {
	cfg   Config
	log   *slog.Logger
	db    *badger.DB
	queue chan *op
	hub   hub
	space space

	// mu is held for reading while the database is used, and for writing to close it.
	mu     sync.RWMutex
	closed bool
	// stop ends upkeep and backups; done waits for the goroutines.
	ctx  context.Context
	stop context.CancelFunc
	done sync.WaitGroup

	// The committer's own: the last revision given, and the one up to which a restart skips.
	rev, ceiling uint64
	// dirty says that something was committed since the last flush.
	dirty    atomic.Bool
	flushing sync.Mutex
}

var _ store.Store = (*Store)(nil)

// Open opens or makes the store. A folder that another process or another Store has open is
// abi.CodeConflict; a folder whose files are damaged is refused with abi.CodeInternal.
func Open(c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	db, err := openDB(c)
	if err != nil {
		return nil, err
	}
	s := &Store{cfg: c, log: c.Logger, db: db, queue: make(chan *op, maxGroup)}
	s.hub.buffer = c.WatchBuffer
	s.space = space{dir: c.Dir, minFree: c.MinFreeBytes, free: c.FreeBytes, log: c.Logger}
	if s.rev, err = readCeiling(db); err != nil {
		return nil, joinClose(err, db)
	}
	s.ceiling = s.rev
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.done.Go(s.commitLoop)
	s.startUpkeep()
	return s, nil
}

func joinClose(err error, db *badger.DB) error {
	if cerr := db.Close(); cerr != nil {
		return host.Errorf("badgerstore.Open", abi.CodeInternal, "%w (and closing again: %v)", err, cerr)
	}
	return err
}

// Close waits for what is under way, closes the channels of Watch and the database. What comes
// after it fails with abi.CodeUnavailable; a second Close does nothing.
func (s *Store) Close() error {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.queue)
	s.done.Wait()
	s.hub.close()
	if err := s.db.Close(); err != nil {
		return host.Errorf("badgerstore.Close", abi.CodeInternal, "the store did not close cleanly: %w", err)
	}
	return nil
}

// enter holds the database open until leave is called.
func (s *Store) enter(ctx context.Context, opName string) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, host.E(opName, host.CodeOf(err), err)
	}
	s.mu.RLock()
	if s.closed {
		s.mu.RUnlock()
		return nil, host.Errorf(opName, abi.CodeUnavailable, "the store is closed")
	}
	return s.mu.RUnlock, nil
}

// Writable is nil while writes are accepted, and otherwise the error that a write would meet.
func (s *Store) Writable() error {
	leave, err := s.enter(context.Background(), "badgerstore.Writable")
	if err != nil {
		return err
	}
	defer leave()
	return s.space.check("badgerstore.Writable")
}
