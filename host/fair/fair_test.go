// Copyright 2026 The Gantry Authors.

package fair

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/gantryhost/gantry/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// line is callers of a full gate, in the order in which they got their place.
type line struct {
	g   *Gate
	wg  sync.WaitGroup
	got chan string
}

// full is a gate of one place that is taken.
func full(t *testing.T) *line {
	t.Helper()
	l := &line{g: New(1), got: make(chan string, 100)}
	if err := l.g.Acquire(t.Context(), "first"); err != nil {
		t.Fatal(err)
	}
	return l
}

// wait queues a caller up, and returns when it stands in the queue.
func (l *line) wait(t *testing.T, ctx context.Context, tenant, name string) {
	t.Helper()
	before := l.g.Stats().Waiting
	l.wg.Go(func() {
		if err := l.g.Acquire(ctx, host.TenantID(tenant)); err != nil {
			l.got <- name + ": " + err.Error()
			return
		}
		l.got <- name
	})
	for end := time.Now().Add(10 * time.Second); l.g.Stats().Waiting == before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the caller does not wait")
		}
	}
}

// drain lets all in, one after the other.
func (l *line) drain(n int) (order []string) {
	for range n {
		l.g.Release()
		order = append(order, <-l.got)
	}
	l.g.Release()
	l.wg.Wait()
	return order
}

func TestGate(t *testing.T) {
	t.Run("tenants take turns, and who came first of a tenant goes first", func(t *testing.T) {
		l := full(t)
		for _, c := range []string{"a1", "a2", "a3", "a4", "b1", "c1", "b2"} {
			l.wait(t, t.Context(), c[:1], c)
		}
		want := []string{"a1", "b1", "c1", "a2", "b2", "a3", "a4"}
		if got := l.drain(len(want)); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("a tenant that comes into a storm waits for one turn of each other, not for the storm", func(t *testing.T) {
		l := full(t)
		for range 30 {
			l.wait(t, t.Context(), "storm", "storm")
		}
		l.wait(t, t.Context(), "quiet", "quiet")
		if at := slices.Index(l.drain(31), "quiet"); at != 1 {
			t.Errorf("it was let in as number %d, want 1", at)
		}
	})
	t.Run("who gives up loses its turn and nobody else's", func(t *testing.T) {
		l := full(t)
		ctx, cancel := context.WithCancel(t.Context())
		l.wait(t, t.Context(), "a", "a1")
		l.wait(t, ctx, "b", "b1")
		l.wait(t, t.Context(), "b", "b2")
		cancel()
		if got := <-l.got; got != "b1: context canceled" {
			t.Fatalf("got %q", got)
		}
		if got, want := l.drain(2), []string{"a1", "b2"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if s := l.g.Stats(); s.Inside != 0 || s.Waiting != 0 || s.Waits != 3 || s.Waited <= 0 || len(l.g.queues) != 0 || l.g.first != nil {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("a free place costs no allocation", func(t *testing.T) {
		g, ctx := New(2), t.Context()
		if n := testing.AllocsPerRun(100, func() {
			if g.Acquire(ctx, "a") == nil {
				g.Release()
			}
		}); n != 0 {
			t.Errorf("got %v allocations", n)
		}
	})
	t.Run("waiting for all to leave lasts until the last has left", func(t *testing.T) {
		l := full(t)
		soon, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := l.g.Wait(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v with one inside", err)
		}
		l.wait(t, t.Context(), "a", "a1")
		done := make(chan error)
		go func() { done <- l.g.Wait(t.Context()) }()
		l.drain(1)
		if err := <-done; err != nil || l.g.Stats().Inside != 0 {
			t.Errorf("got %v, %+v", err, l.g.Stats())
		}
	})
}

// TestHammerGate has many callers of few tenants come, give up and leave: never more than the size
// are inside, and at the end nobody is.
func TestHammerGate(t *testing.T) {
	g := New(3)
	var mu sync.Mutex
	inside := 0
	var wg sync.WaitGroup
	for c := range 24 {
		wg.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((c*i)%7)*20*time.Microsecond)
				if g.Acquire(ctx, host.TenantID(rune('a'+c%4))) == nil {
					mu.Lock()
					inside++
					if inside > 3 {
						t.Errorf("%d are inside", inside)
					}
					mu.Unlock()
					mu.Lock()
					inside--
					mu.Unlock()
					g.Release()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if s := g.Stats(); s.Inside != 0 || s.Waiting != 0 || g.first != nil || len(g.queues) != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestGateModel holds the order of turns against lists: it calls what Acquire and Release do under
// the lock, since there the order is decided.
func TestGateModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := New(1)
		g.inside = 1
		type one struct {
			q *queue
			w *waiter
		}
		line := map[host.TenantID][]one{}
		var turns []host.TenantID
		drop := func(tenant host.TenantID, at int) {
			if line[tenant] = slices.Delete(line[tenant], at, at+1); len(line[tenant]) == 0 {
				turns = slices.DeleteFunc(turns, func(x host.TenantID) bool { return x == tenant })
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"join": func(t *rapid.T) {
				tenant := host.TenantID(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "tenant"))
				w := &waiter{turn: make(chan struct{}), since: time.Now()}
				line[tenant] = append(line[tenant], one{g.join(tenant, w), w})
				if !slices.Contains(turns, tenant) {
					turns = append(turns, tenant)
				}
			},
			"leave": func(t *rapid.T) {
				if len(turns) == 0 {
					return
				}
				tenant := turns[0]
				next := line[tenant][0]
				turns = append(turns[1:], tenant)
				drop(tenant, 0)
				g.leave()
				select {
				case <-next.w.turn:
				default:
					t.Fatalf("the first of %s did not get the place", tenant)
				}
			},
			"give up": func(t *rapid.T) {
				if len(turns) == 0 {
					return
				}
				tenant := rapid.SampledFrom(turns).Draw(t, "tenant")
				at := rapid.IntRange(0, len(line[tenant])-1).Draw(t, "at")
				g.remove(line[tenant][at].q, line[tenant][at].w)
				drop(tenant, at)
			},
			"": func(t *rapid.T) {
				n := 0
				for _, l := range line {
					n += len(l)
				}
				if g.inside != 1 || g.waiting != n || len(g.queues) != len(turns) {
					t.Fatalf("got %d inside, %d waiting of %d, %d queues of %d", g.inside, g.waiting, n, len(g.queues), len(turns))
				}
			},
		})
	})
}
