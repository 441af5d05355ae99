// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// keepModules is how long a module that nobody loads any more stays on disk.
const keepModules = 30 * 24 * time.Hour

// modules keeps admitted modules on disk, one file for each digest, so that a plugin which nobody
// calls takes no memory for code that it may never need. It keeps nothing where dir is empty.
type modules struct{ dir string }

func (m modules) path(digest string) string {
	return filepath.Join(m.dir, strings.TrimPrefix(digest, "sha256:")+".wasm")
}

// put keeps a module and tells whether get will find it. A file that is there already is believed to
// hold it, as get looks.
func (m modules) put(digest string, wasm []byte) (bool, error) {
	if m.dir == "" {
		return false, nil
	}
	path, now := m.path(digest), time.Now()
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(wasm)) {
		_ = os.Chtimes(path, now, now) // who cannot touch the file cannot prune it either
		return true, nil
	}
	err := writeAside(m.dir, path, wasm)
	return err == nil, err
}

// get reads a module back. What was changed or deleted meanwhile is CodeUnavailable.
func (m modules) get(digest string) ([]byte, error) {
	wasm, err := os.ReadFile(m.path(digest))
	if err == nil {
		if sum := sha256.Sum256(wasm); "sha256:"+hex.EncodeToString(sum[:]) != digest {
			err = errors.New("it has changed")
		}
	}
	if err != nil {
		return nil, host.Errorf(opLoad, abi.CodeUnavailable, "the module was taken from the cache before it was compiled: %w", err).
			WithHint("write the plugin's file again, or start the host again")
	}
	return wasm, nil
}

// prune deletes what was not loaded for keepModules.
func (m modules) prune(now time.Time) error {
	entries, err := os.ReadDir(m.dir)
	for _, e := range entries {
		info, ierr := e.Info()
		if ierr == nil && now.Sub(info.ModTime()) > keepModules {
			ierr = os.Remove(filepath.Join(m.dir, e.Name()))
		}
		if ierr != nil && !errors.Is(ierr, fs.ErrNotExist) {
			err = errors.Join(err, ierr)
		}
	}
	return err
}

// writeAside writes a file and renames it, so that a reader never sees half of it.
func writeAside(dir, path string, data []byte) error {
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keeping %s: %w", filepath.Base(path), err), os.Remove(f.Name()))
	}
	return nil
}
