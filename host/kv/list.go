// Copyright 2026 The Gantry Authors.

package kv

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// list pages through the keys that begin with a prefix. The store lists below whole segments only,
// so the listing begins at the prefix itself and stops at the first key that does not have it. A
// guest's cursor is the last key it was given, encoded so that nobody is tempted to make one.
func (s *Service) list(ctx context.Context, space store.Key, in abi.KVList) (abi.KVPage, error) {
	limit, from, err := listArgs(in)
	if err != nil {
		return abi.KVPage{}, err
	}
	page := abi.KVPage{Entries: []abi.KVEntry{}}
	cursor := ""
	if from != "" {
		k, err := entryKey(space, from)
		if err != nil {
			return abi.KVPage{}, err
		}
		cursor = store.CursorAfter(k)
		if in.Cursor == "" { // the prefix may itself be a key, and a cursor begins behind it
			if rec, err := s.store.Get(ctx, k); err == nil {
				page.Entries = append(page.Entries, abi.KVEntry{Key: from, Revision: rec.Rev})
			} else if host.CodeOf(err) != abi.CodeNotFound {
				return abi.KVPage{}, err
			}
		}
	}
	for {
		// One more than wanted tells whether something follows.
		got, err := s.store.List(ctx, space, cursor, min(limit+1-len(page.Entries), store.MaxPage))
		if err != nil {
			return abi.KVPage{}, err
		}
		for _, rec := range got.Records {
			key := rec.Key[len(space)]
			if !strings.HasPrefix(key, in.Prefix) {
				return page, nil
			}
			if len(page.Entries) == limit {
				page.Next = base64.RawURLEncoding.EncodeToString([]byte(page.Entries[limit-1].Key))
				return page, nil
			}
			page.Entries = append(page.Entries, abi.KVEntry{Key: key, Revision: rec.Rev})
		}
		if cursor = got.Next; cursor == "" {
			return page, nil
		}
	}
}

// listArgs returns the limit and the key to begin at: the cursor's, or the prefix.
func listArgs(in abi.KVList) (limit int, from string, err error) {
	const op = "kv.list"
	switch {
	case in.Limit < 0 || in.Limit > store.MaxPage:
		return 0, "", host.Errorf(op, abi.CodeInvalidArg, "limit is %d; use 1 to %d, or 0 for %d", in.Limit, store.MaxPage, store.DefaultPage)
	case in.Limit == 0:
		in.Limit = store.DefaultPage
	}
	if in.Cursor == "" {
		return in.Limit, in.Prefix, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err != nil || len(raw) == 0 || !strings.HasPrefix(string(raw), in.Prefix) {
		return 0, "", host.Errorf(op, abi.CodeInvalidArg, "cursor is not one of this listing; start again without it")
	}
	return in.Limit, string(raw), nil
}
