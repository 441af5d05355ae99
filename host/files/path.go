// Copyright 2026 The Gantry Authors.

package files

import (
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a path.
const (
	MaxPathBytes = 1024
	MaxDepth     = 32
	maxNameBytes = 255
)

// reserved begins the names of files that are being written. Guests neither see nor name them.
const reserved = ".gantry-tmp-"

// clean checks a guest's path and returns it as os.Root takes it, "." for the folder itself. The
// Root would refuse to leave the folder anyway; here the guest is told why.
func clean(op, p string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", host.Errorf(op, abi.CodeInvalidArg, format, args...)
	}
	switch {
	case len(p) > MaxPathBytes:
		return bad("path has %d bytes; at most %d are allowed", len(p), MaxPathBytes)
	case !utf8.ValidString(p) || strings.ContainsAny(p, "\x00\\"):
		return bad("path %q holds a zero byte, a backslash or what is not UTF-8", p)
	case strings.HasPrefix(p, "/"):
		return bad("path %q is absolute; paths begin in the plugin's own folder, without a slash", p)
	}
	p = path.Clean(p) // "" becomes "."
	if p == ".." || strings.HasPrefix(p, "../") {
		return bad("path leads out of the plugin's folder; it cannot begin with ..")
	}
	parts := strings.Split(p, "/")
	if len(parts) > MaxDepth {
		return bad("path has %d parts; at most %d are allowed", len(parts), MaxDepth)
	}
	for _, part := range parts {
		if len(part) > maxNameBytes {
			return bad("path has a name of %d bytes; at most %d are allowed", len(part), maxNameBytes)
		}
		if strings.HasPrefix(part, reserved) {
			return bad("path %q: names that begin with %s are the host's", p, reserved)
		}
	}
	return p, nil
}

// tell turns an error of the file system into one a guest can act on, without the host's paths.
func tell(op, p string, err error) error {
	cause := func(code abi.Code, format string) error {
		e := host.Errorf(op, code, format, p)
		e.Err = err
		return e
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return cause(abi.CodeNotFound, "there is no %q")
	case errors.Is(err, syscall.ENOTEMPTY):
		return cause(abi.CodeConflict, "folder %q is not empty; delete what is in it first")
	case errors.Is(err, syscall.ENOTDIR):
		return cause(abi.CodeConflict, "a part of %q is a file, not a folder")
	case errors.Is(err, fs.ErrExist):
		return cause(abi.CodeConflict, "%q exists already")
	case errors.Is(err, syscall.EISDIR):
		return cause(abi.CodeConflict, "%q is a folder")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return cause(abi.CodeUnavailable, "%q cannot be written: the host's disk is full")
	case errors.Is(err, fs.ErrPermission), escapes(err):
		return cause(abi.CodeForbidden, "%q leads out of the plugin's folder, or is closed to the host")
	}
	return cause(abi.CodeInternal, "%q: the file system failed")
}

// escapes recognises os.Root's refusal, which has no exported error.
func escapes(err error) bool {
	var pe *fs.PathError
	return errors.As(err, &pe) && strings.Contains(pe.Err.Error(), "escapes from parent") ||
		errors.Is(err, syscall.ELOOP)
}
