// Copyright 2026 The Gantry Authors.

package storetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// modelState is a store as a map says it should be, beside the one under test. Each run of rapid
// works below a prefix of its own, so that one store serves them all.
type modelState struct {
	s      store.Store
	t      *testing.T
	prefix string
	want   map[string]store.Record
	revs   map[string]uint64
}

func model(t *testing.T, s store.Store) {
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		m := &modelState{s: s, t: t, prefix: fmt.Sprint("run", run), want: map[string]store.Record{}, revs: map[string]uint64{}}
		r.Repeat(map[string]func(*rapid.T){
			"put": m.put, "delete": m.delete, "get": m.get, "list": m.list,
		})
	})
}

func (m *modelState) key(r *rapid.T) store.Key {
	seg := rapid.SampledFrom([]string{"a", "b", "ab", "a\x01", "ü"})
	return append(store.Key{m.prefix}, rapid.SliceOfN(seg, 1, 3).Draw(r, "key")...)
}

func encoded(k store.Key) string { return string(store.AppendKey(nil, k)) }

func (m *modelState) expect(r *rapid.T, k store.Key) uint64 {
	have := m.want[encoded(k)].Rev
	return rapid.SampledFrom([]uint64{store.AnyRev, 0, have, have + 1}).Draw(r, "expect")
}

func (m *modelState) put(r *rapid.T) {
	k := m.key(r)
	expect := m.expect(r, k)
	value := rapid.SliceOfN(rapid.Byte(), 0, 20).Draw(r, "value")
	rev, err := m.s.Put(m.t.Context(), k, value, store.PutOptions{Expect: expect})
	if expect != store.AnyRev && expect != m.want[encoded(k)].Rev {
		if host.CodeOf(err) != abi.CodeConflict {
			r.Fatalf("put %v expecting %d: %v", k, expect, err)
		}
		return
	}
	if err != nil || rev <= m.revs[encoded(k)] {
		r.Fatalf("put %v: revision %d after %d, %v", k, rev, m.revs[encoded(k)], err)
	}
	m.revs[encoded(k)] = rev
	m.want[encoded(k)] = store.Record{Key: k, Value: value, Rev: rev}
}

func (m *modelState) delete(r *rapid.T) {
	k := m.key(r)
	expect := m.expect(r, k)
	err := m.s.Delete(m.t.Context(), k, expect)
	have, there := m.want[encoded(k)]
	if expect != store.AnyRev && (!there || expect != have.Rev) {
		if host.CodeOf(err) != abi.CodeConflict {
			r.Fatalf("delete %v expecting %d: %v", k, expect, err)
		}
		return
	}
	if err != nil {
		r.Fatalf("delete %v: %v", k, err)
	}
	delete(m.want, encoded(k))
}

func (m *modelState) get(r *rapid.T) {
	k := m.key(r)
	got, err := m.s.Get(m.t.Context(), k)
	want, there := m.want[encoded(k)]
	switch {
	case !there && host.CodeOf(err) != abi.CodeNotFound:
		r.Fatalf("get %v: %v, %v", k, got, err)
	case there && (err != nil || got.Rev != want.Rev || string(got.Value) != string(want.Value)):
		r.Fatalf("get %v: %v, %v, want %v", k, got, err, want)
	}
}

func (m *modelState) list(r *rapid.T) {
	prefix := store.Key{m.prefix}
	if rapid.Bool().Draw(r, "deep") {
		prefix = m.key(r)
	}
	limit := rapid.IntRange(1, 5).Draw(r, "limit")
	var want, got []string
	for enc := range m.want {
		if strings.HasPrefix(enc, encoded(prefix)+"\x00") {
			want = append(want, enc)
		}
	}
	slices.Sort(want)
	for cursor, more := "", true; more; {
		page, err := m.s.List(m.t.Context(), prefix, cursor, limit)
		if err != nil {
			r.Fatal(err)
		}
		for _, rec := range page.Records {
			got = append(got, encoded(rec.Key))
		}
		cursor, more = page.Next, page.Next != ""
	}
	if !slices.Equal(got, want) {
		r.Fatalf("below %v: got %q, want %q", prefix, got, want)
	}
}
