// Copyright 2026 The Gantry Authors.

package storetest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host/store"
)

func next(t testing.TB, ch <-chan store.Event) store.Event {
	t.Helper()
	select {
	case e, ok := <-ch:
		if !ok {
			t.Fatal("the channel was closed")
		}
		return e
	case <-time.After(20 * time.Second):
		t.Fatal("no event came")
	}
	return store.Event{}
}

func watchOrder(t *testing.T, s store.Store) {
	put(t, s, key("w", "old"), "", whatever)
	ch, err := s.Watch(t.Context(), key("w"))
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, key("w"), "the prefix itself is not below it", whatever)
	put(t, s, key("other", "k"), "", whatever)
	r1 := put(t, s, key("w", "k"), "1", whatever)
	r2 := put(t, s, key("w", "k"), "2", whatever)
	if err := s.Delete(t.Context(), key("w", "k"), store.AnyRev); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), key("w", "k"), store.AnyRev); err != nil { // no change, no event
		t.Fatal(err)
	}
	put(t, s, key("w", "l", "deep"), "3", whatever)
	for i, want := range []store.Event{
		{Record: store.Record{Key: key("w", "k"), Value: []byte("1"), Rev: r1}},
		{Record: store.Record{Key: key("w", "k"), Value: []byte("2"), Rev: r2}},
		{Record: store.Record{Key: key("w", "k")}, Deleted: true},
		{Record: store.Record{Key: key("w", "l", "deep"), Value: []byte("3")}},
	} {
		got := next(t, ch)
		if got.Key.String() != want.Key.String() || !bytes.Equal(got.Value, want.Value) ||
			got.Deleted != want.Deleted || want.Rev != 0 && got.Rev != want.Rev {
			t.Fatalf("event %d is %+v, want %+v", i, got, want)
		}
	}
}

func watchEnds(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	ch, err := s.Watch(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for {
		select {
		case _, ok := <-ch:
			if !ok {
				put(t, s, key("k"), "", whatever) // a write afterwards must not touch the closed channel
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the channel stayed open")
		}
	}
}

func watchLags(t *testing.T, s store.Store) {
	slow, err := s.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := s.Watch(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	const n = 2000
	var seen atomic.Int32
	var wg sync.WaitGroup
	wg.Go(func() {
		for range fast {
			if seen.Add(1) == n {
				return
			}
		}
	})
	for i := range n / 50 {
		var batch sync.WaitGroup
		for j := range 50 {
			batch.Go(func() {
				if _, err := s.Put(t.Context(), key("l", fmt.Sprint(i), fmt.Sprint(j)), nil, whatever); err != nil {
					t.Error(err)
				}
			})
		}
		batch.Wait()
		for int(seen.Load()) < (i+1)*50 && !t.Failed() {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Wait()
	got := 0
	for range slow { // ends, because the store has closed it
		got++
	}
	if got == 0 || got >= n {
		t.Fatalf("the slow watcher had %d of %d events", got, n)
	}
}
