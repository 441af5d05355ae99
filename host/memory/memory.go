// Copyright 2026 The Gantry Authors.

// Package memory keeps what users want remembered: text files that last, for each user of a tenant
// apart, with revisions, listing and search. It answers the operations memory.* of guests
// (abi.OpMemoryRead and the rest), and the same to REST and the command line.
//
// Whose memory it is follows from the principal and from nothing that a caller writes, so there is
// no name for another's file. It is no place for bytes that are not text, it keeps no old versions,
// and it is not the knowledge base of the tenant.
package memory

import (
	"hash/maphash"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// MaxFileBytes bounds the text of a file.
const MaxFileBytes = 1 << 20

// maxUserBytes is what host/keys lets a user's name have.
const maxUserBytes = 128

// Config is what a Service is made of.
type Config struct {
	// Store keeps the files.
	Store store.Store
	// QuotaBytes bounds the texts of one user. 0 means 64 MiB, negative no bound.
	QuotaBytes int64
	// MaxFiles bounds the files of one user. 0 means 10,000, negative no bound.
	MaxFiles int64
	// SearchBytes bounds the texts that one search looks at. 0 means 64 MiB.
	SearchBytes int64
	// Clock is the machine's where nil.
	Clock host.Clock
}

// Service keeps the memory of all users. It is safe for concurrent use, and has nothing to close.
type Service struct {
	store       store.Store
	quota       int64
	maxFiles    int64
	searchBytes int64
	clock       host.Clock
	seed        maphash.Seed
	stripes     [64]stripe
}

// New makes a Service.
func New(c Config) (*Service, error) {
	const op = "memory.New"
	switch {
	case c.Store == nil:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Store is missing")
	case c.SearchBytes < 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "SearchBytes is %d; use 0 for 64 MiB", c.SearchBytes)
	}
	orDefault(&c.QuotaBytes, 64<<20)
	orDefault(&c.MaxFiles, 10_000)
	orDefault(&c.SearchBytes, 64<<20)
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	return &Service{
		store: c.Store, quota: c.QuotaBytes, maxFiles: c.MaxFiles, searchBytes: c.SearchBytes,
		clock: c.Clock, seed: maphash.MakeSeed(),
	}, nil
}

func orDefault(v *int64, usual int64) {
	if *v == 0 {
		*v = usual
	}
}

// space is the memory of one user: the prefix of its records.
type space store.Key

// The kinds of record in a space.
const (
	kindFile   = "f" // f, path: a head
	kindPiece  = "p" // p, body, number: a piece of a long text
	kindIntent = "w" // w, id: a change under way that has pieces to tidy away
)

func (sp space) key(segments ...string) store.Key {
	return append(append(make(store.Key, 0, len(sp)+len(segments)), sp...), segments...)
}

func (sp space) file(path string) store.Key { return sp.key(kindFile, path) }

// String names the space in a map. Segments have no zero byte.
func (sp space) String() string { return strings.Join(sp, "\x00") }

// spaceFor finds whose memory p may use, and checks that it may.
//
// Changing asks for write:tools because it changes something in the user's name, as a tool that is
// not read-only does; and for read:data because a change tells what is there: conflicts name
// revisions, an append gives the size.
func spaceFor(op string, p *host.Principal, write bool) (space, error) {
	if p == nil || !p.Tenant.Valid() {
		return nil, host.Errorf(op, abi.CodeInternal, "the call has no tenant")
	}
	if p.Kind == host.KindWorkspace { // a workspace is plain storage
		return nil, host.Errorf(op, abi.CodeForbidden, "a workspace credential has no memory").WithHint("use an org key")
	}
	for _, sc := range []host.Scope{host.ScopeReadData, host.ScopeWriteTools} {
		if sc == host.ScopeWriteTools && !write || p.Has(sc) {
			continue
		}
		what := "reading memory"
		if write {
			what = "changing memory"
		}
		return nil, host.Errorf(op, abi.CodeForbidden, "the key lacks the scope %s, which %s needs", sc, what).
			WithHint("use a key with the scope %s", sc)
	}
	user := "-" // nobody in particular: the tenant's own
	if p.User != "" {
		user = "u" + p.User
	}
	if len(p.User) > maxUserBytes || !utf8.ValidString(p.User) || strings.ContainsFunc(p.User, unicode.IsControl) {
		return nil, host.Errorf(op, abi.CodeInvalidArg,
			"user: it has more than %d bytes, control characters, or is not UTF-8", maxUserBytes)
	}
	return space{"memory", string(p.Tenant), user}, nil
}
