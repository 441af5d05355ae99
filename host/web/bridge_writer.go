// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
)

// maxBridgePending is how much of a stream may wait for a slow reader before the handler's next
// write waits with it.
const maxBridgePending = 256 << 10

var errBridgeAborted = errors.New("the handler gave up in the middle of its answer")

// bridgeWriter is the http.ResponseWriter of one request. The handler's goroutine writes; until the
// first Flush everything is kept, after it fasthttp's goroutine takes what has been flushed.
type bridgeWriter struct {
	bridge   *Bridge
	conn     net.Conn
	cancel   context.CancelFunc
	unwatch  func()
	header   http.Header
	flushed  chan struct{} // closed by the first Flush
	finished chan struct{} // closed when the handler has ended

	mu      sync.Mutex
	head    http.Header // the header as it was when the answer began
	status  int
	pending []byte
	ready   int // how much of pending has been flushed
	started bool
	ended   bool
	aborted bool
	gone    bool          // nobody reads any more
	wake    chan struct{} // to the reader: there is news
	room    chan struct{} // to the writer: there is room
}

var _ http.Flusher = (*bridgeWriter)(nil)

func newBridgeWriter(b *Bridge, conn net.Conn, cancel context.CancelFunc) *bridgeWriter {
	w := &bridgeWriter{
		bridge: b, conn: conn, cancel: cancel, header: make(http.Header),
		flushed: make(chan struct{}), finished: make(chan struct{}),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
	w.unwatch = b.gone.watch(conn, cancel)
	return w
}

// Header is as in http.ResponseWriter.
func (w *bridgeWriter) Header() http.Header { return w.header }

// WriteHeader is as in http.ResponseWriter; later calls count for nothing.
func (w *bridgeWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(status)
}

func (w *bridgeWriter) writeHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		w.head = w.header.Clone()
	}
}

// Write keeps a copy of p. On a stream it waits while too much is kept, and fails once the client is gone.
func (w *bridgeWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
	for w.started && !w.gone && len(w.pending) > maxBridgePending {
		w.mu.Unlock()
		<-w.room
		w.mu.Lock()
	}
	if w.gone {
		return 0, io.ErrClosedPipe
	}
	w.pending = append(w.pending, p...)
	return len(p), nil
}

// Flush hands what was written so far to the client. The first one turns the answer into a stream.
func (w *bridgeWriter) Flush() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writeHeader(http.StatusOK)
	w.ready = len(w.pending)
	if !w.started {
		w.started = true
		close(w.flushed)
	}
	signal(w.wake)
}

// finish marks the end of the handler.
func (w *bridgeWriter) finish(panicked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if panicked && !w.started {
		w.status, w.head = http.StatusInternalServerError, http.Header{"Content-Type": {"application/json"}}
		w.pending = []byte(`{"error":{"code":"INTERNAL","message":"the host failed; its log has the cause","retryable":false}}`)
	}
	w.writeHeader(http.StatusOK)
	w.ended, w.aborted = true, panicked
	w.ready = len(w.pending)
	if !w.started {
		close(w.finished)
	}
	signal(w.wake)
}

// release ends what belongs to the request: its context and the watch of its connection.
func (w *bridgeWriter) release() {
	w.unwatch()
	w.cancel()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	signal(w.room)
}

// copyHead writes status and header into fasthttp's response.
func (w *bridgeWriter) copyHead(c *fiber.Ctx) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := &c.Context().Response
	out.SetStatusCode(w.status)
	for key, values := range w.head {
		switch key {
		case "Connection", "Transfer-Encoding", "Content-Length", "Keep-Alive":
			continue // fasthttp's business
		}
		out.Header.Del(key)
		for _, v := range values {
			out.Header.Add(key, v)
		}
	}
	if w.streamsEvents() {
		out.Header.Set("X-Accel-Buffering", "no")
	}
}

func (w *bridgeWriter) streamsEvents() bool {
	return strings.HasPrefix(w.head.Get("Content-Type"), "text/event-stream")
}

// take moves flushed bytes into p. It returns 0 and nil where there is nothing yet.
func (w *bridgeWriter) take(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ready > 0 {
		n := copy(p, w.pending[:w.ready])
		w.ready -= n
		w.pending = append(w.pending[:0], w.pending[n:]...)
		if len(w.pending) == 0 && cap(w.pending) > maxBridgePending/8 {
			w.pending = nil // an idle stream keeps no large buffer
		}
		signal(w.room)
		return n, nil
	}
	switch {
	case w.aborted:
		return 0, errBridgeAborted
	case w.ended:
		return 0, io.EOF
	}
	return 0, nil
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// bridgeReader is the body of a streamed answer, read and closed by fasthttp's goroutine, which
// flushes each piece before it asks for the next.
type bridgeReader struct {
	w    *bridgeWriter
	tail [2]byte // the last two bytes sent
}

// Read waits for the next piece. In a silence it sends a comment, but never inside an event.
func (r *bridgeReader) Read(p []byte) (int, error) {
	var silence <-chan time.Time
	if r.w.bridge.cfg.Ping > 0 && r.w.streamsEvents() {
		timer := time.NewTimer(r.w.bridge.cfg.Ping)
		defer timer.Stop()
		silence = timer.C
	}
	for {
		n, err := r.w.take(p)
		if n > 0 || err != nil {
			r.sending(p[:n])
			return n, err
		}
		select {
		case <-r.w.wake:
		case <-silence:
			if r.tail == [2]byte{} || bytes.Equal(r.tail[:], []byte("\n\n")) {
				n := copy(p, ": ping\n\n")
				r.sending(p[:n])
				return n, nil
			}
			silence = nil // in the middle of an event: its end will show that we live
		}
	}
}

// sending notes what goes out and gives its write a deadline of its own.
func (r *bridgeReader) sending(p []byte) {
	for _, b := range p[max(0, len(p)-2):] {
		r.tail = [2]byte{r.tail[1], b}
	}
	// A connection that cannot take a deadline has no client that could stall it for ever either.
	_ = r.w.conn.SetWriteDeadline(time.Now().Add(r.w.bridge.cfg.WriteTimeout))
}

// Close is called when the answer is out, or could not be written: a client that has gone.
func (r *bridgeReader) Close() error {
	r.w.release()
	_ = r.w.conn.SetWriteDeadline(time.Time{}) // the next answer on this connection is not ours
	return nil
}
