// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"errors"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a ReadMany's answer.
const (
	manyBytes    = 1 << 20
	maxManyBytes = 4 << 20
)

// readTries is how often a read begins anew because the file was replaced while it went on.
const readTries = 8

// Read returns a file or a piece of it, as abi.MemoryRead explains. Errors: abi.CodeNotFound,
// CodeInvalidArg that names the field, CodeForbidden without the scope.
func (s *Service) Read(ctx context.Context, p *host.Principal, in abi.MemoryRead) (abi.MemoryFile, error) {
	const op = "memory.Read"
	sp, err := spaceFor(op, p, false)
	if err != nil {
		return abi.MemoryFile{}, err
	}
	path, err := cleanPath(op, in.Path)
	if err != nil {
		return abi.MemoryFile{}, err
	}
	f, err := s.whole(ctx, sp, path, MaxFileBytes)
	if err != nil {
		return abi.MemoryFile{}, err
	}
	return cut(op, f, in)
}

// whole reads a file of at most so many bytes.
func (s *Service) whole(ctx context.Context, sp space, path string, most int64) (abi.MemoryFile, error) {
	const op = "memory.Read"
	for range readTries {
		h, rev, err := s.load(ctx, sp, path)
		switch {
		case err != nil:
			return abi.MemoryFile{}, err
		case rev == 0:
			return abi.MemoryFile{}, notFound(op, path)
		case h.Size > most:
			return abi.MemoryFile{}, host.Errorf(op, abi.CodeLimit, "file %q has %d bytes, and %d are left of what one answer may have",
				path, h.Size, most).WithHint("read it by itself")
		}
		text, err := s.text(ctx, sp, &h)
		if errors.Is(err, errGone) {
			continue
		}
		return abi.MemoryFile{MemoryInfo: h.info(path, rev), Content: text}, err
	}
	return abi.MemoryFile{}, host.Errorf(op, abi.CodeBusy, "file %q is being replaced all the time; try again", path)
}

func notFound(op, path string) error {
	return host.Errorf(op, abi.CodeNotFound, "there is no file %q in memory", clip(path)).
		WithHint("list or search to see what is there")
}

// cut keeps the piece of a whole file that was asked for.
func cut(op string, f abi.MemoryFile, in abi.MemoryRead) (abi.MemoryFile, error) {
	switch {
	case in.Offset < 0 || in.Offset > f.Size:
		return f, host.Errorf(op, abi.CodeInvalidArg, "offset: %d is not in the file; it has %d bytes", in.Offset, f.Size)
	case in.Limit < 0:
		return f, host.Errorf(op, abi.CodeInvalidArg, "limit: %d is negative; use 0 for all that follows", in.Limit)
	case in.Limit > 0 && in.Limit < utf8.UTFMax:
		return f, host.Errorf(op, abi.CodeInvalidArg, "limit: %d may be less than one character; use at least %d", in.Limit, utf8.UTFMax)
	}
	start, end := runeStart(f.Content, in.Offset), f.Size
	if in.Limit > 0 && in.Limit < f.Size-start {
		end = runeStart(f.Content, start+in.Limit)
		f.Next = end
	}
	f.Offset, f.Content = start, f.Content[start:end]
	return f, nil
}

// runeStart moves i back to the beginning of the character it is in.
func runeStart(s string, i int64) int64 {
	for i > 0 && i < int64(len(s)) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

// ReadMany returns several files; see abi.MemoryReadMany. What keeps one file away is in its place of
// the answer; an error is about the request as a whole, or the host's.
func (s *Service) ReadMany(ctx context.Context, p *host.Principal, in abi.MemoryReadMany) (abi.MemoryFiles, error) {
	const op = "memory.ReadMany"
	sp, err := spaceFor(op, p, false)
	if err != nil {
		return abi.MemoryFiles{}, err
	}
	switch n := len(in.Paths); {
	case n < 1 || n > abi.MaxMemoryPaths:
		return abi.MemoryFiles{}, host.Errorf(op, abi.CodeInvalidArg, "paths: there are %d; give 1 to %d", n, abi.MaxMemoryPaths)
	case in.Limit < 0 || in.Limit > maxManyBytes:
		return abi.MemoryFiles{}, host.Errorf(op, abi.CodeInvalidArg, "limit: %d is not 1 to %d; use 0 for %d", in.Limit, maxManyBytes, manyBytes)
	case in.Limit == 0:
		in.Limit = manyBytes
	}
	out := abi.MemoryFiles{Files: make([]abi.MemoryResult, 0, len(in.Paths))}
	for _, asked := range in.Paths {
		f, err := s.oneOfMany(ctx, sp, asked, in.Limit)
		switch host.CodeOf(err) {
		case "":
			in.Limit -= f.Size
			out.Files = append(out.Files, abi.MemoryResult{Path: asked, File: &f})
		case abi.CodeNotFound, abi.CodeInvalidArg, abi.CodeLimit, abi.CodeBusy:
			out.Files = append(out.Files, abi.MemoryResult{Path: clip(asked), Error: host.Outward(err)})
		default:
			return abi.MemoryFiles{}, err
		}
	}
	return out, nil
}

func (s *Service) oneOfMany(ctx context.Context, sp space, asked string, room int64) (abi.MemoryFile, error) {
	path, err := cleanPath("memory.ReadMany", asked)
	if err != nil {
		return abi.MemoryFile{}, err
	}
	return s.whole(ctx, sp, path, room)
}
