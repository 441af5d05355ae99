// Copyright 2026 The Gantry Authors.

package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/gantryhost/gantry/host/yamlfile"
)

const (
	moduleExt   = ".wasm"
	settingsExt = ".yaml"

	maxSettingsBytes = yamlfile.MaxBytes
)

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// seen is what a folder holds for one plugin: a nil FileInfo is a file that is not there. Problem
// says why a file of this name cannot even be looked at.
type seen struct {
	module, settings fs.FileInfo
	problem          string
}

func (s seen) same(o seen) bool {
	return sameFile(s.module, o.module) && sameFile(s.settings, o.settings) && s.problem == o.problem
}

func sameFile(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// folder is the operator's plugins folder. It is opened anew for each look, because a folder may be
// taken away and put back. Links are followed only as far as they stay inside.
type folder struct {
	dir string
}

// list looks at every file that may belong to a plugin. An error means that nothing is known of the
// folder, which is not the same as an empty one.
func (f folder) list() (map[string]seen, error) {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, err
	}
	out := map[string]seen{}
	for _, e := range entries {
		if name, ext, ok := splitName(e.Name()); ok {
			out[name] = look(root, e.Name(), ext, out[name])
		}
	}
	return out, nil
}

// splitName tells whether a file's name may be a plugin's. Hidden files are what editors and
// writers of temporary files use.
func splitName(file string) (name, ext string, ok bool) {
	if strings.HasPrefix(file, ".") {
		return "", "", false
	}
	ext = filepath.Ext(file)
	switch ext {
	case moduleExt, settingsExt, ".yml":
		return strings.TrimSuffix(file, ext), ext, true
	}
	return "", "", false
}

func look(root *os.Root, file, ext string, s seen) seen {
	info, err := root.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// Gone since the listing, or a link to nothing: the same as not there.
		return s
	case err != nil:
		s.problem = fmt.Sprintf("%s cannot be read: %v; a link has to stay inside the folder", file, cause(err))
		return s
	case info.IsDir():
		return s
	case !info.Mode().IsRegular():
		s.problem = file + " is not a regular file"
		return s
	}
	switch ext {
	case moduleExt:
		s.module = info
	case settingsExt:
		s.settings = info
	default:
		s.problem = fmt.Sprintf("%s has no effect; settings files end in %s, so rename it", file, settingsExt)
	}
	return s
}

// cause is the reason in a path error without the path, which for a Root is relative and confusing.
func cause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// errUnsettled says that a file changed while it was read: look again later.
var errUnsettled = errors.New("the file changed while it was read")

// read returns a file as it was seen. A nil FileInfo reads nothing.
func (f folder) read(file string, want fs.FileInfo, limit int64) ([]byte, error) {
	if want == nil {
		return nil, nil
	}
	if want.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes; at most %d are allowed", file, want.Size(), limit)
	}
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	// Without O_NONBLOCK a named pipe that took the file's place would block here for ever.
	r, err := root.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errUnsettled
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", file, cause(err))
	}
	defer func() { _ = r.Close() }()
	if info, err := r.Stat(); err != nil || !sameFile(info, want) {
		return nil, errUnsettled
	}
	data := make([]byte, want.Size())
	if _, err := io.ReadFull(r, data); err != nil {
		return nil, errUnsettled
	}
	if info, err := r.Stat(); err != nil || !sameFile(info, want) {
		return nil, errUnsettled
	}
	return data, nil
}

func (f folder) path(file string) string { return filepath.Join(f.dir, file) }

// readEmbedded returns a file that is built in, nil where there is none.
func readEmbedded(builtin fs.FS, file string) ([]byte, error) {
	if builtin == nil {
		return nil, nil
	}
	data, err := fs.ReadFile(builtin, file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// embeddedNames lists the plugins that are built in.
func embeddedNames(builtin fs.FS) (map[string]bool, error) {
	out := map[string]bool{}
	if builtin == nil {
		return out, nil
	}
	entries, err := fs.ReadDir(builtin, ".")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name, ext, ok := splitName(e.Name()); ok && ext == moduleExt && !e.IsDir() {
			out[name] = true
		}
	}
	return out, nil
}
