// Copyright 2026 The Gantry Authors.

package skills

import (
	"archive/zip"
	"bytes"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of an archive beside those of the skill in it.
const (
	maxZipEntries = 4 * MaxFiles
	// maxZipRatio bounds how much more an archive may hold than it weighs, from freeZipBytes on.
	maxZipRatio  = 100
	freeZipBytes = 1 << 20
)

// ReadZip reads a skill from a zip archive: its files at the top, or all below one folder. Links,
// paths that lead out, files that are there twice, and archives that hold more than a skill may have
// or a hundred times what they weigh are refused; at most that much is ever unpacked.
func ReadZip(data []byte) (*Folder, error) {
	const op = "skills.ReadZip"
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, bad(op, "the archive is not a zip file: %w", err)
	}
	if len(z.File) > maxZipEntries {
		return nil, host.Errorf(op, abi.CodeLimit, "the archive has %d entries; at most %d are read", len(z.File), maxZipEntries)
	}
	names := map[string]*zip.File{}
	for _, f := range z.File {
		if err := checkEntry(op, f); err != nil {
			return nil, err
		}
		if f.Mode().IsDir() || slices.ContainsFunc(strings.Split(f.Name, "/"), isLitter) {
			continue
		}
		if names[f.Name] != nil {
			return nil, bad(op, "the archive has %q twice", clip(f.Name))
		}
		names[f.Name] = f
	}
	return unpack(op, names, int64(len(data)))
}

// checkEntry refuses entries that no honest archive of a skill has.
func checkEntry(op string, f *zip.File) error {
	name := strings.TrimSuffix(f.Name, "/")
	switch {
	case !f.Mode().IsDir() && !f.Mode().IsRegular():
		return bad(op, "the archive's entry %q is a link or another special file; put the file itself there", clip(f.Name))
	case name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || strings.Contains(name, `\`):
		return bad(op, "the archive's entry %q does not stay within the skill", clip(f.Name))
	}
	return nil
}

func unpack(op string, names map[string]*zip.File, weight int64) (*Folder, error) {
	top := topFolder(names)
	c := collector{op: op}
	most := int(max(freeZipBytes, maxZipRatio*weight))
	for _, name := range sortedNames(names) {
		r, err := names[name].Open()
		if err != nil {
			return nil, bad(op, "the archive's entry %q cannot be read: %w", clip(name), err)
		}
		err = c.add(strings.TrimPrefix(name, top), names[name].Mode().Perm()&0o111 != 0, r)
		_ = r.Close() // it has been read to its end
		if err != nil {
			return nil, err
		}
		if c.total > most {
			return nil, host.Errorf(op, abi.CodeLimit, "the archive holds more than %d times what it weighs", maxZipRatio)
		}
	}
	return c.folder()
}

// topFolder is "name/" where everything lies below one folder and SKILL.md right in it.
func topFolder(names map[string]*zip.File) string {
	for name := range names {
		dir, _, below := strings.Cut(name, "/")
		if !below || names[dir+"/"+manifestName] == nil {
			return ""
		}
		for other := range names {
			if !strings.HasPrefix(other, dir+"/") {
				return ""
			}
		}
		return dir + "/"
	}
	return ""
}

func sortedNames(names map[string]*zip.File) []string {
	out := make([]string, 0, len(names))
	for name := range names {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Zip is the skill as an archive, everything below a folder of the skill's name. The same folder and
// time make the same bytes.
func (f *Folder) Zip(id string, at time.Time) ([]byte, error) {
	const op = "skills.Zip"
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, b := range f.all() {
		h := &zip.FileHeader{Name: id + "/" + b.Path, Method: zip.Deflate, Modified: at.UTC().Truncate(2 * time.Second)}
		h.SetMode(0o644)
		if b.Executable {
			h.SetMode(0o755)
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(b.Data)
		}
		if err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, host.E(op, abi.CodeInternal, err)
	}
	return out.Bytes(), nil
}
