// Copyright 2026 The Gantry Authors.

package store

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds every back-end keeps.
const (
	// MaxSegments bounds the segments of a key.
	MaxSegments = 16
	// MaxKeyBytes bounds a key in its encoded form: its segments and one byte between them.
	MaxKeyBytes = 1024
	// MaxValueBytes bounds a value; a longer one is abi.CodeLimit. It is what fits into one message
	// or one in-memory record of every back-end; larger bodies are for files, or for several records.
	MaxValueBytes = 1_000_000
	// MaxPage bounds what one List returns, DefaultPage is what limit 0 means.
	MaxPage     = 1000
	DefaultPage = 100
)

// Validate checks the rules of a key; the error names the segment and the mend.
func (k Key) Validate() error {
	if len(k) == 0 {
		return badKey("the key has no segments; it needs 1 to %d", MaxSegments)
	}
	return k.validatePrefix()
}

// validatePrefix is Validate for the argument of List and Watch, where the empty key is everything.
func (k Key) validatePrefix() error {
	if len(k) > MaxSegments {
		return badKey("the key has %d segments; at most %d are allowed", len(k), MaxSegments)
	}
	size := max(len(k)-1, 0)
	for i, s := range k {
		if s == "" {
			return badKey("segment %d of the key is empty; leave it out or name it", i+1)
		}
		if strings.IndexByte(s, 0) >= 0 {
			return badKey("segment %d of the key holds a zero byte; encode it first", i+1)
		}
		size += len(s)
	}
	if size > MaxKeyBytes {
		return badKey("the key has %d bytes; at most %d are allowed", size, MaxKeyBytes)
	}
	return nil
}

func badKey(format string, args ...any) error {
	return host.Errorf("store.Key", abi.CodeInvalidArg, format, args...)
}

// String is the key for people and logs.
func (k Key) String() string { return fmt.Sprintf("%q", []string(k)) }

// Below tells whether k lies below prefix: longer than it, and beginning with its segments.
func (k Key) Below(prefix Key) bool {
	if len(k) <= len(prefix) {
		return false
	}
	for i, s := range prefix {
		if k[i] != s {
			return false
		}
	}
	return true
}

// AppendKey appends the key's bytes to dst. Encoded keys compare bytewise as their keys do segment
// by segment, because the zero byte between segments is smaller than any byte in one. The key must
// be valid.
func AppendKey(dst []byte, k Key) []byte {
	for i, s := range k {
		if i > 0 {
			dst = append(dst, 0)
		}
		dst = append(dst, s...)
	}
	return dst
}

// AppendPrefix appends what all keys below prefix begin with, and no other key does. The prefix
// must be valid or empty.
func AppendPrefix(dst []byte, prefix Key) []byte {
	if len(prefix) == 0 {
		return dst
	}
	return append(AppendKey(dst, prefix), 0)
}

// ParseKey reads what AppendKey wrote, and refuses anything else.
func ParseKey(data []byte) (Key, error) {
	if len(data) > MaxKeyBytes {
		return nil, badKey("the key has %d bytes; at most %d are allowed", len(data), MaxKeyBytes)
	}
	if n := bytes.Count(data, []byte{0}) + 1; n > MaxSegments {
		return nil, badKey("the key has %d segments; at most %d are allowed", n, MaxSegments)
	}
	k := Key(strings.Split(string(data), "\x00"))
	if err := k.Validate(); err != nil {
		return nil, err
	}
	return k, nil
}

// CursorAfter is the cursor with which List goes on after k, in every back-end. There need not be a
// record k, so a listing can begin anywhere.
func CursorAfter(k Key) string {
	return base64.RawURLEncoding.EncodeToString(AppendKey(nil, k))
}

// ListArgs checks the arguments of a List and returns them as a back-end wants them: the key to go
// on after (nil from the start) and the limit. Errors are abi.CodeInvalidArg.
func ListArgs(prefix Key, cursor string, limit int) (after Key, n int, err error) {
	if err := prefix.validatePrefix(); err != nil {
		return nil, 0, err
	}
	switch {
	case limit < 0 || limit > MaxPage:
		return nil, 0, badKey("limit is %d; use 1 to %d, or 0 for %d", limit, MaxPage, DefaultPage)
	case limit == 0:
		limit = DefaultPage
	}
	if cursor == "" {
		return nil, limit, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return nil, 0, badKey("the cursor is not one this store gave; start again without it")
	}
	if after, err = ParseKey(raw); err != nil || !after.Below(prefix) {
		return nil, 0, badKey("the cursor is not one of this listing; start again without it")
	}
	return after, limit, nil
}

// WatchArgs checks the argument of a Watch.
func WatchArgs(prefix Key) error { return prefix.validatePrefix() }

// PutArgs checks the arguments of a Put: abi.CodeInvalidArg for the key or a negative TTL,
// abi.CodeLimit for a value that is too long.
func PutArgs(k Key, value []byte, o PutOptions) error {
	if err := k.Validate(); err != nil {
		return err
	}
	if o.TTL < 0 {
		return host.Errorf("store.Put", abi.CodeInvalidArg, "ttl is %s; use 0 to keep the record", o.TTL)
	}
	if len(value) > MaxValueBytes {
		return host.Errorf("store.Put", abi.CodeLimit,
			"the value has %d bytes; a record may have %d", len(value), MaxValueBytes)
	}
	return nil
}
