// Copyright 2026 The Gantry Authors.

package storetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/store"
)

func listOrder(t *testing.T, s store.Store) {
	// In the order wanted: "a" before all below it, and all below it before "a!" and "a\x01".
	keys := []store.Key{key("a"), key("a", "\x01"), key("a", "b"), key("a", "b", "c"), key("a", "b\x01"), key("a", "ü"),
		key("a\x01"), key("a!"), key("ab"), key("b"), key("\xff")}
	for _, i := range []int{7, 2, 10, 0, 5, 1, 9, 3, 8, 4, 6} {
		put(t, s, keys[i], fmt.Sprint(i), store.PutOptions{})
	}
	for _, c := range []struct {
		prefix   store.Key
		from, to int
	}{{nil, 0, 11}, {key("a"), 1, 6}, {key("a", "b"), 3, 4}, {key("b"), 0, 0}, {key("none"), 0, 0}} {
		page, err := s.List(t.Context(), c.prefix, "", 0)
		if err != nil {
			t.Fatal(err)
		}
		want := keys[c.from:c.to]
		if len(page.Records) != len(want) || page.Next != "" {
			t.Fatalf("below %v: got %v, next %q, want %v", c.prefix, page.Records, page.Next, want)
		}
		for i, r := range page.Records {
			if r.Key.String() != want[i].String() || string(r.Value) != fmt.Sprint(c.from+i) {
				t.Errorf("below %v: record %d is %v %q, want %v", c.prefix, i, r.Key, r.Value, want[i])
			}
		}
	}
}

func listPages(t *testing.T, s store.Store) {
	const n = 257
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			if _, err := s.Put(t.Context(), key("p", fmt.Sprintf("%04d", i)), nil, store.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	put(t, s, key("q"), "", store.PutOptions{})
	for _, limit := range []int{1, 7, 0, 256, 257, 1000} {
		if got := pageAll(t, s, key("p"), limit); len(got) != n || got[0] != "0000" || got[n-1] != "0256" {
			t.Errorf("limit %d: got %d records", limit, len(got))
		}
	}
}

// pageAll lists everything below prefix and fails on a record that is not behind the one before.
func pageAll(t testing.TB, s store.Store, prefix store.Key, limit int) []string {
	t.Helper()
	var out []string
	for cursor := ""; ; {
		page, err := s.List(t.Context(), prefix, cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		if limit > 0 && len(page.Records) > limit || limit == 0 && len(page.Records) > store.DefaultPage {
			t.Fatalf("limit %d: got %d records", limit, len(page.Records))
		}
		for _, r := range page.Records {
			name := r.Key[len(prefix)]
			if len(out) > 0 && name <= out[len(out)-1] {
				t.Fatalf("%q after %q", name, out[len(out)-1])
			}
			out = append(out, name)
		}
		if page.Next == "" {
			return out
		}
		cursor = page.Next
	}
}

func listArgs(t *testing.T, s store.Store) {
	put(t, s, key("a", "1"), "", store.PutOptions{})
	for _, c := range []struct {
		cursor string
		limit  int
	}{{"", -1}, {"", 1001}, {"?", 0}, {"AA", 0}, {store.CursorAfter(key("b", "1")), 0}, {store.CursorAfter(key("a")), 0}} {
		_, err := s.List(t.Context(), key("a"), c.cursor, c.limit)
		WantCode(t, err, abi.CodeInvalidArg)
	}
}

func listFromAnywhere(t *testing.T, s store.Store) {
	for _, n := range []string{"1", "3", "5"} {
		put(t, s, key("a", n), "", store.PutOptions{})
	}
	for cursor, want := range map[string]int{"0": 3, "2": 2, "3": 1, "6": 0} {
		page, err := s.List(t.Context(), key("a"), store.CursorAfter(key("a", cursor)), 0)
		if err != nil || len(page.Records) != want {
			t.Errorf("after %s: got %d records, %v, want %d", cursor, len(page.Records), err, want)
		}
	}
}
