// Copyright 2026 The Gantry Authors.

package store_test

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/host/store"
)

func keys() *rapid.Generator[store.Key] {
	segment := rapid.SliceOfN(rapid.ByteRange(1, 255), 1, 4)
	return rapid.Map(rapid.SliceOfN(segment, 1, 5), func(raw [][]byte) store.Key {
		k := make(store.Key, len(raw))
		for i, s := range raw {
			k[i] = string(s)
		}
		return k
	})
}

func TestEncodedKeysAreOrderedAsKeysAre(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		a, b := keys().Draw(r, "a"), keys().Draw(r, "b")
		ea, eb := store.AppendKey(nil, a), store.AppendKey(nil, b)
		if got, want := bytes.Compare(ea, eb), slices.Compare(a, b); got != want {
			t.Fatalf("%v and %v compare %d, their encodings %d", a, b, want, got)
		}
		if got, want := bytes.HasPrefix(ea, store.AppendPrefix(nil, b)), a.Below(b); got != want {
			t.Fatalf("%v below %v is %t, by its encoding %t", a, b, want, got)
		}
		back, err := store.ParseKey(ea)
		if err != nil || !slices.Equal(back, a) {
			t.Fatalf("%v came back as %v, %v", a, back, err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"", "a", "a\x00b", "\x00", "a\x00", "a\x00\x00b"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := store.ParseKey(data)
		if err != nil {
			return
		}
		if err := k.Validate(); err != nil {
			t.Fatalf("%q was read as %v: %v", data, k, err)
		}
		if !bytes.Equal(store.AppendKey(nil, k), data) {
			t.Fatalf("%q was read as %v", data, k)
		}
	})
}

func FuzzListArgs(f *testing.F) {
	f.Add("", 0)
	f.Add(store.CursorAfter(store.Key{"a", "b"}), 7)
	f.Add("!", 1001)
	f.Fuzz(func(t *testing.T, cursor string, limit int) {
		after, n, err := store.ListArgs(store.Key{"a"}, cursor, limit)
		if err == nil && (n < 1 || n > store.MaxPage || after != nil && (!after.Below(store.Key{"a"}) || store.CursorAfter(after) != cursor)) {
			t.Fatalf("%q, %d was read as %v, %d", cursor, limit, after, n)
		}
	})
}
