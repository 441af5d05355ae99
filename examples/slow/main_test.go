// Copyright 2026 The Gantry Authors.

package main

import (
	"testing"

	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestCount(t *testing.T) {
	r := pdktest.New(t).Call("slow_count", map[string]int{"n": 3, "delay_ms": 0}).OK()
	if got, want := r.Text, "1 2 3 "; got != want || r.Streamed() != want {
		t.Errorf("got %q after the pieces %q, want %q", got, r.Partials, want)
	}
	if len(r.Progress) != 3 || r.Progress[2].Done != 3 || r.Progress[2].Total != 3 {
		t.Errorf("the progress was %v, want three steps to 3 of 3", r.Progress)
	}
}
