// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// subject is one thing that is done over and over.
type subject struct {
	name string
	do   func() error
}

// contest measures subjects in turn, so that what disturbs the machine disturbs all of them.
type contest struct {
	rounds int
	window time.Duration
}

// run returns the CPU time of one turn of each subject, in nanoseconds: the median over the rounds.
func (c contest) run(subjects ...subject) (map[string]float64, error) {
	all := map[string][]float64{}
	for round := range c.rounds + 1 {
		for _, s := range subjects {
			took, err := c.once(s.do)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			if round > 0 { // the first warms up
				all[s.name] = append(all[s.name], took)
			}
		}
	}
	out := map[string]float64{}
	for name, took := range all {
		out[name] = median(took)
	}
	return out, nil
}

// once repeats for the window, in batches that grow so that the clocks cost nothing, and returns the
// CPU time of one turn: of all of the process, so that a subject pays for the garbage it makes, and
// not for what else the machine does.
func (c contest) once(do func() error) (float64, error) {
	runtime.GC() // what the one before has left
	start, before, n, batch := time.Now(), cpuTime(), 0, 1
	for {
		for range batch {
			if err := do(); err != nil {
				return 0, err
			}
		}
		n += batch
		spent := time.Since(start)
		if spent >= c.window {
			return float64((cpuTime() - before).Nanoseconds()) / float64(n), nil
		}
		if spent < c.window/20 {
			batch *= 2
		}
	}
}

// cpuTime is the process's user and system time so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
