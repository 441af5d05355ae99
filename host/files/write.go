// Copyright 2026 The Gantry Authors.

package files

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// write puts a whole file in place: aside first, then by a rename, so that a reader and a crash see
// the old file or the new one.
func write(fo folder, in abi.FileWrite) (abi.FileInfo, error) {
	const op = "files.write"
	p, err := clean(op, in.Path)
	switch {
	case err != nil:
		return abi.FileInfo{}, err
	case p == ".":
		return abi.FileInfo{}, host.Errorf(op, abi.CodeInvalidArg, "path is empty; name the file")
	case len(in.Data) > MaxFileBytes:
		return abi.FileInfo{}, host.Errorf(op, abi.CodeLimit, "data has %d bytes; a file may have %d", len(in.Data), MaxFileBytes)
	}
	fo.mu.Lock()
	defer fo.mu.Unlock()
	if err := fo.reserve(fo.Root, p, int64(len(in.Data))); err != nil {
		return abi.FileInfo{}, err
	}
	info, err := replace(fo.Root, p, in.Data)
	if err != nil {
		fo.known = false // how far it came is for the next count to find out
		return abi.FileInfo{}, tell(op, p, err)
	}
	return describe(info), nil
}

func replace(root *os.Root, p string, data []byte) (info fs.FileInfo, err error) {
	dir := path.Dir(p)
	if err := root.MkdirAll(dir, 0o700); errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(syscall.ENOTDIR, err) // a file is where a folder is needed
	} else if err != nil {
		return nil, err
	}
	tmp := path.Join(dir, reserved+rand.Text())
	f, err := root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = root.Rename(tmp, p)
	}
	if err != nil {
		return nil, errors.Join(err, root.Remove(tmp))
	}
	if err := syncDir(root, dir); err != nil {
		return nil, err
	}
	return root.Stat(p)
}

// syncDir has a rename or a removal on the disk.
func syncDir(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func remove(fo folder, in abi.FileRequest) (struct{}, error) {
	const op = "files.delete"
	p, err := clean(op, in.Path)
	switch {
	case err != nil:
		return struct{}{}, err
	case p == ".":
		return struct{}{}, host.Errorf(op, abi.CodeInvalidArg, "path is the plugin's own folder; name what is to be deleted")
	}
	fo.mu.Lock()
	defer fo.mu.Unlock()
	info, err := fo.Lstat(p)
	if err == nil {
		err = fo.Remove(p)
	}
	if err != nil {
		return struct{}{}, tell(op, p, err)
	}
	fo.files--
	if info.Mode().IsRegular() {
		fo.bytes -= info.Size()
	}
	return struct{}{}, tell(op, p, syncDir(fo.Root, path.Dir(p)))
}
