// Copyright 2026 The Gantry Authors.

package badgerstore_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestMain(m *testing.M) {
	runChild()
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, c badgerstore.Config) *badgerstore.Store {
	t.Helper()
	s, err := badgerstore.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]func(t *testing.T) badgerstore.Config{
		"in memory": func(*testing.T) badgerstore.Config { return badgerstore.Config{InMemory: true} },
		"synced":    func(t *testing.T) badgerstore.Config { return badgerstore.Config{Dir: t.TempDir(), Sync: true} },
		"unsynced":  func(t *testing.T) badgerstore.Config { return badgerstore.Config{Dir: t.TempDir()} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Run(t, func(t *testing.T) store.Store { return open(t, config(t)) })
		})
	}
}

var blind = store.PutOptions{Expect: store.AnyRev}

func TestSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	for name, c := range map[string]badgerstore.Config{
		"neither Dir nor InMemory": {},
		"both":                     {Dir: t.TempDir(), InMemory: true},
		"a negative buffer":        {InMemory: true, WatchBuffer: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := badgerstore.Open(c)
			storetest.WantCode(t, err, abi.CodeInvalidArg)
		})
	}
}

func TestRevisionsGrowOverARestart(t *testing.T) {
	dir := t.TempDir()
	var last uint64
	for range 3 {
		s := open(t, badgerstore.Config{Dir: dir})
		for range 3 {
			rev, err := s.Put(t.Context(), store.Key{"k"}, nil, blind)
			if err != nil || rev <= last {
				t.Fatalf("revision %d after %d, %v", rev, last, err)
			}
			last = rev
		}
		if err := s.Delete(t.Context(), store.Key{"k"}, store.AnyRev); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderInUseIsAConflict(t *testing.T) {
	dir := t.TempDir()
	open(t, badgerstore.Config{Dir: dir})
	_, err := badgerstore.Open(badgerstore.Config{Dir: dir})
	storetest.WantCode(t, err, abi.CodeConflict)
}

func TestAClosedStoreSaysSo(t *testing.T) {
	s := open(t, badgerstore.Config{InMemory: true})
	ch, err := s.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case _, open := <-ch:
		if open {
			t.Error("an event came out of nothing")
		}
	case <-time.After(20 * time.Second):
		t.Error("the watcher's channel stayed open")
	}
	_, err = s.Get(t.Context(), store.Key{"k"})
	storetest.WantCode(t, err, abi.CodeUnavailable)
	_, err = s.Put(t.Context(), store.Key{"k"}, nil, blind)
	storetest.WantCode(t, err, abi.CodeUnavailable)
	_, err = s.Watch(t.Context(), nil)
	storetest.WantCode(t, err, abi.CodeUnavailable)
	storetest.WantCode(t, s.Writable(), abi.CodeUnavailable)
	storetest.WantCode(t, s.Flush(t.Context()), abi.CodeUnavailable)
}

func TestAppendWritesManyInOrder(t *testing.T) {
	s := open(t, badgerstore.Config{Dir: t.TempDir()})
	var recs []store.Record
	for i := range 1000 {
		recs = append(recs, store.Record{Key: store.Key{"j", string(rune('a' + i%26))}, Value: []byte{byte(i), byte(i >> 8)}})
	}
	recs = append(recs, store.Record{Key: store.Key{"large", "big"}, Value: make([]byte, store.MaxValueBytes)},
		store.Record{Key: store.Key{"j", "gone"}, Expires: time.Now().Add(-time.Minute)})
	if err := s.Append(t.Context(), recs); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := s.List(t.Context(), store.Key{"j"}, "", 0)
	if err != nil || len(page.Records) != 26 {
		t.Fatalf("got %d records, %v", len(page.Records), err)
	}
	if got, want := page.Records[0].Value, recs[988].Value; string(got) != string(want) {
		t.Errorf("the last write of a is %v, want %v", got, want)
	}
	bad := []store.Record{{Key: store.Key{"j", "zz"}}, {Key: store.Key{""}}}
	storetest.WantCode(t, s.Append(t.Context(), bad), abi.CodeInvalidArg)
	_, err = s.Get(t.Context(), store.Key{"j", "zz"})
	storetest.WantCode(t, err, abi.CodeNotFound)
}
