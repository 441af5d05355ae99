// Copyright 2026 The Gantry Authors.

package memory

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// MaxPathBytes bounds a path, in its one spelling.
const MaxPathBytes = 512

// cleanPath returns the one spelling of a file's path: NFC, no slash in front, no empty parts and no
// ".". What has no such spelling is abi.CodeInvalidArg.
func cleanPath(op, path string) (string, error) {
	p, err := clean(op, "path", path)
	switch {
	case err != nil:
		return "", err
	case p == "":
		return "", host.Errorf(op, abi.CodeInvalidArg, "path: it is empty; name a file, such as notes/todo.md")
	case strings.HasSuffix(p, "/"):
		return "", host.Errorf(op, abi.CodeInvalidArg, "path: %q ends with a slash; name a file, such as %stodo.md", clip(path), p)
	}
	return p, nil
}

// clean is cleanPath for a prefix, too, which may be empty or end with a slash.
func clean(op, field, path string) (string, error) {
	bad := func(format string, args ...any) (string, error) {
		return "", host.Errorf(op, abi.CodeInvalidArg, field+": "+format, args...)
	}
	switch {
	case len(path) > 4*MaxPathBytes: // normalising may shorten it, but not by so much
		return bad("it has %d bytes; at most %d are allowed", len(path), MaxPathBytes)
	case !utf8.ValidString(path):
		return bad("it is not UTF-8")
	case strings.ContainsFunc(path, unicode.IsControl):
		return bad("%q holds a control character", clip(path))
	case strings.Contains(path, `\`):
		return bad("%q holds a backslash; write / between the parts", clip(path))
	}
	parts := strings.Split(norm.NFC.String(path), "/")
	kept := parts[:0]
	for i, part := range parts {
		switch {
		case part == "..":
			return bad("%q holds ..; write the path from the top", clip(path))
		case part != "" && part != ".", i == len(parts)-1 && part == "" && len(kept) > 0:
			kept = append(kept, part) // the empty part at the end is the slash of a prefix
		}
	}
	out := strings.Join(kept, "/")
	if len(out) > MaxPathBytes {
		return bad("it has %d bytes; at most %d are allowed", len(out), MaxPathBytes)
	}
	return out, nil
}

// clip keeps what a caller wrote from filling an error's text.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
