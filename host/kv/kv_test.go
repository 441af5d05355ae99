// Copyright 2026 The Gantry Authors.

package kv_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/kv"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func service(t testing.TB, quota int64) *kv.Service {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	s, err := kv.New(kv.Config{Store: st, QuotaBytes: quota})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func guest(tenant host.TenantID, plugin string) *host.CallInfo {
	return &host.CallInfo{Principal: &host.Principal{Tenant: tenant}, Plugin: plugin, Granted: &abi.Rights{KV: true}}
}

// do calls an operation as a guest would.
func do[Out any](t testing.TB, s *kv.Service, call *host.CallInfo, op string, in any) (Out, error) {
	t.Helper()
	req, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Out
	data, err := s.Ops()[op](t.Context(), call, req)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatalf("the answer is not JSON: %q", data)
	}
	return out, nil
}

func put(t testing.TB, s *kv.Service, call *host.CallInfo, key, value string) abi.KVEntry {
	t.Helper()
	e, err := do[abi.KVEntry](t, s, call, abi.OpKVPut, abi.KVPut{Key: key, Value: []byte(value)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestEntriesAreKept(t *testing.T) {
	s, g := service(t, 0), guest("acme", "notes")
	e := put(t, s, g, "a/b ü", "one")
	got, err := do[abi.KVEntry](t, s, g, abi.OpKVGet, abi.KVRequest{Key: "a/b ü"})
	if err != nil || string(got.Value) != "one" || got.Revision != e.Revision || got.Key != "a/b ü" {
		t.Fatalf("got %+v, %v", got, err)
	}
	for range 2 {
		if _, err := do[struct{}](t, s, g, abi.OpKVDelete, abi.KVRequest{Key: "a/b ü"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = do[abi.KVEntry](t, s, g, abi.OpKVGet, abi.KVRequest{Key: "a/b ü"})
	storetest.WantCode(t, err, abi.CodeNotFound)
}

func TestARevisionGuardsAWrite(t *testing.T) {
	s, g := service(t, 0), guest("acme", "notes")
	rev := func(r uint64) *uint64 { return &r }
	try := func(r *uint64) error {
		_, err := do[abi.KVEntry](t, s, g, abi.OpKVPut, abi.KVPut{Key: "k", IfRevision: r})
		return err
	}
	storetest.WantCode(t, try(rev(9)), abi.CodeConflict)
	storetest.WantCode(t, try(rev(0)), "")
	storetest.WantCode(t, try(rev(0)), abi.CodeConflict)
	e := put(t, s, g, "k", "")
	storetest.WantCode(t, try(rev(e.Revision)), "")
	storetest.WantCode(t, try(rev(e.Revision)), abi.CodeConflict)
	storetest.WantCode(t, try(rev(^uint64(0))), abi.CodeInvalidArg)
}

func TestAnEntryEndsByItsTTL(t *testing.T) {
	s, g := service(t, 0), guest("acme", "notes")
	if _, err := do[abi.KVEntry](t, s, g, abi.OpKVPut, abi.KVPut{Key: "k", TTLMS: 50}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := do[abi.KVEntry](t, s, g, abi.OpKVGet, abi.KVRequest{Key: "k"}); err != nil {
			storetest.WantCode(t, err, abi.CodeNotFound)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the entry did not end")
		}
	}
}

func TestASpaceIsOnePluginsForOneTenant(t *testing.T) {
	s := service(t, 0)
	guests := []*host.CallInfo{guest("acme", "notes"), guest("acme", "notes2"), guest("acme2", "notes"), guest("notes", "acme")}
	for i, g := range guests {
		put(t, s, g, "k", fmt.Sprint(i))
	}
	for i, g := range guests {
		got, err := do[abi.KVEntry](t, s, g, abi.OpKVGet, abi.KVRequest{Key: "k"})
		if err != nil || string(got.Value) != fmt.Sprint(i) {
			t.Errorf("guest %d sees %q, %v", i, got.Value, err)
		}
		page, err := do[abi.KVPage](t, s, g, abi.OpKVList, abi.KVList{})
		if err != nil || len(page.Entries) != 1 {
			t.Errorf("guest %d lists %v, %v", i, page, err)
		}
	}
}

func TestWithoutTheRightNothingIsDone(t *testing.T) {
	s := service(t, 0)
	for name, granted := range map[string]*abi.Rights{"no rights": nil, "other rights": {Files: "write", Tools: []string{"*"}}} {
		t.Run(name, func(t *testing.T) {
			g := guest("acme", "notes")
			g.Granted = granted
			for op := range s.Ops() {
				_, err := do[any](t, s, g, op, abi.KVPut{Key: "k"})
				storetest.WantCode(t, err, abi.CodeForbidden)
				if hint := host.Outward(err).Hint; !strings.Contains(hint, "notes.yaml") || !strings.Contains(hint, "kv: true") {
					t.Errorf("the hint is %q", hint)
				}
			}
		})
	}
	for op := range s.Ops() {
		_, err := do[any](t, s, guest("../acme", "notes"), op, abi.KVRequest{Key: "k"})
		storetest.WantCode(t, err, abi.CodeInternal)
	}
}

func TestBoundsAreNamed(t *testing.T) {
	s, g := service(t, 0), guest("acme", "notes")
	put(t, s, g, strings.Repeat("k", kv.MaxKeyBytes), strings.Repeat("v", kv.MaxValueBytes))
	for says, c := range map[string]struct {
		op   string
		in   any
		code abi.Code
	}{
		"key is empty":    {abi.OpKVGet, abi.KVRequest{}, abi.CodeInvalidArg},
		"key has 513":     {abi.OpKVPut, abi.KVPut{Key: strings.Repeat("k", 513)}, abi.CodeInvalidArg},
		"zero byte":       {abi.OpKVDelete, abi.KVRequest{Key: "a\x00b"}, abi.CodeInvalidArg},
		"value has":       {abi.OpKVPut, abi.KVPut{Key: "k", Value: make([]byte, kv.MaxValueBytes+1)}, abi.CodeLimit},
		"ttl_ms is -1":    {abi.OpKVPut, abi.KVPut{Key: "k", TTLMS: -1}, abi.CodeInvalidArg},
		"ttl_ms is 92":    {abi.OpKVPut, abi.KVPut{Key: "k", TTLMS: 1<<63 - 1}, abi.CodeInvalidArg},
		"limit is 1001":   {abi.OpKVList, abi.KVList{Limit: 1001}, abi.CodeInvalidArg},
		"limit is -1":     {abi.OpKVList, abi.KVList{Limit: -1}, abi.CodeInvalidArg},
		"cursor is not":   {abi.OpKVList, abi.KVList{Cursor: "?"}, abi.CodeInvalidArg},
		"not one of this": {abi.OpKVList, abi.KVList{Cursor: "YWE", Prefix: "b"}, abi.CodeInvalidArg},
		"not the JSON":    {abi.OpKVGet, "text", abi.CodeInvalidArg},
	} {
		t.Run(says, func(t *testing.T) {
			_, err := do[any](t, s, g, c.op, c.in)
			storetest.WantCode(t, err, c.code)
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%q does not say %q", err, says)
			}
		})
	}
}

func TestAListingAgreesWithASortedMap(t *testing.T) {
	s := service(t, 0)
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		g := guest("acme", fmt.Sprint("p", run))
		text := rapid.StringMatching(`[abü/]{1,4}`)
		names := rapid.SliceOfDistinct(text, rapid.ID[string]).Draw(r, "names")
		for _, n := range names {
			put(t, s, g, n, "")
		}
		prefix := rapid.OneOf(rapid.Just(""), text).Draw(r, "prefix")
		limit := rapid.IntRange(1, 4).Draw(r, "limit")
		var want, got []string
		for _, n := range names {
			if strings.HasPrefix(n, prefix) {
				want = append(want, n)
			}
		}
		slices.Sort(want)
		for cursor, more := "", true; more; {
			page, err := do[abi.KVPage](t, s, g, abi.OpKVList, abi.KVList{Prefix: prefix, Cursor: cursor, Limit: limit})
			if err != nil || len(page.Entries) > limit {
				r.Fatalf("got %v, %v", page, err)
			}
			for _, e := range page.Entries {
				got = append(got, e.Key)
			}
			cursor, more = page.Next, page.Next != ""
		}
		if !slices.Equal(got, want) {
			r.Fatalf("below %q: got %q, want %q", prefix, got, want)
		}
	})
}

func TestTheQuotaHoldsAgainstManyWriters(t *testing.T) {
	s, g := service(t, 1000), guest("acme", "notes")
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, err := do[abi.KVEntry](t, s, g, abi.OpKVPut, abi.KVPut{Key: fmt.Sprintf("%02d", i), Value: make([]byte, 48)})
			if err != nil && host.CodeOf(err) != abi.CodeLimit {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	page, err := do[abi.KVPage](t, s, g, abi.OpKVList, abi.KVList{})
	if err != nil || len(page.Entries) != 20 {
		t.Fatalf("%d entries of 50 bytes are in 1000 bytes, %v", len(page.Entries), err)
	}
	if _, err := do[struct{}](t, s, g, abi.OpKVDelete, abi.KVRequest{Key: page.Entries[0].Key}); err != nil {
		t.Fatal(err)
	}
	put(t, s, g, "99", strings.Repeat("x", 48))
	put(t, s, guest("other", "notes"), "k", strings.Repeat("x", 900)) // another's quota
}

func FuzzOps(f *testing.F) {
	s, g := service(f, 1<<20), guest("acme", "notes")
	for _, seed := range []string{`{}`, `{"key":"k","value":"dg==","ttl_ms":1}`, `{"prefix":"k","cursor":"aw","limit":3}`, `[`, `{"key":"\u0000"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, req string) {
		for name, op := range s.Ops() {
			_, err := op(context.Background(), g, []byte(req))
			if host.CodeOf(err) == abi.CodeInternal {
				t.Fatalf("%s %q: %v", name, req, err)
			}
		}
	})
}
