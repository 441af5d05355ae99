// Copyright 2026 The Gantry Authors.

package skills

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Folder is a skill as a folder: what is imported and exported.
type Folder struct {
	// Manifest is SKILL.md.
	Manifest string
	Files    []Body
}

// Body is a file with what is in it.
type Body struct {
	Path       string `json:"path"`
	Data       []byte `json:"data"`
	Executable bool   `json:"executable,omitempty"`
}

func (b *Body) file() File {
	return File{Path: b.Path, Size: len(b.Data), Digest: digest(b.Data), Executable: b.Executable}
}

// litter is what systems and tools leave in folders, and nobody means to import.
var litter = []string{".DS_Store", "Thumbs.db", "__MACOSX", "__pycache__", ".git"}

func isLitter(name string) bool { return slices.Contains(litter, name) }

// ReadFolder reads a skill's folder on disk. Links and whatever else is no plain file are refused,
// and nothing outside of the folder is read. What systems leave behind (.DS_Store, __pycache__,
// .git and the like) is passed over.
func ReadFolder(dir string) (*Folder, error) {
	const op = "skills.ReadFolder"
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, bad(op, "%w", err)
	}
	defer root.Close()
	c := collector{op: op}
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && isLitter(d.Name()):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir():
			return nil
		case !d.Type().IsRegular():
			return bad(op, "%s: is a link or another special file; put the file itself there", p)
		}
		return c.addFrom(root, p)
	})
	if err != nil {
		var own *host.Error
		if errors.As(err, &own) {
			return nil, err
		}
		return nil, bad(op, "%w", err)
	}
	return c.folder()
}

func (c *collector) addFrom(root *os.Root, p string) error {
	f, err := root.Open(filepath.FromSlash(p))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return c.add(p, info.Mode().Perm()&0o111 != 0, f)
}

// collector gathers files, and stops before they are more than a skill may have.
type collector struct {
	op          string
	out         Folder
	hasManifest bool
	total       int
}

// add reads a file from r, as far as it may be read.
func (c *collector) add(p string, executable bool, r io.Reader) error {
	if len(c.out.Files) >= MaxFiles {
		return host.Errorf(c.op, abi.CodeLimit, "files: there are more than %d, the limit of a skill", MaxFiles)
	}
	data, err := io.ReadAll(io.LimitReader(r, MaxFileBytes+1))
	if err != nil {
		return bad(c.op, "files: %s cannot be read: %w", clip(p), err)
	}
	if len(data) > MaxFileBytes {
		return host.Errorf(c.op, abi.CodeLimit, "files: %s has more than %d bytes, the limit of a file", clip(p), MaxFileBytes)
	}
	if c.total += len(data); c.total > MaxBytes {
		return host.Errorf(c.op, abi.CodeLimit, "files: together they have more than %d bytes, the limit of a skill", MaxBytes)
	}
	if p == manifestName {
		c.out.Manifest, c.hasManifest = string(data), true
		return nil
	}
	if err := checkPath(c.op, p); err != nil {
		return err
	}
	c.out.Files = append(c.out.Files, Body{Path: p, Data: data, Executable: executable})
	return nil
}

func (c *collector) folder() (*Folder, error) {
	if !c.hasManifest {
		return nil, bad(c.op, "there is no %s; a skill is a folder that has one, with name and description between two lines ---", manifestName)
	}
	sortBodies(c.out.Files)
	return &c.out, nil
}

func sortBodies(files []Body) {
	slices.SortFunc(files, func(a, b Body) int { return strings.Compare(a.Path, b.Path) })
}

// WriteFolder writes the skill into dir, which must be empty or not be there.
func (f *Folder) WriteFolder(dir string) error {
	const op = "skills.WriteFolder"
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return bad(op, "%w", err)
	}
	have, err := os.ReadDir(dir)
	if err != nil {
		return bad(op, "%w", err)
	}
	if len(have) > 0 {
		return host.Errorf(op, abi.CodeConflict, "the folder %s is not empty; name another", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return bad(op, "%w", err)
	}
	defer root.Close()
	for _, b := range f.all() {
		if err := writeInto(root, &b); err != nil {
			return fmt.Errorf("%s: %w", b.Path, err)
		}
	}
	return nil
}

func writeInto(root *os.Root, b *Body) error {
	name, mode := filepath.FromSlash(b.Path), fs.FileMode(0o644)
	if b.Executable {
		mode = 0o755
	}
	if dir := path.Dir(b.Path); dir != "." {
		if err := root.MkdirAll(filepath.FromSlash(dir), 0o755); err != nil {
			return err
		}
	}
	return root.WriteFile(name, b.Data, mode)
}

// all are the folder's files, SKILL.md first.
func (f *Folder) all() []Body {
	return append([]Body{{Path: manifestName, Data: []byte(f.Manifest)}}, f.Files...)
}
