// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"time"
)

// sourceReader is the body of an answer that a source has, read and closed by fasthttp's goroutine,
// which flushes each piece before it asks for the next.
type sourceReader struct {
	src  Source
	ping time.Duration // 0 where it is no stream of events
	tail tail
}

// Read waits for the next piece. In a silence it sends a comment, but never inside an event.
func (r *sourceReader) Read(p []byte) (int, error) {
	var silence <-chan time.Time
	if r.ping > 0 && r.tail.whole() {
		timer := time.NewTimer(r.ping)
		defer timer.Stop()
		silence = timer.C
	}
	for {
		n, err := r.src.Take(p)
		if n > 0 || err != nil {
			r.tail.note(p[:n])
			return n, err
		}
		select {
		case <-r.src.Wake():
		case <-silence:
			return copy(p, comment), nil
		}
	}
}

// Close is called when the answer is out or could not be written.
func (r *sourceReader) Close() error {
	r.src.Leave()
	return nil
}

// comment is what a silent stream of events gets.
const comment = ": ping\n\n"

// tail is the last two bytes that were sent of a stream of events.
type tail [2]byte

func (t *tail) note(sent []byte) {
	for _, b := range sent[max(0, len(sent)-2):] {
		*t = tail{t[1], b}
	}
}

// whole tells whether the stream is between two events.
func (t *tail) whole() bool { return *t == tail{} || bytes.Equal(t[:], []byte("\n\n")) }
