// Copyright 2026 The Gantry Authors.

package sandbox

import "testing"

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
