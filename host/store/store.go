// Copyright 2026 The Gantry Authors.

// Package store says what the host needs of a place to keep small records: get, put with an
// expected revision, delete, list, watch and expiry. There are no transactions over several
// records: each aggregate is one record.
//
// It does no storing itself: badgerstore does, and storetest is the one suite that every back-end
// passes. Large bodies are not for it.
package store

import (
	"context"
	"time"
)

// Key is a path of segments, such as {"keys", "acme", "k_1f"}. A segment is any non-empty string
// without a zero byte; a key has 1 to 16 of them and at most 1,024 bytes in all. Keys are ordered
// segment by segment, bytewise.
type Key []string

// Record is one stored value.
type Record struct {
	Key   Key
	Value []byte
	// Rev is never 0, and grows with each write of the same key, also across a delete and a restart.
	Rev uint64
	// Expires is when the record ends by itself; zero where it stays.
	Expires time.Time
}

// AnyRev, as PutOptions.Expect or the argument of Delete, writes whatever is there.
const AnyRev = ^uint64(0)

// PutOptions go with a Put. The zero value asks that the record does not exist yet.
type PutOptions struct {
	// Expect is the revision the record must have: 0 for a record that must not exist, AnyRev for any.
	Expect uint64
	// TTL ends the record after so long; 0 keeps it. It is good to a second.
	TTL time.Duration
}

// Page is a piece of a listing. Next is the cursor of the following piece, "" on the last.
type Page struct {
	Records []Record
	Next    string
}

// Event is one change that Watch saw. Deleted records carry no Value.
type Event struct {
	Record
	Deleted bool
}

// Store keeps records. Every method may be called concurrently. Errors are host.Errors:
// abi.CodeNotFound for a Get of what is not there, abi.CodeConflict for an Expect that does not
// hold, abi.CodeInvalidArg for a key or cursor that breaks the rules, abi.CodeLimit for a value
// longer than MaxValueBytes, abi.CodeUnavailable when the store is closed, or read-only because its
// disk is nearly full.
type Store interface {
	// Get returns the record; the value belongs to the caller.
	Get(ctx context.Context, k Key) (Record, error)
	// Put writes the record and returns its revision. When it returns without error the write is as
	// durable as the store was opened to be.
	Put(ctx context.Context, k Key, value []byte, o PutOptions) (uint64, error)
	// Delete removes the record if it has the expected revision (AnyRev for any). Deleting what is
	// not there is no error with AnyRev, and a conflict otherwise.
	Delete(ctx context.Context, k Key, expect uint64) error
	// List returns the records below prefix (the key itself not included), in order, after the
	// cursor, at most limit (1 to 1,000; 0 means 100). A page may be shorter and still have a Next.
	// The empty prefix lists everything.
	List(ctx context.Context, prefix Key, cursor string, limit int) (Page, error)
	// Watch sends every change below prefix that is committed after it returns, in order of commit
	// for each key, until ctx ends; then the channel is closed. A reader that falls too far behind
	// has its channel closed early and must list again.
	Watch(ctx context.Context, prefix Key) (<-chan Event, error)
}
