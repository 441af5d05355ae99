// Copyright 2026 The Gantry Authors.

package keys

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// PepperBytes is the size of a pepper.
const PepperBytes = 32

const pepperFile = "pepper"

// LoadPepper reads the file "pepper" in dir (64 hexadecimal digits), or makes it, readable by the
// owner alone. Of several processes that make it at once all get the same. A file that others may
// read, or that holds something else, is abi.CodeInvalidArg.
func LoadPepper(dir string) ([]byte, error) {
	const op = "keys.LoadPepper"
	path := filepath.Join(dir, pepperFile)
	pepper, err := readPepper(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return pepper, err
	}
	if err := createPepper(dir, path); err != nil {
		return nil, host.Errorf(op, abi.CodeUnavailable, "%s cannot be made: %w", path, err)
	}
	return readPepper(path)
}

func readPepper(path string) ([]byte, error) {
	const op = "keys.LoadPepper"
	info, err := os.Stat(path)
	if err != nil {
		return nil, host.E(op, abi.CodeUnavailable, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "%s may be read by everybody; run chmod 600 on it", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, host.E(op, abi.CodeUnavailable, err)
	}
	pepper, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(pepper) != PepperBytes {
		return nil, host.Errorf(op, abi.CodeInvalidArg,
			"%s does not hold %d hexadecimal digits; put back the right file, or remove it and issue all keys again", path, 2*PepperBytes)
	}
	return pepper, nil
}

// createPepper writes the whole file aside and links it into place: a crash leaves no half of one,
// and who comes second finds the first's.
func createPepper(dir, path string) (err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, pepperFile+".tmp-*") // made with mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	pepper := make([]byte, PepperBytes)
	rand.Read(pepper)
	_, err = tmp.WriteString(hex.EncodeToString(pepper) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
