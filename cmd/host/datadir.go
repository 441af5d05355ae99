// Copyright 2026 The Gantry Authors.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// maxSocketPath is what a Unix socket address holds on every system we run on, less a margin.
const maxSocketPath = 100

// holder is what the process that holds a data folder writes into its lock file.
type holder struct {
	PID       int       `json:"pid"`
	Socket    string    `json:"socket,omitempty"`
	Listen    string    `json:"listen,omitempty"`
	StartedAt time.Time `json:"started_at"`
}

// dataDir is a data folder that this process holds: nobody else may open its stores meanwhile.
type dataDir struct {
	path string
	lock *os.File
}

// errHeld says that another process holds the folder.
type errHeld struct{ holder }

func (e errHeld) Error() string { return fmt.Sprintf("held by process %d", e.PID) }

// holdDataDir makes the folder (mode 0700) and takes its lock. The error is errHeld when another
// process has it; the lock goes with the process, so a killed host leaves none behind.
func holdDataDir(path string) (*dataDir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	name := filepath.Join(path, "host.lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("locking %s: %w", name, err)
		}
		var h holder
		if err := json.NewDecoder(f).Decode(&h); err != nil {
			h = holder{} // the holder is just starting and has not written itself down yet
		}
		return nil, errHeld{h}
	}
	return &dataDir{path: path, lock: f}, nil
}

// announce writes who holds the folder and where it can be reached.
func (d *dataDir) announce(h holder) error {
	data, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err = d.lock.WriteAt(append(data, '\n'), 0)
	return err
}

// release gives the folder up.
func (d *dataDir) release() {
	_ = d.lock.Truncate(0) // the next holder writes it anew
	_ = d.lock.Close()
}

// join is a path in the folder.
func (d *dataDir) join(elem ...string) string {
	return filepath.Join(append([]string{d.path}, elem...)...)
}

// socketPath is where the control socket goes: in the folder, or, where that path would be too long
// for a socket, in a folder of the user's own below the temporary one.
func (d *dataDir) socketPath() (string, error) {
	abs, err := filepath.Abs(d.join("control.sock"))
	if err != nil {
		return "", err
	}
	if len(abs) <= maxSocketPath {
		return abs, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("gantry-%d", os.Getuid()))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || info.Mode().Perm() != 0o700 || ok && int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a folder of this user's alone", dir)
	}
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock"), nil
}

// inUse is what a second start on the folder says.
func inUse(path string, h holder) error {
	who := "another process"
	if h.PID != 0 {
		who = fmt.Sprintf("a host that is running as process %d", h.PID)
	}
	if h.Listen != "" {
		who += " and serves on " + h.Listen
	}
	return host.Errorf("serve", abi.CodeConflict, "the data folder %s is in use by %s", path, who).
		WithHint("stop that one, or give this one a folder of its own with --data")
}
