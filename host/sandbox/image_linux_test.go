// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// eachTracking runs a test once for each way of finding written pages that this machine has.
func eachTracking(t *testing.T, test func(t *testing.T, s *scanner)) {
	best := tracker()
	for name, by := range map[string]tracking{"by marks": byMarks, "by pages": byPages, "by nothing": byNothing} {
		t.Run(name, func(t *testing.T) {
			if by > best.by {
				t.Skip("this machine does not allow it")
			}
			test(t, &scanner{by: by})
		})
	}
}

func (s *scanner) dropsAll() bool { return s.by == byNothing }

func TestTheTrialTellsWhatDoesNotWork(t *testing.T) {
	best := tracker()
	if best.by == byNothing {
		t.Skip("this machine has nothing to try")
	}
	for _, broken := range []*tracked{{pagemap: -1, faults: best.faults}, {pagemap: -1, faults: -1}} {
		if broken.proves(byMarks) || broken.proves(byPages) {
			t.Errorf("%+v passed the trial", broken)
		}
	}
}

func TestBothWaysToLookForMarksPassTheTrial(t *testing.T) {
	best := tracker()
	if best.by != byMarks {
		t.Skip("this machine does not allow it")
	}
	for _, short := range []bool{false, best.shortCut} {
		if other := (&tracked{pagemap: best.pagemap, faults: best.faults, shortCut: short}); !other.proves(byMarks) {
			t.Errorf("%+v did not pass", other)
		}
	}
}

// Every other page is written no longer: to give all of them back, one by one, would take long.
func TestWhatOneResetGivesBackIsBounded(t *testing.T) {
	eachTracking(t, func(t *testing.T, s *scanner) {
		if s.dropsAll() {
			t.Skip("all of the memory is put back")
		}
		mem, im := pictured(t, 64*pageBytes, s)
		page := os.Getpagesize()
		for i := range mem {
			mem[i]++
		}
		all := len(mem) / page
		for round := range 12 {
			for at := 0; at < len(mem); at += 2 * page {
				mem[at]++
			}
			n, err := im.restore(mem, s)
			if err != nil || !im.same(mem) {
				t.Fatalf("round %d: a byte differs after the reset: %v", round, err)
			}
			want := all - mostGivenBack
			switch {
			case round < 7: // the eighth looks
				want = all
			case round == 7:
				want = all / 2 // of the others none was changed, so none is copied
			}
			if n != want*page {
				t.Errorf("round %d: %d pages were put back, want %d", round, n/page, want)
			}
		}
	})
}

// present counts the pages of mem that the page table has.
func present(t *testing.T, mem []byte) int {
	t.Helper()
	page := os.Getpagesize()
	entries := make([]byte, len(mem)/page*8)
	if _, err := unix.Pread(tracker().pagemap, entries, int64(addr(mem))/int64(page)*8); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; len(entries) > 0; entries = entries[8:] {
		n += int(binary.LittleEndian.Uint64(entries) >> 63)
	}
	return n
}

func TestABusyInstancesPageTableIsFull(t *testing.T) {
	if tracker().by != byMarks {
		t.Skip("this machine does not allow it")
	}
	for name, c := range map[string]struct {
		size int64
		full bool
	}{"small": {20 * pageBytes, true}, "large": {settleSize + pageBytes, false}} {
		t.Run(name, func(t *testing.T) {
			s := &scanner{by: byMarks}
			mem, im := pictured(t, c.size, s)
			all := len(mem) / os.Getpagesize()
			mem[1]++
			for range settleAfter {
				if n := present(t, mem[:3*pageBytes]); n == 3*pageBytes/os.Getpagesize() {
					t.Fatal("the table was filled before the instance was busy")
				}
				if _, err := im.restore(mem, s); err != nil {
					t.Fatal(err)
				}
			}
			if got := present(t, mem); (got == all) != c.full {
				t.Errorf("%d of %d pages are in the table", got, all)
			}
			for _, at := range []int{3, 9 * pageBytes, len(mem) - 1} {
				mem[at]++
			}
			if n, err := im.restore(mem, s); err != nil || n > 3*os.Getpagesize() || !im.same(mem) {
				t.Errorf("three bytes were written, and %d put back: %v", n, err)
			}
		})
	}
}

func TestKernelReleases(t *testing.T) {
	for release, want := range map[string]bool{
		"6.10.0": true, "6.10": true, "6.11.3-generic": true, "6.18.44-fc": true, "7.0.0-rc1": true, "10.1": true,
		"6.9.12": false, "6.7.0": false, "5.15.0-1053-azure": false, "": false, "next": false, "6": false,
	} {
		if got := releaseSince(release, 6, 10); got != want {
			t.Errorf("%q: %v, want %v", release, got, want)
		}
	}
}
