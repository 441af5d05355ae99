// Copyright 2026 The Gantry Authors.

package badgerstore_test

import (
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
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

// disk plays the file system: how much is free, and a gate that holds the committer, who asks
// before every commit.
type disk struct {
	free    atomic.Int64
	asked   atomic.Int64
	entered chan struct{}
	gate    chan struct{}
}

func newDisk() *disk {
	d := &disk{}
	d.free.Store(1 << 40)
	return d
}

func (d *disk) bytes(string) (int64, error) {
	d.asked.Add(1)
	if d.gate != nil {
		d.entered <- struct{}{}
		<-d.gate
	}
	return d.free.Load(), nil
}

func TestAFullDiskStopsWritesAndNothingElse(t *testing.T) {
	d := newDisk()
	s := open(t, badgerstore.Config{Dir: t.TempDir(), MinFreeBytes: 1000, FreeBytes: d.bytes})
	put := func() error {
		_, err := s.Put(t.Context(), store.Key{"k"}, []byte("v"), blind)
		return err
	}
	if err := put(); err != nil {
		t.Fatal(err)
	}
	d.free.Store(999)
	for name, err := range map[string]error{
		"put":      put(),
		"delete":   s.Delete(t.Context(), store.Key{"k"}, store.AnyRev),
		"append":   s.Append(t.Context(), []store.Record{{Key: store.Key{"a"}}}),
		"writable": s.Writable(),
	} {
		storetest.WantCode(t, err, abi.CodeUnavailable)
		if out := host.Outward(err); !strings.Contains(out.Message, "999") || !strings.Contains(out.Message, "the limit of 1000") || out.Hint == "" {
			t.Errorf("%s says %q, %q", name, out.Message, out.Hint)
		}
	}
	if rec, err := s.Get(t.Context(), store.Key{"k"}); err != nil || string(rec.Value) != "v" {
		t.Errorf("reading: %q, %v", rec.Value, err)
	}
	d.free.Store(1000)
	if err := errors.Join(put(), s.Writable()); err != nil {
		t.Errorf("with room again: %v", err)
	}
	t.Run("which is not opened either when there is next to nothing", func(t *testing.T) {
		d.free.Store(10)
		_, err := badgerstore.Open(badgerstore.Config{Dir: t.TempDir(), FreeBytes: d.bytes})
		storetest.WantCode(t, err, abi.CodeUnavailable)
	})
	t.Run("an unknown amount is no reason to stop", func(t *testing.T) {
		broken := func(string) (int64, error) { return 0, errors.New("no such call") }
		s := open(t, badgerstore.Config{Dir: t.TempDir(), FreeBytes: broken})
		if _, err := s.Put(t.Context(), store.Key{"k"}, nil, blind); err != nil {
			t.Error(err)
		}
	})
}

// held opens a store whose committer waits inside its first commit, until let is called.
func held(t *testing.T) (s *badgerstore.Store, d *disk, let func()) {
	t.Helper()
	d = newDisk()
	s = open(t, badgerstore.Config{Dir: t.TempDir(), FreeBytes: d.bytes})
	d.asked.Store(0)
	d.entered, d.gate = make(chan struct{}, 1000), make(chan struct{})
	var first sync.WaitGroup
	first.Go(func() {
		if _, err := s.Put(context.Background(), store.Key{"first"}, nil, blind); err != nil {
			t.Error(err)
		}
	})
	<-d.entered
	return s, d, func() { close(d.gate); first.Wait() }
}

func TestWritersTogetherShareACommit(t *testing.T) {
	s, d, let := held(t)
	var wg sync.WaitGroup
	var enqueued atomic.Int64
	for i := range 100 {
		wg.Go(func() {
			enqueued.Add(1)
			if _, err := s.Put(t.Context(), store.Key{"k", fmt.Sprint(i)}, nil, store.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	for enqueued.Load() < 100 || badgerstore.Queued(s) < 100 {
		time.Sleep(time.Millisecond)
	}
	let()
	wg.Wait()
	if n := d.asked.Load(); n != 2 {
		t.Errorf("101 writes took %d commits, want 2", n)
	}
}

func TestAWriterWhoStopsWaitingHasWrittenNothing(t *testing.T) {
	s, _, let := held(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Put(ctx, store.Key{"k"}, nil, blind)
		done <- err
	}()
	for badgerstore.Queued(s) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	storetest.WantCode(t, <-done, abi.CodeCancelled)
	let()
	if _, err := s.Put(t.Context(), store.Key{"later"}, nil, blind); err != nil {
		t.Fatal(err)
	}
	_, err := s.Get(t.Context(), store.Key{"k"})
	storetest.WantCode(t, err, abi.CodeNotFound)
}

func TestCloseWaitsForWritesUnderWay(t *testing.T) {
	s, _, let := held(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		time.Sleep(10 * time.Millisecond)
		let()
	})
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestCloseAmongUsers(t *testing.T) {
	s := open(t, badgerstore.Config{Dir: t.TempDir(), FlushEvery: time.Millisecond, GCEvery: time.Millisecond})
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				k := store.Key{"k", fmt.Sprint(i), fmt.Sprint(n)}
				_, perr := s.Put(context.Background(), k, nil, blind)
				_, lerr := s.List(context.Background(), store.Key{"k"}, "", 10)
				_, werr := s.Watch(context.Background(), k)
				for _, err := range []error{perr, lerr, werr} {
					if err != nil && host.CodeOf(err) != abi.CodeUnavailable {
						t.Error(err)
					}
				}
				if perr != nil {
					return
				}
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}
