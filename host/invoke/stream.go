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
	log   *eventLog
	seq   uint64
	start int
}

func newReading(l *eventLog, after uint64) *reading {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := &reading{log: l, seq: after}
	r.start = l.script.start(min(after, uint64(len(l.script.Ends))))
	return r
}

// Next implements Stream.
func (r *reading) Next(ctx context.Context) (Event, error) {
	for {
		if r.log == nil {
			return Event{}, io.EOF
		}
		e, ended, wait := r.log.next(r.seq, r.start)
		switch {
		case ended:
			return Event{}, io.EOF
		case wait == nil:
			r.seq = e.Seq
			if e.Type == EventPartial {
				r.start += len(e.Text)
			}
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
