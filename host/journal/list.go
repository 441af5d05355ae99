// Copyright 2026 The Gantry Authors.

package journal

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Filter chooses entries; a zero field chooses all.
type Filter struct {
	User   string
	Plugin string
	Tool   string
	CallID string
	// Code is an outcome; Failed chooses every outcome but a good one.
	Code   abi.Code
	Failed bool
	// Since is included, Until is not.
	Since, Until time.Time
}

// Page is a piece of a listing, newest first. Next is the cursor of the following piece, "" on the
// last; a page with a Next may hold fewer entries than asked for, or none, where a filter is narrow.
type Page struct {
	Entries []Entry `json:"entries"`
	Next    string  `json:"next,omitempty"`
	// Lost is Stats.Lost, so that a reader knows of gaps.
	Lost uint64 `json:"lost,omitempty"`
}

// The bounds of List.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
	// maxScan bounds the records that one List looks at.
	maxScan = 400
)

// List returns a tenant's entries that are in the store; those of the last FlushEvery may be
// missing. Limit is 1 to MaxLimit, 0 means DefaultLimit. A cursor is good for any filter.
func (j *Journal) List(ctx context.Context, tenant host.TenantID, f Filter, cursor string, limit int) (Page, error) {
	const op = "journal.List"
	if limit < 0 || limit > MaxLimit {
		return Page{}, host.Errorf(op, abi.CodeInvalidArg, "limit: %d is not between 1 and %d", limit, MaxLimit)
	}
	if limit == 0 {
		limit = DefaultLimit
	}
	storeCursor, lastID, err := parseCursor(cursor)
	if err != nil {
		return Page{}, host.Errorf(op, abi.CodeInvalidArg, "cursor: %w", err)
	}
	page := Page{Entries: []Entry{}, Lost: j.Stats().Lost}
	for range maxScan {
		recs, err := j.cfg.Store.List(ctx, store.Key{root, tenantSegment(tenant)}, storeCursor, 1)
		if err != nil {
			return Page{}, err
		}
		for _, r := range recs.Records {
			full, past, err := page.add(r, f, &lastID, limit)
			if err != nil {
				return Page{}, host.E(op, abi.CodeInternal, err)
			}
			if past {
				return page, nil
			}
			if full {
				page.Next = formCursor(storeCursor, lastID)
				return page, nil
			}
		}
		if storeCursor = recs.Next; storeCursor == "" {
			return page, nil
		}
	}
	page.Next = formCursor(storeCursor, lastID)
	return page, nil
}

// add takes the entries of one record that the filter chooses and that come after lastID, which it
// moves on. Full says that there is no room for the next one; past that all the rest is too old.
func (p *Page) add(r store.Record, f Filter, lastID *string, limit int) (full, past bool, err error) {
	err = entries(r.Value, func(e *Entry) bool {
		if *lastID != "" && e.ID <= *lastID {
			return true
		}
		if !f.Since.IsZero() && e.Time.Before(f.Since) {
			past = true
			return false
		}
		if f.takes(e) {
			if len(p.Entries) == limit {
				full = true
				return false
			}
			p.Entries = append(p.Entries, *e)
		}
		*lastID = e.ID
		return true
	})
	return full, past, err
}

func (f *Filter) takes(e *Entry) bool {
	switch {
	case f.User != "" && e.User != f.User,
		f.Plugin != "" && e.Plugin != f.Plugin,
		f.Tool != "" && e.Tool != f.Tool,
		f.CallID != "" && e.CallID != f.CallID,
		f.Code != "" && e.Code != f.Code,
		f.Failed && e.Code == "",
		!f.Until.IsZero() && !e.Time.Before(f.Until):
		return false
	}
	return true
}

// A cursor is the store's cursor before the record that was being read, and the last entry that was
// looked at.
func formCursor(storeCursor, lastID string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(lastID + " " + storeCursor))
}

func parseCursor(s string) (storeCursor, lastID string, err error) {
	if s == "" {
		return "", "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	lastID, storeCursor, ok := strings.Cut(string(b), " ")
	if err != nil || !ok || len(lastID) != 16 {
		return "", "", errCursor
	}
	return storeCursor, lastID, nil
}

var errCursor = errors.New("it is not one that a listing gave; start without one")
