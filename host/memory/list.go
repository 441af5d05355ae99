// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"encoding/base64"
	"iter"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// List returns a page of files in order of their paths, bytewise. A file written or deleted between
// two pages is on them or not by its path; the others are each on exactly one. Errors:
// abi.CodeInvalidArg that names the field, CodeForbidden without the scope.
func (s *Service) List(ctx context.Context, p *host.Principal, in abi.MemoryList) (abi.MemoryPage, error) {
	const op = "memory.List"
	sp, err := spaceFor(op, p, false)
	if err != nil {
		return abi.MemoryPage{}, err
	}
	prefix, err := clean(op, "prefix", in.Prefix)
	if err != nil {
		return abi.MemoryPage{}, err
	}
	switch {
	case in.Limit < 0 || in.Limit > store.MaxPage:
		return abi.MemoryPage{}, host.Errorf(op, abi.CodeInvalidArg, "limit: %d is not 1 to %d; use 0 for %d", in.Limit, store.MaxPage, store.DefaultPage)
	case in.Limit == 0:
		in.Limit = store.DefaultPage
	}
	after, err := parseCursor(op, in.Cursor, prefix)
	if err != nil {
		return abi.MemoryPage{}, err
	}
	page := abi.MemoryPage{Entries: []abi.MemoryInfo{}}
	for f, err := range s.files(ctx, sp, prefix, after) {
		if err != nil {
			return abi.MemoryPage{}, err
		}
		if len(page.Entries) == in.Limit {
			page.Next = base64.RawURLEncoding.EncodeToString([]byte(page.Entries[in.Limit-1].Path))
			break
		}
		page.Entries = append(page.Entries, f.info(f.path, f.rev))
	}
	return page, nil
}

// parseCursor returns the path that a page ended with; a cursor is encoded so that nobody is tempted
// to make one.
func parseCursor(op, cursor, prefix string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err == nil {
		after, err := cleanPath(op, string(raw))
		if err == nil && after == string(raw) && strings.HasPrefix(after, prefix) {
			return after, nil
		}
	}
	return "", host.Errorf(op, abi.CodeInvalidArg, "cursor: it is not one of this listing; start again without it")
}

// file is a file as a listing meets it.
type file struct {
	head
	path string
	rev  uint64
}

// files goes through the files whose paths begin with prefix, in order, after a path. The store lists
// below whole segments only, so it begins at the prefix itself and stops at the first path without it.
func (s *Service) files(ctx context.Context, sp space, prefix, after string) iter.Seq2[file, error] {
	return func(yield func(file, error) bool) {
		cursor := ""
		switch {
		case after != "":
			cursor = store.CursorAfter(sp.file(after))
		case prefix != "":
			h, rev, err := s.load(ctx, sp, prefix) // it may itself be a path, and a cursor begins behind it
			if err != nil {
				yield(file{}, err)
				return
			}
			if rev != 0 && !yield(file{h, prefix, rev}, nil) {
				return
			}
			cursor = store.CursorAfter(sp.file(prefix))
		}
		for rec, err := range s.records(ctx, sp.key(kindFile), cursor) {
			if err != nil {
				yield(file{}, err)
				return
			}
			path := rec.Key[len(rec.Key)-1]
			if !strings.HasPrefix(path, prefix) {
				return
			}
			h, err := parseHead("memory.files", rec)
			if !yield(file{h, path, rec.Rev}, err) || err != nil {
				return
			}
		}
	}
}
