// Copyright 2026 The Gantry Authors.

// Package runlog keeps runs that nobody comes back to with a request id: each survives a kill of the
// process from its beginning on, and costs two small entries in a file. What has ended goes into the
// store a little later, many runs to a record.
//
// It knows runs as ids and bytes. It does not sync: a power cut may lose the last moments. It promises
// nothing about two runs of one id, which is what the store's own records are for.
package runlog

import (
	"context"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Config is what a Log needs. Store is required.
type Config struct {
	// Dir is the log's own folder; it is made where it is missing. Empty keeps the log in memory.
	Dir string
	// Store takes the runs that have ended.
	Store store.Store
	// Retention is how long a run is kept after its end; 0 means 24 hours.
	Retention time.Duration
	// FlushEvery is how long a run that has ended waits for the store at most; 0 means 250 ms.
	FlushEvery time.Duration
	// Clock is the system's where nil.
	Clock host.Clock
	// Logger hears of a store that takes nothing and of damaged files; nil is silent.
	Logger *slog.Logger
}

// The bounds of what waits for the store: from flushSize on it is written at once; where maxWaiting
// bytes wait, the store has taken nothing for a while and no run is begun.
const (
	flushSize  = 1 << 20
	maxWaiting = 16 << 20
	// MaxRunBytes bounds one run; a longer one is abi.CodeLimit, and is for the store.
	MaxRunBytes = 512 << 10
	// entryExtra is about what an entry holds besides its bytes.
	entryExtra = 128
)

// key is a run.
type key struct {
	tenant host.TenantID
	id     [16]byte
}

// Log keeps runs. All methods may be called concurrently. Ids are UUIDs in their usual form, anything
// else is abi.CodeInvalidArg; those that begin with their time, as version 7 does, share records.
type Log struct {
	cfg Config
	log *slog.Logger

	mu    sync.Mutex
	begun map[key][]byte
	// ended are the runs that the store does not have yet, order those of them that no flush has
	// taken, oldest first; size is what they hold.
	ended map[key][]byte
	order []key
	size  int
	file  segment
	// failed is why the last flush did not work, nil where it did; broken says that the file was not
	// written the last time.
	failed error
	broken bool
	closed bool

	// flushing is held by one flush at a time; batch numbers the records, scratch is where they are made.
	flushing sync.Mutex
	batch    uint64
	scratch  scratch
	wake     chan struct{}
	stop     chan struct{}
	done     chan struct{}
}

// Open reads what a log that was killed has left in the folder, and starts the goroutine that Close
// ends. One folder has one Log; that is for the caller to see to.
func Open(c Config) (*Log, error) {
	const op = "runlog.Open"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is nil; give the store for runs")
	case c.Retention < 0 || c.FlushEvery < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Retention and FlushEvery must not be negative; 0 is the default")
	}
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Retention == 0 {
		c.Retention = 24 * time.Hour
	}
	if c.FlushEvery == 0 {
		c.FlushEvery = 250 * time.Millisecond
	}
	l := &Log{
		cfg: c, log: c.Logger, begun: map[key][]byte{}, ended: map[key][]byte{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	if c.Dir != "" {
		if err := l.takeOver(); err != nil {
			return nil, err
		}
	}
	go l.run()
	return l, nil
}

// takeOver goes on with what the log before has left, in a file of its own.
func (l *Log) takeOver() error {
	const op = "runlog.Open"
	if err := os.MkdirAll(l.cfg.Dir, 0o700); err != nil {
		return host.Errorf(op, abi.CodeUnavailable, "the folder for runs cannot be made: %w", err)
	}
	old, err := segments(l.cfg.Dir)
	if err != nil {
		return host.Errorf(op, abi.CodeUnavailable, "the folder for runs cannot be read: %w", err)
	}
	var last uint64
	for _, s := range old {
		last = s.number
		if err := l.read(s); err != nil {
			return host.Errorf(op, abi.CodeUnavailable, "the log of runs cannot be read: %w", err)
		}
	}
	l.file = segment{dir: l.cfg.Dir, number: last}
	if err := l.file.next(l.all()); err != nil {
		return host.Errorf(op, abi.CodeUnavailable, "the log of runs cannot be written: %w", err)
	}
	for _, s := range old {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.Warn("an old log of runs stays", "error", err)
		}
	}
	return nil
}

// read takes one file in. A kill in the middle of a write leaves the beginning of an entry, of a run that
// nobody was told of. Anything else that is no entry is damage, and the file is put aside.
func (l *Log) read(s found) error {
	rest, torn, err := replay(s.path, l.apply)
	if err != nil || rest == 0 || torn {
		return err
	}
	aside := s.path + ".damaged"
	l.log.Error("the log of runs is damaged: runs of the last moments before the stop may be lost", "file", aside, "bytes", rest)
	return os.Rename(s.path, aside)
}

// apply does what an entry says; the caller holds mu, or is alone.
func (l *Log) apply(kind byte, k key, run []byte) {
	delete(l.begun, k)
	switch kind {
	case kindBegun:
		l.begun[k] = run
	case kindEnded:
		if _, there := l.ended[k]; !there {
			l.ended[k] = run
			l.order = append(l.order, k)
			l.size += len(run) + entryExtra
		}
	}
}

// all writes the entries that a new file has to begin with.
func (l *Log) all() []byte {
	var b []byte
	for k, run := range l.begun {
		b = appendEntry(b, kindBegun, k, run)
	}
	for k, run := range l.ended {
		b = appendEntry(b, kindEnded, k, run)
	}
	return b
}

// Begin keeps a run that begins. When it returns without error the run survives a kill of the process.
// abi.CodeUnavailable says that it cannot be kept. The log keeps run's memory.
func (l *Log) Begin(t host.TenantID, id string, run []byte) error {
	const op = "runlog.Begin"
	k, err := admit(op, t, id, run)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > maxWaiting {
		return host.Errorf(op, abi.CodeUnavailable, "%d runs that have ended wait for the store; try again in a moment", len(l.ended)).
			WithHint("where that lasts, the store takes nothing: see the log")
	}
	if err := l.write(op, kindBegun, k, run); err != nil {
		return err
	}
	l.apply(kindBegun, k, run)
	return nil
}

// End keeps a run that has ended, in place of what was begun: what it returns without error for is what
// Get tells from then on, also after a kill of the process. A run that was not begun, or has ended
// already, is abi.CodeConflict and stays as it is. After abi.CodeUnavailable Get tells this end all the
// same, and the store will get it; but a kill before that takes it away. The log keeps run's memory.
func (l *Log) End(t host.TenantID, id string, run []byte) error {
	const op = "runlog.End"
	k, err := admit(op, t, id, run)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := l.begun[k]; !there && !l.closed {
		return host.Errorf(op, abi.CodeConflict, "the run %s has not begun, or has ended already", id)
	}
	err = l.write(op, kindEnded, k, run)
	if !l.closed {
		l.apply(kindEnded, k, run)
	}
	if l.size >= flushSize {
		l.nudge()
	}
	return err
}

// Forget takes out a run that was begun and whose end is kept elsewhere. Where the file does not take
// that, the run may be back after a kill.
func (l *Log) Forget(t host.TenantID, id string) error {
	const op = "runlog.Forget"
	k, err := keyOf(op, t, id)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.begun, k)
	return l.write(op, kindForgotten, k, nil)
}

// write adds an entry to the file; mu is held.
func (l *Log) write(op string, kind byte, k key, run []byte) error {
	if l.closed {
		return host.Errorf(op, abi.CodeUnavailable, "the log of runs is closed")
	}
	if l.cfg.Dir == "" {
		return nil
	}
	err := l.file.write(kind, k, run)
	if errors.Is(err, errFull) {
		if err = l.file.next(l.all()); err == nil {
			err = l.file.write(kind, k, run)
		}
	}
	if (err != nil) != l.broken {
		l.tell(err)
	}
	if err != nil {
		// The cause has the file's place, which is not for callers.
		return &host.Error{Op: op, Code: abi.CodeUnavailable, Message: "the log of runs cannot be written; try again in a moment", Err: err}
	}
	return nil
}

// tell lets the operator know that the file begins to fail, and that it is well again.
func (l *Log) tell(err error) {
	if l.broken = err != nil; l.broken {
		l.log.Error("the log of runs cannot be written: no run begins", "error", err)
		return
	}
	l.log.Info("the log of runs can be written again")
}

// Get is what is kept of a run: how it ended, or what it began with where it has not. The bytes must not
// be changed. A run that is not here, or not any more, is abi.CodeNotFound.
func (l *Log) Get(ctx context.Context, t host.TenantID, id string) ([]byte, error) {
	const op = "runlog.Get"
	k, err := keyOf(op, t, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	run, there := l.ended[k]
	if !there {
		run, there = l.begun[k]
	}
	l.mu.Unlock()
	if there {
		return run, nil
	}
	return l.stored(ctx, k)
}

// Begun calls yield for each run that has begun and not ended, until it returns false. Just after Open
// these are the runs that were under way when the process was killed.
func (l *Log) Begun(yield func(t host.TenantID, id string) bool) {
	l.mu.Lock()
	keys := slices.Collect(maps.Keys(l.begun))
	l.mu.Unlock()
	for _, k := range keys {
		if !yield(k.tenant, formatID(k.id)) {
			return
		}
	}
}

// Close has the store take what has ended, within ctx, and ends the log; runs that have not ended stay in
// the file. A second Close does nothing. An error says that the store has not taken all; what is left is
// in the file too.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		<-l.done
		return nil
	}
	close(l.stop)
	<-l.done
	err := l.Flush(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil && l.cfg.Dir != "" {
		err = l.file.next(l.all()) // so that the next Open has nothing to do twice
	}
	if cerr := l.file.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return host.E("runlog.Close", host.CodeOf(err), err)
	}
	return nil
}

// admit checks what a run is kept by, and how large it is.
func admit(op string, t host.TenantID, id string, run []byte) (key, error) {
	if len(run) > MaxRunBytes {
		return key{}, host.Errorf(op, abi.CodeLimit, "the run has %d bytes; the log takes %d", len(run), MaxRunBytes)
	}
	return keyOf(op, t, id)
}

func keyOf(op string, t host.TenantID, id string) (k key, err error) {
	k.tenant = t
	bad := len(id) != 36 || id[8] != '-' || id[13] != '-' || id[18] != '-' || id[23] != '-'
	if !bad {
		var digits [32]byte
		n := copy(digits[:], id[:8])
		n += copy(digits[n:], id[9:13])
		n += copy(digits[n:], id[14:18])
		n += copy(digits[n:], id[19:23])
		copy(digits[n:], id[24:])
		_, herr := hex.Decode(k.id[:], digits[:])
		bad = herr != nil
	}
	if bad {
		return k, host.Errorf(op, abi.CodeInvalidArg, "the id of a run has to be a UUID")
	}
	return k, nil
}

func formatID(id [16]byte) string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
