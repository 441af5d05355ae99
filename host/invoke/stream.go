// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"io"
)

// Stream is one reading of a run's events, in order, without gap or twin. It is used by one
// goroutine; a run may have any number of streams, and none of them slows it.
type Stream interface {
	// Next waits for the next event. After the last it returns io.EOF; when ctx ends, its error.
	Next(ctx context.Context) (Event, error)
	// Close ends the reading. It may be called twice.
	Close()
}

type reading struct {
	log *eventLog
	seq uint64
	// start is where the next piece of text begins; below 0 where it has to be looked up, as at the
	// start: a reader may ask for what comes after an event that has not happened yet.
	start int
}

func newReading(l *eventLog, after uint64) *reading { return &reading{log: l, seq: after, start: -1} }

// Next implements Stream.
func (r *reading) Next(ctx context.Context) (Event, error) {
	for {
		if r.log == nil {
			return Event{}, io.EOF
		}
		e, ended, wait := r.log.next(r.seq, &r.start)
		switch {
		case ended:
			return Event{}, io.EOF
		case wait == nil:
			r.seq = e.Seq
			return e, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return Event{}, ctx.Err()
		}
	}
}

// Close implements Stream.
func (r *reading) Close() { r.log = nil }
