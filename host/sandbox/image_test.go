// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"math/rand/v2"
	"testing"

	"github.com/gantryhost/gantry/host/runner"
)

// pictured is a memory with an image mapped over it, some of it zero.
func pictured(t testing.TB, size int64, s *scanner) ([]byte, *image) {
	t.Helper()
	m, err := newMemory(size, maxPages*pageBytes, &runner.Budget{Limit: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	mem := m.Reallocate(uint64(size))
	for at := int64(0); at < size; at += 3 * pageBytes / 2 {
		for i := at; i < min(at+9000, size); i++ {
			mem[i] = byte(i*7 + 1)
		}
	}
	im, err := newImage(mem, []uint64{1, 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := im.mapOver(mem, s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.release(); err != nil {
			t.Error(err)
		}
		if err := im.release(); err != nil {
			t.Error(err)
		}
	})
	return mem, im
}

func TestAnImageIsPutBackExactly(t *testing.T) {
	eachTracking(t, func(t *testing.T, s *scanner) {
		mem, im := pictured(t, 40*pageBytes, s)
		if !im.same(mem) {
			t.Fatal("the memory differs as soon as the image is mapped over it")
		}
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 300 {
			for range random.IntN(200) {
				at := random.IntN(len(mem))
				for i := at; i < min(at+random.IntN(20_000), len(mem)); i += 1 + random.IntN(50) {
					mem[i] = byte(random.Uint32())
				}
			}
			if _, err := im.restore(mem, s); err != nil {
				t.Fatal(err)
			}
			if !im.same(mem) {
				t.Fatalf("round %d: a byte differs after the reset", round)
			}
		}
	})
}

func TestOneWriteCostsOnePage(t *testing.T) {
	eachTracking(t, func(t *testing.T, s *scanner) {
		if s.dropsAll() {
			t.Skip("all of the memory is put back")
		}
		mem, im := pictured(t, 64*pageBytes, s)
		mem[12345]++
		n, err := im.restore(mem, s)
		if err != nil || n > 8192 {
			t.Errorf("one byte was written, and %d were put back: %v", n, err)
		}
	})
}

func TestAReadCostsNothing(t *testing.T) {
	eachTracking(t, func(t *testing.T, s *scanner) {
		if s.dropsAll() {
			t.Skip("all of the memory is put back")
		}
		mem, im := pictured(t, 64*pageBytes, s)
		sum := 0
		for _, b := range mem {
			sum += int(b)
		}
		if n, err := im.restore(mem, s); err != nil || n != 0 {
			t.Errorf("nothing was written (sum %d), and %d bytes were put back: %v", sum, n, err)
		}
	})
}

func TestPagesNoLongerWrittenAreGivenBack(t *testing.T) {
	eachTracking(t, func(t *testing.T, s *scanner) {
		if s.dropsAll() {
			t.Skip("all of the memory is put back")
		}
		mem, im := pictured(t, 64*pageBytes, s)
		for i := range mem {
			mem[i]++
		}
		last := 0
		for round := range 16 {
			mem[5*pageBytes]++
			var err error
			if last, err = im.restore(mem, s); err != nil || !im.same(mem) {
				t.Fatalf("round %d: a byte differs after the reset: %v", round, err)
			}
		}
		if last > 8192 {
			t.Errorf("one page is written by each call, and %d bytes are put back", last)
		}
		mem[63*pageBytes]++ // a page that was given back, written again
		if _, err := im.restore(mem, s); err != nil || !im.same(mem) {
			t.Errorf("a byte differs after the reset: %v", err)
		}
	})
}

func TestDroppedPagesFallBackToTheImage(t *testing.T) {
	mem, im := pictured(t, 16*pageBytes, newScanner())
	for i := range mem {
		mem[i] = 9
	}
	if err := im.drop(mem); err != nil {
		t.Fatal(err)
	}
	if !im.same(mem) {
		t.Error("a byte differs after the drop")
	}
}

func TestTwoMemoriesShareAnImageAndNothingElse(t *testing.T) {
	mem, im := pictured(t, 8*pageBytes, newScanner())
	other, err := newMemory(im.size, maxPages*pageBytes, &runner.Budget{Limit: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.release() }()
	second := other.Reallocate(uint64(im.size))
	if err := im.mapOver(second, newScanner()); err != nil {
		t.Fatal(err)
	}
	mem[5] = 200
	if !im.same(second) {
		t.Error("a write to one memory shows in another")
	}
}

func BenchmarkRestore(b *testing.B) {
	for name, pages := range map[string]int{"1 page": 1, "3 pages": 3, "21 pages": 21} {
		b.Run(name, func(b *testing.B) {
			s := newScanner()
			mem, im := pictured(b, 64*pageBytes, s)
			for b.Loop() {
				for i := range pages {
					mem[i*20_000]++
				}
				if _, err := im.restore(mem, s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
