// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"testing"

	"github.com/gantryhost/gantry/host/runner"
)

func newTestMemory(t *testing.T, limit, budgeted int64) *memory {
	t.Helper()
	m, err := newMemory(limit, maxPages*pageBytes, &runner.Budget{Limit: budgeted, Reclaim: func() bool { return false }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.release(); err != nil {
			t.Error(err)
		}
		if used := m.budget.Used(); used != 0 {
			t.Errorf("%d bytes were not given back", used)
		}
	})
	return m
}

func TestGrowingMemory(t *testing.T) {
	t.Run("what a module begins with is made usable and no more", func(t *testing.T) {
		m := newTestMemory(t, 64<<20, 1<<30)
		if m.Reallocate(3*pageBytes) == nil || m.usable != 3*pageBytes {
			t.Errorf("got %d usable, want %d", m.usable, 3*pageBytes)
		}
	})
	t.Run("growing page by page makes it usable in few steps", func(t *testing.T) {
		m := newTestMemory(t, 64<<20, 1<<30)
		steps, before := 0, int64(0)
		for n := int64(pageBytes); n <= 64<<20; n += pageBytes {
			mem := m.Reallocate(uint64(n))
			if int64(len(mem)) != n || int64(cap(mem)) != n || m.size != n {
				t.Fatalf("got %d bytes of %d, size %d; want %d", len(mem), cap(mem), m.size, n)
			}
			if got := m.budget.Used(); got != n {
				t.Fatalf("the budget counts %d, want %d", got, n)
			}
			mem[n-1], mem[n-pageBytes] = 1, mem[n-pageBytes]+1
			if mem[n-pageBytes] != 1 {
				t.Fatalf("the new page at %d is not zero", n-pageBytes)
			}
			if m.usable != before {
				steps, before = steps+1, m.usable
			}
		}
		if steps > 40 {
			t.Errorf("1024 pages took %d steps", steps)
		}
		if m.usable != 64<<20 {
			t.Errorf("got %d usable, want all", m.usable)
		}
	})
	t.Run("nothing beyond the reserved space is made usable", func(t *testing.T) {
		m := newTestMemory(t, 2<<20, 1<<30)
		if m.Reallocate(pageBytes) == nil || m.Reallocate(2<<20-pageBytes) == nil || m.usable != 2<<20 {
			t.Fatalf("got %d usable", m.usable)
		}
		if m.Reallocate(2<<20) == nil || m.Reallocate(2<<20+pageBytes) != nil || m.refused != runner.RefusedByLimit {
			t.Errorf("got size %d, refusal %d", m.size, m.refused)
		}
	})
	t.Run("what is usable ahead is still refused by the budget", func(t *testing.T) {
		m := newTestMemory(t, 8<<20, 4*pageBytes)
		if m.Reallocate(pageBytes) == nil || m.Reallocate(2*pageBytes) == nil {
			t.Fatal("refused within the budget")
		}
		if m.usable < 5*pageBytes || m.Reallocate(5*pageBytes) != nil || m.refused != runner.RefusedByBudget || m.size != 2*pageBytes {
			t.Errorf("got usable %d, size %d, refusal %d", m.usable, m.size, m.refused)
		}
	})
}
