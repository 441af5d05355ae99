// Copyright 2026 The Gantry Authors.

package badgerstore

import (
	"log/slog"
	"sync/atomic"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// space is the guard against a full disk. Badger writes to mapped files, and a page that finds no
// room there is a SIGBUS, so writes stop while there is still room for what Badger does by itself.
// Asking the file system costs about a microsecond, so it is asked before every commit.
type space struct {
	dir     string
	minFree int64
	free    func(dir string) (int64, error)
	log     *slog.Logger
	low     atomic.Bool
}

func (s *space) check(opName string) error {
	if s.dir == "" || s.minFree < 0 {
		return nil
	}
	free, err := s.free(s.dir)
	if err != nil {
		// Not knowing is no reason to stop; the file system will say so itself if it is broken.
		s.log.Warn("the free space of the store's disk is unknown", "dir", s.dir, "err", err)
		return nil
	}
	if free >= s.minFree {
		if s.low.Swap(false) {
			s.log.Info("the store accepts writes again", "dir", s.dir, "free", free)
		}
		return nil
	}
	if !s.low.Swap(true) {
		s.log.Error("the store is read-only: its disk is nearly full", "dir", s.dir, "free", free, "min_free", s.minFree)
	}
	return host.Errorf(opName, abi.CodeUnavailable,
		"the store is read-only: its disk has %d bytes free, below the limit of %d (min free bytes)", free, s.minFree).
		WithHint("free space on the disk of the data folder; writes are accepted again by themselves")
}
