// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Source is what a stream sends. All methods may be called concurrently, Take by one reader at a time.
type Source interface {
	// Take moves what is there into p: 0 and nil where there is nothing yet, io.EOF after the last. Any
	// other error cuts the connection.
	Take(p []byte) (int, error)
	// Wake gets a value when Take may have something new.
	Wake() <-chan struct{}
	// Leave says that the answer is out, or that nobody takes it any more. Take has to fail or to end
	// after it, and Wake to tell. It may be called more than once.
	Leave()
}

// Feed answers with the server-sent events of a source, which have to be whole where it stops to wait. It
// is Stream for the many that are silent nearly always: the connection's own goroutine waits for the
// source, and there is no other. Silent for Config.Ping, it sends a comment. The source is told to
// leave in any case, also with an error. Shutdown waits for it, so it has to end when c.StreamContext does.
func Feed(c *Ctx, src Source) error {
	s := c.server
	if !s.admitStream() {
		src.Leave()
		return host.Errorf("web.Feed", abi.CodeUnavailable, "the host is stopping")
	}
	if eventHead(c) {
		src.Leave()
		s.endStream()
		return nil
	}
	stop := c.WatchClient(src.Leave)
	resp := c.raw.Response()
	resp.ImmediateHeaderFlush = true
	resp.SetBodyStream(&feedReader{src: src, ping: s.cfg.Ping, done: sync.OnceFunc(func() {
		stop()
		s.endStream()
	})}, -1) // -1: not known, so chunked, each piece flushed
	return nil
}

// feedReader is the body of a streamed answer, read and closed by fasthttp's goroutine, which flushes
// each piece before it asks for the next.
type feedReader struct {
	src  Source
	ping time.Duration // 0 where it is no stream of events
	done func()        // nil where there is nothing to do
	tail [2]byte       // the last two bytes sent
}

// Read waits for the next piece. In a silence it sends a comment, but never inside an event.
func (r *feedReader) Read(p []byte) (int, error) {
	var silence <-chan time.Time
	if r.ping > 0 && (r.tail == [2]byte{} || bytes.Equal(r.tail[:], []byte("\n\n"))) {
		timer := time.NewTimer(r.ping)
		defer timer.Stop()
		silence = timer.C
	}
	for {
		n, err := r.src.Take(p)
		if n > 0 || err != nil {
			r.note(p[:n])
			return n, err
		}
		select {
		case <-r.src.Wake():
		case <-silence:
			return copy(p, ": ping\n\n"), nil
		}
	}
}

func (r *feedReader) note(sent []byte) {
	for _, b := range sent[max(0, len(sent)-2):] {
		r.tail = [2]byte{r.tail[1], b}
	}
}

// Close is called when the answer is out or could not be written.
func (r *feedReader) Close() error {
	r.src.Leave()
	if r.done != nil {
		r.done()
	}
	return nil
}
