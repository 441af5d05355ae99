// Copyright 2026 The Gantry Authors.

package files

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// space knows what one folder holds, so that a write need not count. It counts at the first write,
// and anew when it cannot know (after a failure) or before it says no.
type space struct {
	quota, maxFiles int64

	// mu is held through every write and removal of the folder.
	mu    sync.Mutex
	known bool
	bytes int64
	files int64
}

// reserve adds a file of so many bytes to the count, if that keeps within the bounds.
func (s *space) reserve(root *os.Root, p string, size int64) error {
	for counted := false; ; counted = true {
		if !s.known {
			if err := s.count(root); err != nil {
				return err
			}
			counted = true
		}
		bytes, files := s.bytes+size, s.files+missing(root, p)
		if info, err := root.Lstat(p); err == nil && info.Mode().IsRegular() {
			bytes -= info.Size()
		}
		overBytes, overFiles := s.quota >= 0 && bytes > s.quota, s.maxFiles >= 0 && files > s.maxFiles
		switch {
		case !overBytes && !overFiles:
			s.bytes, s.files = bytes, files
			return nil
		case !counted:
			s.known = false
		case overBytes:
			return host.Errorf("files.write", abi.CodeLimit,
				"the plugin's files for this tenant would have %d bytes; its quota is %d", bytes, s.quota).
				WithHint("delete files that are not needed")
		default:
			return host.Errorf("files.write", abi.CodeLimit,
				"the plugin would have %d files and folders for this tenant; the limit is %d", files, s.maxFiles).
				WithHint("delete files that are not needed")
		}
	}
}

// missing is how many names a write of p has to make: the file and the folders above it.
func missing(root *os.Root, p string) int64 {
	var n int64
	for ; p != "."; p = path.Dir(p) {
		if _, err := root.Lstat(p); err == nil {
			break
		}
		n++
	}
	return n
}

// count walks the folder, without following links, and removes what writes before a crash left.
func (s *space) count(root *os.Root) error {
	s.bytes, s.files = 0, 0
	err := fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && p == "." {
			return nil
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(d.Name(), reserved) && !d.IsDir() {
			return root.Remove(p)
		}
		s.files++
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			s.bytes += info.Size()
		}
		return nil
	})
	if err != nil {
		return tell("files.write", ".", err)
	}
	s.known = true
	return nil
}
