// Copyright 2026 The Gantry Authors.

package web

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// maxBridgePending is how much of a stream may wait for a slow reader before the handler's next
// write waits with it.
const maxBridgePending = 256 << 10

// keptBridgeBuffer is how large a buffer an idle stream may keep.
const keptBridgeBuffer = 4 << 10

var errBridgeGaveUp = errors.New("the handler gave up in the middle of its answer")

// bridgeWriter is the http.ResponseWriter of one request. The handler's goroutine writes; until the
// first Flush everything is kept, after it fasthttp's goroutine takes what has been flushed.
type bridgeWriter struct {
	ping     time.Duration
	release  func() // ends the request's context and the watch of its connection
	header   http.Header
	flushed  chan struct{} // closed by the first Flush
	finished chan struct{} // closed when the handler has ended without one
	wake     chan struct{} // to the reader: there is news
	room     chan struct{} // to the writer: there is room

	mu      sync.Mutex
	head    http.Header // the header as it was when the answer began
	status  int
	pending []byte
	ready   int  // how much of pending has been flushed
	streams bool // there was a Flush
	ended   bool
	gaveUp  bool
	gone    bool // nobody reads any more
}

var (
	_ http.Flusher = (*bridgeWriter)(nil)
	_ Source       = (*bridgeWriter)(nil)
)

func newBridgeWriter(ping time.Duration) *bridgeWriter {
	return &bridgeWriter{
		ping: ping, header: make(http.Header),
		flushed: make(chan struct{}), finished: make(chan struct{}),
		wake: make(chan struct{}, 1), room: make(chan struct{}, 1),
	}
}

// Header is as in http.ResponseWriter.
func (w *bridgeWriter) Header() http.Header { return w.header }

// WriteHeader is as in http.ResponseWriter; later calls count for nothing.
func (w *bridgeWriter) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(status)
}

func (w *bridgeWriter) begin(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
		w.head = w.header.Clone()
	}
}

// Write keeps a copy of p. On a stream it waits while too much is kept, and fails once the client is gone.
func (w *bridgeWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begin(http.StatusOK)
	for w.streams && !w.gone && len(w.pending) > maxBridgePending {
		w.ready = len(w.pending)
		signal(w.wake)
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
	w.begin(http.StatusOK)
	w.ready = len(w.pending)
	if !w.streams {
		w.streams = true
		close(w.flushed)
	}
	signal(w.wake)
}

// finish marks the end of the handler.
func (w *bridgeWriter) finish(gaveUp bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if gaveUp && !w.streams {
		w.status, w.head = http.StatusInternalServerError, http.Header{"Content-Type": {"application/json"}}
		w.pending = []byte(`{"error":{"code":"INTERNAL","message":"the host failed; its log has the cause","retryable":false}}`)
	}
	w.begin(http.StatusOK)
	w.ended, w.gaveUp = true, gaveUp
	w.ready = len(w.pending)
	if !w.streams {
		close(w.finished)
	}
	signal(w.wake)
}

// Wake is as in Source.
func (w *bridgeWriter) Wake() <-chan struct{} { return w.wake }

// Leave is told when the answer is out, or nobody takes it any more.
func (w *bridgeWriter) Leave() {
	w.release()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.gone = true
	signal(w.room)
}

// copyHead writes status and header into the answer.
func (w *bridgeWriter) copyHead(c *Ctx) {
	w.mu.Lock()
	defer w.mu.Unlock()
	resp := c.raw.Response()
	resp.SetStatusCode(w.status)
	for key, values := range w.head {
		switch key {
		case "Connection", "Transfer-Encoding", "Content-Length", "Keep-Alive":
			continue // fasthttp's business
		}
		resp.Header.Del(key)
		for _, v := range values {
			resp.Header.Add(key, oneLine(v))
		}
	}
	if w.sendsEvents() {
		resp.Header.Set("X-Accel-Buffering", "no")
	}
}

func (w *bridgeWriter) sendsEvents() bool {
	return strings.HasPrefix(w.head.Get("Content-Type"), "text/event-stream")
}

// Take moves flushed bytes into p, as in Source.
func (w *bridgeWriter) Take(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ready > 0 {
		n := copy(p, w.pending[:w.ready])
		w.ready -= n
		w.pending = append(w.pending[:0], w.pending[n:]...)
		if len(w.pending) == 0 && cap(w.pending) > keptBridgeBuffer {
			w.pending = nil
		}
		signal(w.room)
		return n, nil
	}
	switch {
	case w.gaveUp:
		return 0, errBridgeGaveUp
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
