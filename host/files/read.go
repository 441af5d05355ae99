// Copyright 2026 The Gantry Authors.

package files

import (
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func read(fo folder, in abi.FileRequest) (abi.FileData, error) {
	const op = "files.read"
	p, err := clean(op, in.Path)
	if err != nil {
		return abi.FileData{}, err
	}
	// Not to block: someone may have put a pipe there.
	f, err := fo.OpenFile(p, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return abi.FileData{}, tell(op, p, err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return abi.FileData{}, tell(op, p, err)
	case info.IsDir():
		return abi.FileData{}, host.Errorf(op, abi.CodeInvalidArg, "%q is a folder; list it instead", p)
	case !info.Mode().IsRegular():
		return abi.FileData{}, host.Errorf(op, abi.CodeInvalidArg, "%q is not a regular file", p)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return abi.FileData{}, tell(op, p, err)
	}
	if len(data) > MaxFileBytes {
		return abi.FileData{}, host.Errorf(op, abi.CodeLimit, "file %q is larger than the limit of %d bytes", p, MaxFileBytes)
	}
	return abi.FileData{Data: data}, nil
}

// maxEntries bounds a listing; a folder that a guest filled stays below by its quota.
const maxEntries = 100_000

func list(fo folder, in abi.FileRequest) (abi.FileList, error) {
	const op = "files.list"
	p, err := clean(op, in.Path)
	if err != nil {
		return abi.FileList{}, err
	}
	// Asked first, because opening a pipe to list it would wait for a writer.
	if info, err := fo.Stat(p); err == nil && !info.IsDir() {
		return abi.FileList{}, host.Errorf(op, abi.CodeInvalidArg, "%q is a file; read it instead", p)
	}
	entries, err := fs.ReadDir(fo.FS(), p)
	if err != nil {
		return abi.FileList{}, tell(op, p, err)
	}
	if len(entries) > maxEntries {
		return abi.FileList{}, host.Errorf(op, abi.CodeLimit, "folder %q has more than %d entries", p, maxEntries)
	}
	out := abi.FileList{Entries: make([]abi.FileInfo, 0, len(entries))}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), reserved) {
			continue
		}
		// Gone since it was listed, or neither file nor folder: nothing a guest could use.
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() && !info.IsDir() {
			continue
		}
		out.Entries = append(out.Entries, describe(info))
	}
	return out, nil
}

func stat(fo folder, in abi.FileRequest) (abi.FileInfo, error) {
	const op = "files.stat"
	p, err := clean(op, in.Path)
	if err != nil {
		return abi.FileInfo{}, err
	}
	info, err := fo.Stat(p)
	if err != nil {
		return abi.FileInfo{}, tell(op, p, err)
	}
	return describe(info), nil
}

func describe(info fs.FileInfo) abi.FileInfo {
	out := abi.FileInfo{Name: info.Name(), Size: info.Size(), Dir: info.IsDir(),
		Modified: info.ModTime().UTC().Format(time.RFC3339Nano)}
	if out.Dir {
		out.Size = 0 // what a folder's own size is differs by file system
	}
	return out
}
