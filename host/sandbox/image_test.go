// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"math/rand/v2"
	"testing"
)

// pictured is a memory with an image mapped over it, some of it zero.
func pictured(t testing.TB, size int64) ([]byte, *image) {
	t.Helper()
	m, err := newMemory(size, &budget{limit: 1 << 40})
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
	if err := im.mapOver(mem); err != nil {
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
	mem, im := pictured(t, 40*pageBytes)
	if !im.same(mem) {
		t.Fatal("the memory differs as soon as the image is mapped over it")
	}
	s := newScanner()
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
}

func TestOneWriteCostsOnePage(t *testing.T) {
	if pagemapMissing() {
		t.Skip("this kernel has no scan of the page map")
	}
	mem, im := pictured(t, 64*pageBytes)
	s := newScanner()
	mem[12345]++
	n, err := im.restore(mem, s)
	if err != nil || n > 8192 {
		t.Errorf("one byte was written, and %d were put back: %v", n, err)
	}
}

func TestAReadCostsNothing(t *testing.T) {
	if pagemapMissing() {
		t.Skip("this kernel has no scan of the page map")
	}
	mem, im := pictured(t, 64*pageBytes)
	sum := 0
	for _, b := range mem {
		sum += int(b)
	}
	if n, err := im.restore(mem, newScanner()); err != nil || n != 0 {
		t.Errorf("nothing was written (sum %d), and %d bytes were put back: %v", sum, n, err)
	}
}

func TestDroppedPagesFallBackToTheImage(t *testing.T) {
	mem, im := pictured(t, 16*pageBytes)
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
	mem, im := pictured(t, 8*pageBytes)
	other, err := newMemory(im.size, &budget{limit: 1 << 40})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.release() }()
	second := other.Reallocate(uint64(im.size))
	if err := im.mapOver(second); err != nil {
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
			mem, im := pictured(b, 64*pageBytes)
			s := newScanner()
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
