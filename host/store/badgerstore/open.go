// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const (
	memTable     = 16 << 20
	valueLogFile = 32 << 20
	// valueThreshold is the size from which values go to the value log. In memory there is none, and
	// Badger takes no value above its highest threshold.
	valueThreshold         = 256 << 10
	valueThresholdInMemory = 1 << 20
)

// badgerOptions keep two stores small: no block cache (blocks are read from the mapped tables, not
// compressed), few and small memtables. Tables are checked whole when they are opened, because a
// check at each block turns damage into "not found".
func badgerOptions(c Config) badger.Options {
	o := badger.DefaultOptions(c.Dir).
		WithInMemory(c.InMemory).
		WithSyncWrites(c.Sync).
		WithLogger(logger{c.Logger}).
		WithMetricsEnabled(false).
		WithDetectConflicts(false). // one goroutine writes
		WithMemTableSize(memTable).
		WithNumMemtables(2).
		WithNumCompactors(2).
		WithBaseTableSize(2 << 20).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(valueLogFile).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithChecksumVerificationMode(options.OnTableRead).
		WithVerifyValueChecksum(true)
	if c.InMemory {
		o = o.WithValueThreshold(valueThresholdInMemory)
	}
	return o
}

// openDB opens the database. A kill in the middle of a file rotation can leave an empty log file
// that fails the first Open; such files hold nothing, so they are removed and Open is tried again.
func openDB(c Config) (*badger.DB, error) {
	const op = "badgerstore.Open"
	if !c.InMemory {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return nil, host.Errorf(op, abi.CodeUnavailable, "the store's folder cannot be made: %w", err)
		}
		if err := openSpace(c); err != nil {
			return nil, err
		}
	}
	db, err := tryOpen(c)
	if err == nil || c.InMemory {
		return db, err
	}
	if strings.Contains(err.Error(), "Another process is using this Badger database") {
		return nil, host.Errorf(op, abi.CodeConflict, "the folder %s is in use by another process: %w", c.Dir, err).
			WithHint("stop the host that uses it, or give this one another data folder")
	}
	removed, rerr := removeEmptyLogs(c.Dir)
	c.Logger.Warn("opening the store failed, trying once more", "dir", c.Dir, "err", err, "removed", removed)
	if rerr != nil {
		return nil, host.Errorf(op, abi.CodeInternal, "the store in %s does not open: %w (and %w)", c.Dir, err, rerr)
	}
	db, err = tryOpen(c)
	if err != nil {
		return nil, host.Errorf(op, abi.CodeInternal, "the store in %s does not open: %w", c.Dir, err).
			WithHint("if its files are damaged, restore the last backup into a new folder")
	}
	return db, nil
}

// openSpace refuses to open on a full disk: Badger writes to mapped files while it opens, and dies
// there of SIGBUS. What it needs for that is far less than the limit on writes.
func openSpace(c Config) error {
	if c.MinFreeBytes < 0 {
		return nil
	}
	const need = 8 << 20
	free, err := c.FreeBytes(c.Dir)
	if err == nil && free < need {
		return host.Errorf("badgerstore.Open", abi.CodeUnavailable,
			"the disk of %s has %d bytes free; opening the store needs %d", c.Dir, free, need).
			WithHint("free space on that disk")
	}
	return nil
}

// tryOpen turns a panic over a damaged file into an error.
func tryOpen(c Config) (db *badger.DB, err error) {
	defer func() {
		if r := recover(); r != nil {
			db, err = nil, fmt.Errorf("damaged file: %v", r)
		}
	}()
	db, err = badger.Open(badgerOptions(c))
	if err != nil {
		return nil, err
	}
	return db, nil
}

func removeEmptyLogs(dir string) (removed []string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if ext := filepath.Ext(path); ext != ".mem" && ext != ".vlog" {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || info.Size() > 0 {
			return err
		}
		removed = append(removed, d.Name())
		return os.Remove(path)
	})
	return removed, err
}

// logger lets Badger speak to slog. What Badger calls information is of use to a developer only.
type logger struct{ *slog.Logger }

func (l logger) Errorf(format string, args ...any)   { l.say(slog.LevelError, format, args) }
func (l logger) Warningf(format string, args ...any) { l.say(slog.LevelWarn, format, args) }
func (l logger) Infof(format string, args ...any)    { l.say(slog.LevelDebug, format, args) }
func (l logger) Debugf(format string, args ...any)   { l.say(slog.LevelDebug, format, args) }

func (l logger) say(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if l.Enabled(ctx, level) {
		l.Log(ctx, level, "badger: "+strings.TrimSpace(fmt.Sprintf(format, args...)))
	}
}
