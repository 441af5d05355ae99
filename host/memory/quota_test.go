// Copyright 2026 The Gantry Authors.

package memory_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/memory"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestTheQuotaHoldsAgainstManyWriters(t *testing.T) {
	s := service(t, memory.Config{QuotaBytes: 1000})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			_, err := s.Write(t.Context(), ann, abi.MemoryWrite{Path: fmt.Sprintf("%02d", i), Content: strings.Repeat("x", 50)})
			if err != nil && host.CodeOf(err) != abi.CodeLimit {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	page, err := s.List(t.Context(), ann, abi.MemoryList{})
	if err != nil || len(page.Entries) != 20 {
		t.Fatalf("%d files of 50 bytes are in 1000 bytes, %v", len(page.Entries), err)
	}
	path := page.Entries[0].Path
	t.Run("what shrinks is never refused", func(t *testing.T) { write(t, s, ann, path, strings.Repeat("x", 20)) })
	t.Run("what it frees can be used again, and no more", func(t *testing.T) {
		write(t, s, ann, "new", strings.Repeat("x", 30))
		_, err := s.Append(t.Context(), ann, abi.MemoryAppend{Path: "new", Content: "y"})
		storetest.WantCode(t, err, abi.CodeLimit)
		if e := host.Outward(err); !strings.Contains(e.Message, "would have 1001 bytes; its quota is 1000") {
			t.Errorf("got %q", e.Message)
		}
	})
	t.Run("a delete frees", func(t *testing.T) {
		if err := s.Delete(t.Context(), ann, abi.MemoryDelete{Path: "new"}); err != nil {
			t.Fatal(err)
		}
		write(t, s, ann, "newer", strings.Repeat("x", 30))
	})
	t.Run("another user has a quota of their own", func(t *testing.T) {
		write(t, s, who("acme", "bob"), "a", strings.Repeat("x", 1000))
	})
}

func TestTheNumberOfFilesIsBounded(t *testing.T) {
	st, c := open(t), &clock{now: time.Now()}
	s := service(t, memory.Config{Store: st, MaxFiles: 2, Clock: c})
	write(t, s, ann, "a", "")
	write(t, s, ann, "b", "")
	_, err := s.Write(t.Context(), ann, abi.MemoryWrite{Path: "c"})
	storetest.WantCode(t, err, abi.CodeLimit)
	if e := host.Outward(err); !strings.Contains(e.Message, "would have 3 files; its quota is 2") {
		t.Errorf("got %q", e.Message)
	}
	write(t, s, ann, "a", "again")
	t.Run("what another host deleted is noticed", func(t *testing.T) {
		other := service(t, memory.Config{Store: st})
		if err := other.Delete(t.Context(), ann, abi.MemoryDelete{Path: "b"}); err != nil {
			t.Fatal(err)
		}
		c.pass(time.Minute)
		write(t, s, ann, "c", "")
	})
	t.Run("a host that starts counts what is there", func(t *testing.T) {
		s := service(t, memory.Config{Store: st, MaxFiles: 2})
		_, err := s.Write(t.Context(), ann, abi.MemoryWrite{Path: "d"})
		storetest.WantCode(t, err, abi.CodeLimit)
	})
}

// dying is a store that fails every write from a moment on, as it looks to a host that is killed.
type dying struct {
	store.Store
	mu   sync.Mutex
	left int
}

var errDead = errors.New("the host is dead")

func (d *dying) alive() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left--; d.left < 0 {
		return errDead
	}
	return nil
}

func (d *dying) Put(ctx context.Context, k store.Key, v []byte, o store.PutOptions) (uint64, error) {
	if err := d.alive(); err != nil {
		return 0, err
	}
	return d.Store.Put(ctx, k, v, o)
}

func (d *dying) Delete(ctx context.Context, k store.Key, expect uint64) error {
	if err := d.alive(); err != nil {
		return err
	}
	return d.Store.Delete(ctx, k, expect)
}

// TestAHostThatDiesLeavesOneVersionAndNoPieces kills a host after each write of a replacement: what
// is read afterwards is the old version or the new one, and the next host removes what belongs to
// neither.
func TestAHostThatDiesLeavesOneVersionAndNoPieces(t *testing.T) {
	old, next := strings.Repeat("old ", 200_000), strings.Repeat("next", 150_000)
	changes := map[string]func(*memory.Service) error{
		"write": func(s *memory.Service) error {
			_, err := s.Write(context.Background(), ann, abi.MemoryWrite{Path: "a", Content: next})
			return err
		},
		"delete": func(s *memory.Service) error {
			return s.Delete(context.Background(), ann, abi.MemoryDelete{Path: "a"})
		},
	}
	for name, change := range changes {
		for left, done := 0, false; !done; left++ {
			t.Run(fmt.Sprintf("%s, after %d writes", name, left), func(t *testing.T) {
				st, c := open(t), &clock{now: time.Now()}
				write(t, service(t, memory.Config{Store: st, Clock: c}), ann, "a", old)
				d := &dying{Store: st, left: left}
				err := change(service(t, memory.Config{Store: d, Clock: c}))
				done = d.left >= 0
				s := service(t, memory.Config{Store: st, Clock: c})
				write(t, s, ann, "b", "counted while the dead host may be a slow one")
				c.pass(time.Hour)
				write(t, s, ann, "b", "and again when it cannot")
				got, rerr := s.Read(t.Context(), ann, abi.MemoryRead{Path: "a"})
				bodies := 1
				switch {
				case rerr == nil && got.Content == old && err != nil:
				case rerr == nil && got.Content == next && name == "write":
				case host.CodeOf(rerr) == abi.CodeNotFound && name == "delete":
					bodies = 0
				default:
					t.Errorf("the change said %v, and then %d bytes were read, %v", err, len(got.Content), rerr)
				}
				leftovers(t, st, bodies)
			})
		}
	}
}
