// Copyright 2026 The Gantry Authors.

package runner

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestATurnEndsWithItsSlice(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var others atomic.Int64
	var turn Turn
	began := time.Now()
	turn.Begin(began)
	done := make(chan struct{})
	go func() {
		defer close(done)
		others.Add(1)
	}()
	if got := turn.Yield(began.Add(slice - 1)); !got.Equal(began.Add(slice - 1)) {
		t.Errorf("before its end: got %v", got)
	}
	for range 1_000 { // others that wait for the processor may come first
		if turn.Yield(turn.since.Add(slice)); others.Load() > 0 {
			break
		}
	}
	if others.Load() == 0 {
		t.Error("the other goroutine had no turn")
	}
	if !turn.since.After(began) {
		t.Error("the next slice has not begun")
	}
	<-done
}
