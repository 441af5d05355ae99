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
