// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"slices"
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

// run returns what one turn of each subject took, in nanoseconds: the median over the rounds.
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

// once repeats for the window, in batches that grow so that the clock costs nothing.
func (c contest) once(do func() error) (float64, error) {
	start, n, batch := time.Now(), 0, 1
	for {
		for range batch {
			if err := do(); err != nil {
				return 0, err
			}
		}
		n += batch
		spent := time.Since(start)
		if spent >= c.window {
			return float64(spent.Nanoseconds()) / float64(n), nil
		}
		if spent < c.window/20 {
			batch *= 2
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}
