// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"encoding/json"
	"hash/maphash"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// stripe holds the spaces whose names hash to it. Its lock is held through every change of one of
// them: two spaces may wait for each other, which costs milliseconds, and no space needs a lock of
// its own that somebody would have to throw away.
type stripe struct {
	mu     sync.Mutex
	usages map[string]*usage
}

// stripeSpaces bounds how many usages a stripe remembers; then it forgets them all.
const stripeSpaces = 256

func (s *Service) stripe(sp space) *stripe {
	return &s.stripes[maphash.String(s.seed, sp.String())%uint64(len(s.stripes))]
}

// usage is what a space holds, counted at its first change and kept up to date by the others.
type usage struct {
	known   bool
	counted time.Time
	bytes   int64
	files   int64
	// untidy is when to look again for what killed hosts left behind; zero where there was nothing.
	untidy time.Time
}

// usage returns the space's; mu is held.
func (st *stripe) usage(sp space) *usage {
	name := sp.String()
	u := st.usages[name]
	if u == nil {
		if st.usages == nil || len(st.usages) >= stripeSpaces {
			st.usages = map[string]*usage{}
		}
		u = &usage{}
		st.usages[name] = u
	}
	return u
}

// growth is what a change adds to a usage.
type growth struct{ bytes, files int64 }

// recountAfter is how old a count is before it is made anew instead of refusing a change: another
// host of a cluster may have deleted something. It keeps a user at the quota from making the host
// count for each attempt.
const recountAfter = 10 * time.Second

// reserve adds a growth to the usage, if that keeps within the bounds. What does not grow is never
// refused.
func (s *Service) reserve(ctx context.Context, sp space, u *usage, g growth) error {
	const op = "memory.reserve"
	for {
		if !u.known {
			if err := s.count(ctx, sp, u); err != nil {
				return err
			}
		}
		if !u.untidy.IsZero() && s.clock.Now().After(u.untidy) {
			if err := s.tidyUp(ctx, sp, u); err != nil {
				return err
			}
		}
		bytes, files := u.bytes+g.bytes, u.files+g.files
		overBytes := s.quota >= 0 && g.bytes > 0 && bytes > s.quota
		overFiles := s.maxFiles >= 0 && g.files > 0 && files > s.maxFiles
		switch {
		case !overBytes && !overFiles:
			u.bytes, u.files = bytes, files
			return nil
		case s.clock.Now().Sub(u.counted) > recountAfter:
			u.known = false
		case overBytes:
			return host.Errorf(op, abi.CodeLimit, "the user's memory would have %d bytes; its quota is %d", bytes, s.quota).
				WithHint("delete or shorten files that are not needed")
		default:
			return host.Errorf(op, abi.CodeLimit, "the user's memory would have %d files; its quota is %d", files, s.maxFiles).
				WithHint("delete or join files that are not needed")
		}
	}
}

// count looks at every file of a space, and tidies up.
func (s *Service) count(ctx context.Context, sp space, u *usage) error {
	var bytes, files int64
	for rec, err := range s.records(ctx, sp.key(kindFile), "") {
		if err != nil {
			return err
		}
		h, err := parseHead("memory.count", rec)
		if err != nil {
			return err
		}
		bytes, files = bytes+h.Size, files+1
	}
	*u = usage{known: true, counted: s.clock.Now(), bytes: bytes, files: files}
	return s.tidyUp(ctx, sp, u)
}

// tidyUp ends the changes that killed hosts left half done. One that is young may be under way on
// another host, so it is looked at again later.
func (s *Service) tidyUp(ctx context.Context, sp space, u *usage) error {
	u.untidy = time.Time{}
	for rec, err := range s.records(ctx, sp.key(kindIntent), "") {
		if err != nil {
			return err
		}
		var in intent
		if err := json.Unmarshal(rec.Value, &in); err != nil {
			return host.Errorf("memory.tidyUp", abi.CodeInternal, "record %v does not parse: %w", rec.Key, err)
		}
		if now := s.clock.Now(); now.Sub(in.At) < intentAge {
			u.untidy = now.Add(intentAge)
			continue
		}
		if err := s.tidy(ctx, sp, rec.Key, &in); err != nil {
			return err
		}
	}
	return nil
}

// records goes through what is below prefix, after the cursor. Pages are small because heads may
// hold text.
func (s *Service) records(ctx context.Context, prefix store.Key, cursor string) func(func(store.Record, error) bool) {
	const page = 128
	return func(yield func(store.Record, error) bool) {
		for {
			got, err := s.store.List(ctx, prefix, cursor, page)
			if err != nil {
				yield(store.Record{}, err)
				return
			}
			for _, rec := range got.Records {
				if !yield(rec, nil) {
					return
				}
			}
			if cursor = got.Next; cursor == "" {
				return
			}
		}
	}
}
