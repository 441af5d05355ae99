// Copyright 2026 The Gantry Authors.

// Package storetest is the suite that every back-end of store.Store passes: each promise of the
// interface's comments is a subtest of Run.
//
// It does not test durability, which differs by how a store was opened; back-ends do that
// themselves.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Run runs the suite. Open returns a new, empty store and arranges with t for its closing; it is
// called once for each subtest.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	for _, p := range []struct {
		promise string
		test    func(*testing.T, store.Store)
	}{
		{"what was put can be got", putGet},
		{"the value belongs to the caller", valueOwnership},
		{"what is not there is not found", notFound},
		{"expect 0 creates once", createOnce},
		{"a revision guards a put", guardedPut},
		{"a revision guards a delete", guardedDelete},
		{"revisions grow over a delete", revGrows},
		{"of 64 creators exactly one wins", oneCreator},
		{"64 counters lose no step", counters},
		{"a failed write does not fail its neighbours", neighbours},
		{"bad keys are refused by name", badKeys},
		{"the longest key and value are kept", bounds},
		{"a listing is ordered by segments", listOrder},
		{"a listing is paged without gap or double", listPages},
		{"a listing takes bad arguments for an error", listArgs},
		{"a cursor may name what is not there", listFromAnywhere},
		{"a record ends by its TTL", ttl},
		{"a watcher sees changes in order", watchOrder},
		{"a watcher's channel closes with its context", watchEnds},
		{"a watcher that lags is closed", watchLags},
		{"a context that has ended stops a call", endedContext},
		{"any run of operations agrees with a map", model},
	} {
		t.Run(p.promise, func(t *testing.T) { p.test(t, open(t)) })
	}
}

// WantCode fails the test unless err has the code.
func WantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	if got := host.CodeOf(err); got != want {
		t.Fatalf("got code %q (%v), want %q", got, err, want)
	}
}

func put(t testing.TB, s store.Store, k store.Key, v string, o store.PutOptions) uint64 {
	t.Helper()
	rev, err := s.Put(t.Context(), k, []byte(v), o)
	if err != nil {
		t.Fatalf("put %v: %v", k, err)
	}
	return rev
}

func key(k ...string) store.Key { return k }

var whatever = store.PutOptions{Expect: store.AnyRev}

func putGet(t *testing.T, s store.Store) {
	for _, v := range []string{"", "one", "two\x00three", strings.Repeat("x", 300_000)} {
		rev := put(t, s, key("a", "b"), v, whatever)
		rec, err := s.Get(t.Context(), key("a", "b"))
		if err != nil {
			t.Fatal(err)
		}
		if string(rec.Value) != v || rec.Rev != rev || rev == 0 || rec.Key.String() != key("a", "b").String() || !rec.Expires.IsZero() {
			t.Fatalf("got %v rev %d expires %v and %d bytes, want rev %d and %d bytes",
				rec.Key, rec.Rev, rec.Expires, len(rec.Value), rev, len(v))
		}
	}
}

func valueOwnership(t *testing.T, s store.Store) {
	v := []byte("before")
	if _, err := s.Put(t.Context(), key("k"), v, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	copy(v, "xxxxxx")
	for range 2 {
		rec, err := s.Get(t.Context(), key("k"))
		if err != nil || string(rec.Value) != "before" {
			t.Fatalf("got %q, %v", rec.Value, err)
		}
		copy(rec.Value, "yyyyyy")
	}
}

func notFound(t *testing.T, s store.Store) {
	put(t, s, key("a", "b"), "v", whatever)
	for _, k := range []store.Key{key("a"), key("a", "b", "c"), key("a", "bb"), key("b")} {
		_, err := s.Get(t.Context(), k)
		WantCode(t, err, abi.CodeNotFound)
	}
}

func createOnce(t *testing.T, s store.Store) {
	put(t, s, key("k"), "first", store.PutOptions{})
	_, err := s.Put(t.Context(), key("k"), []byte("second"), store.PutOptions{})
	WantCode(t, err, abi.CodeConflict)
	rec, err := s.Get(t.Context(), key("k"))
	if err != nil || string(rec.Value) != "first" {
		t.Fatalf("got %q, %v", rec.Value, err)
	}
}

func guardedPut(t *testing.T, s store.Store) {
	_, err := s.Put(t.Context(), key("k"), nil, store.PutOptions{Expect: 7})
	WantCode(t, err, abi.CodeConflict)
	r1 := put(t, s, key("k"), "1", store.PutOptions{})
	r2 := put(t, s, key("k"), "2", store.PutOptions{Expect: r1})
	if r2 <= r1 {
		t.Fatalf("revision %d after %d", r2, r1)
	}
	_, err = s.Put(t.Context(), key("k"), []byte("3"), store.PutOptions{Expect: r1})
	WantCode(t, err, abi.CodeConflict)
}

func guardedDelete(t *testing.T, s store.Store) {
	if err := s.Delete(t.Context(), key("k"), store.AnyRev); err != nil {
		t.Fatalf("deleting nothing: %v", err)
	}
	WantCode(t, s.Delete(t.Context(), key("k"), 3), abi.CodeConflict)
	r := put(t, s, key("k"), "v", store.PutOptions{})
	WantCode(t, s.Delete(t.Context(), key("k"), r+1), abi.CodeConflict)
	if err := s.Delete(t.Context(), key("k"), r); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), key("k"))
	WantCode(t, err, abi.CodeNotFound)
}

func revGrows(t *testing.T, s store.Store) {
	var last uint64
	for i := range 5 {
		r := put(t, s, key("k"), fmt.Sprint(i), store.PutOptions{})
		if r <= last {
			t.Fatalf("revision %d after %d", r, last)
		}
		last = r
		if err := s.Delete(t.Context(), key("k"), r); err != nil {
			t.Fatal(err)
		}
	}
}

func oneCreator(t *testing.T, s store.Store) {
	var wins atomic.Int32
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, err := s.Put(t.Context(), key("prize"), fmt.Append(nil, i), store.PutOptions{})
			switch host.CodeOf(err) {
			case "":
				wins.Add(1)
			case abi.CodeConflict:
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Fatalf("%d won", wins.Load())
	}
}

func counters(t *testing.T, s store.Store) {
	put(t, s, key("n"), "", store.PutOptions{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				rec, err := s.Get(t.Context(), key("n"))
				if err != nil {
					t.Error(err)
					return
				}
				_, err = s.Put(t.Context(), key("n"), append(rec.Value, '.'), store.PutOptions{Expect: rec.Rev})
				if err == nil {
					return
				}
				if host.CodeOf(err) != abi.CodeConflict {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	rec, err := s.Get(t.Context(), key("n"))
	if err != nil || len(rec.Value) != 64 {
		t.Fatalf("got %d steps, %v", len(rec.Value), err)
	}
}

func neighbours(t *testing.T, s store.Store) {
	put(t, s, key("taken"), "", store.PutOptions{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			k := key("mine", fmt.Sprint(i))
			if i%2 == 0 {
				k = key("taken")
			}
			_, err := s.Put(t.Context(), k, nil, store.PutOptions{})
			if conflict := host.CodeOf(err) == abi.CodeConflict; conflict != (i%2 == 0) || err != nil && !conflict {
				t.Errorf("%v: %v", k, err)
			}
		})
	}
	wg.Wait()
	page, err := s.List(t.Context(), key("mine"), "", 0)
	if err != nil || len(page.Records) != 32 {
		t.Fatalf("got %d records, %v", len(page.Records), err)
	}
}

func badKeys(t *testing.T, s store.Store) {
	many := make(store.Key, store.MaxSegments+1)
	for i := range many {
		many[i] = "s"
	}
	for _, c := range []struct {
		key  store.Key
		says string
	}{
		{nil, "no segments"},
		{key("a", ""), "segment 2"},
		{key("a\x00b"), "zero byte"},
		{many, "17 segments"},
		{key(strings.Repeat("k", store.MaxKeyBytes+1)), "1025 bytes"},
		{key(strings.Repeat("k", 512), strings.Repeat("k", 512)), "1025 bytes"},
	} {
		_, err := s.Put(t.Context(), c.key, nil, whatever)
		WantCode(t, err, abi.CodeInvalidArg)
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q does not say %q", err, c.says)
		}
		_, err = s.Get(t.Context(), c.key)
		WantCode(t, err, abi.CodeInvalidArg)
		WantCode(t, s.Delete(t.Context(), c.key, store.AnyRev), abi.CodeInvalidArg)
		if c.key == nil {
			continue
		}
		_, err = s.List(t.Context(), c.key, "", 0)
		WantCode(t, err, abi.CodeInvalidArg)
		_, err = s.Watch(t.Context(), c.key)
		WantCode(t, err, abi.CodeInvalidArg)
	}
}

func bounds(t *testing.T, s store.Store) {
	k := key(strings.Repeat("k", 511), strings.Repeat("k", 512))
	v := bytes.Repeat([]byte("v"), store.MaxValueBytes)
	if _, err := s.Put(t.Context(), k, v, store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	rec, err := s.Get(t.Context(), k)
	if err != nil || !bytes.Equal(rec.Value, v) {
		t.Fatalf("got %d bytes, %v", len(rec.Value), err)
	}
	_, err = s.Put(t.Context(), k, append(v, 'v'), whatever)
	WantCode(t, err, abi.CodeLimit)
	_, err = s.Put(t.Context(), k, nil, store.PutOptions{Expect: store.AnyRev, TTL: -time.Second})
	WantCode(t, err, abi.CodeInvalidArg)
}

func ttl(t *testing.T, s store.Store) {
	begin := time.Now()
	put(t, s, key("t", "short"), "v", store.PutOptions{TTL: 1200 * time.Millisecond})
	put(t, s, key("t", "long"), "v", store.PutOptions{TTL: time.Hour})
	put(t, s, key("t", "kept"), "v", store.PutOptions{TTL: time.Second})
	put(t, s, key("t", "kept"), "v", whatever) // a write without a TTL takes it off
	rec, err := s.Get(t.Context(), key("t", "short"))
	switch {
	case err != nil && time.Since(begin) < time.Second:
		t.Fatalf("ended too early: %v", err)
	case err == nil && (rec.Expires.Before(begin) || rec.Expires.After(begin.Add(10*time.Second))):
		t.Fatalf("expires at %v", rec.Expires)
	}
	gone := func() bool { _, err := s.Get(t.Context(), key("t", "short")); return err != nil }
	for deadline := time.Now().Add(10 * time.Second); !gone(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the record did not end")
		}
	}
	if got := strings.Join(pageAll(t, s, key("t"), 0), " "); got != "kept long" {
		t.Errorf("left are %q", got)
	}
	put(t, s, key("t", "short"), "again", store.PutOptions{}) // what has ended does not exist
}

func endedContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Put(ctx, key("k"), nil, whatever)
	WantCode(t, err, abi.CodeCancelled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v does not wrap the context's error", err)
	}
	_, err = s.Get(ctx, key("k"))
	WantCode(t, err, abi.CodeCancelled)
	_, err = s.Get(t.Context(), key("k"))
	WantCode(t, err, abi.CodeNotFound)
}
