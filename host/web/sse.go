// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// StreamOptions say how a stream behaves.
type StreamOptions struct {
	// Limit ends the stream's context with ErrStreamLimit; 0 is no limit.
	Limit time.Duration
	// Ping replaces Config.Ping; 0 keeps it.
	Ping time.Duration
	// Done is called once when the stream's function has ended, or will not be called at all.
	Done func()
}

// Event is one server-sent event. Empty fields are left out; line breaks in Data become several
// data lines, in ID and Type they become spaces.
type Event struct {
	ID   string
	Type string
	Data []byte
}

// EventWriter sends the events of one stream. Its methods may be called concurrently.
type EventWriter struct {
	ctx   context.Context
	pipe  *io.PipeWriter
	ping  *time.Timer
	every time.Duration

	mu     sync.Mutex
	buf    bytes.Buffer
	closed bool
}

// Stream answers with server-sent events. It returns at once; f runs in a goroutine of its own
// after the handler has returned, so it must not use c. The stream ends when f returns, and f has to
// return soon after the writer's context has ended: Shutdown waits for it. An error or a panic of f
// is logged and told as a last event of type error. For HEAD f is not called.
func Stream(c *Ctx, o StreamOptions, f func(w *EventWriter) error) error {
	done := func() {
		if o.Done != nil {
			o.Done()
		}
	}
	if eventHead(c) {
		done()
		return nil
	}
	resp := c.raw.Response()
	resp.ImmediateHeaderFlush = true
	s := c.server
	if !s.admitStream() {
		done()
		return host.Errorf("web.Stream", abi.CodeUnavailable, "the host is stopping")
	}
	pr, pw := io.Pipe()
	resp.SetBodyStream(pr, -1)
	ctx, end := context.WithCancelCause(c.StreamContext())
	stopWatch := c.WatchClient(func() {
		end(ErrClientGone)
		_ = pw.CloseWithError(ErrClientGone) // never fails; it frees a reader that waits
	})
	orDefault(&o.Ping, s.cfg.Ping)
	w := &EventWriter{pipe: pw, every: o.Ping}
	id := c.requestID
	go func() {
		defer s.endStream()
		defer done()
		defer end(nil)
		defer stopWatch()
		s.runStream(ctx, w, o.Limit, id, f)
	}()
	return nil
}

// Events answers with server-sent events that are all there already: a stream that ends after them,
// in one write.
func Events(c *Ctx, events []Event) {
	if eventHead(c) {
		return
	}
	size := 0
	for i := range events {
		size += len(events[i].Data) + eventExtra
	}
	buf := bytes.NewBuffer(make([]byte, 0, size))
	for i := range events {
		events[i].write(buf)
	}
	c.raw.Response().SetBodyRaw(buf.Bytes())
}

// eventExtra is about what an event has besides its data.
const eventExtra = 64

// eventHead sets the header of a stream, and tells whether that is all that was asked for.
func eventHead(c *Ctx) (only bool) {
	resp := c.raw.Response()
	resp.Header.SetContentType("text/event-stream")
	resp.Header.SetCanonical([]byte("Cache-Control"), []byte("no-cache"))
	resp.Header.SetCanonical([]byte("X-Accel-Buffering"), []byte("no"))
	resp.SetStatusCode(200)
	return c.raw.Request().Header.IsHead()
}

// admitStream counts a stream that Shutdown will wait for.
func (s *Server) admitStream() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams.Err() != nil {
		return false
	}
	s.running.Add(1)
	s.open.Add(1)
	return true
}

// admitFeed is admitStream for a stream whose connection fasthttp does not know any more.
func (s *Server) admitFeed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.streams.Err() != nil {
		return false
	}
	s.feeding.Add(1)
	s.open.Add(1)
	return true
}

// endFeed counts one out.
func (s *Server) endFeed() {
	s.open.Add(-1)
	s.feeding.Done()
}

// endStream counts one out.
func (s *Server) endStream() {
	s.open.Add(-1)
	s.running.Done()
}

// Stats is what a server holds at one moment.
type Stats struct {
	// Connections are open ones; Streams are answers under way that are streams or may become one.
	Connections, Streams int
}

// Stats counts.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	listeners := s.listeners
	s.mu.Unlock()
	out := Stats{Streams: int(s.open.Load())}
	for _, l := range listeners {
		l.mu.Lock()
		out.Connections += len(l.open)
		l.mu.Unlock()
	}
	return out
}

func (s *Server) runStream(ctx context.Context, w *EventWriter, limit time.Duration, id string, f func(*EventWriter) error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, ErrStreamLimit)
		defer cancel()
	}
	w.ctx = ctx
	w.mu.Lock()
	w.ping = time.AfterFunc(w.every, w.sendPing)
	w.mu.Unlock()
	err := safely(func() error { return f(w) })
	if err != nil && context.Cause(ctx) != ErrClientGone {
		s.cfg.Logger.Error("stream failed", "request_id", id, "error", err)
		// The client may have left meanwhile, and then nobody misses this event.
		_ = w.Send(Event{Type: "error", Data: []byte(`{"type":"error","code":"INTERNAL","status":500,` +
			`"message":"the host failed; its log has the cause","retryable":false}`)})
	}
	w.close()
}

func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// Context ends when the client leaves (ErrClientGone), the stream meets its limit
// (ErrStreamLimit) or the host stops (ErrStopping); context.Cause tells which. In the latter two
// cases Send still works, so that the stream can say why it ends.
func (w *EventWriter) Context() context.Context { return w.ctx }

// Send writes an event and returns when it is on its way to the client. An error says that the
// client is gone, or took nothing for Config.WriteTimeout; the stream is of no use then.
func (w *EventWriter) Send(e Event) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return io.ErrClosedPipe
	}
	w.buf.Reset()
	e.write(&w.buf)
	return w.flush()
}

func (e *Event) write(b *bytes.Buffer) {
	field(b, "id: ", e.ID)
	field(b, "event: ", e.Type)
	for line := range bytes.SplitSeq(e.Data, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\r")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

func field(b *bytes.Buffer, name, value string) {
	if value == "" {
		return
	}
	b.WriteString(name)
	b.WriteString(strings.ReplaceAll(oneLine(value), "\r", " "))
	b.WriteByte('\n')
}

// flush hands the buffer over; the pipe returns when the connection has taken all of it. A buffer
// that one big event has grown is given back, since a stream may be silent for long after it.
func (w *EventWriter) flush() error {
	_, err := w.pipe.Write(w.buf.Bytes())
	if w.buf.Cap() > 4<<10 {
		w.buf = bytes.Buffer{}
	}
	w.ping.Reset(w.every)
	return err
}

// sendPing keeps proxies from cutting a silent stream, and finds out whether the client is there.
// While an event is being written none is needed.
func (w *EventWriter) sendPing() {
	if !w.mu.TryLock() {
		return
	}
	defer w.mu.Unlock()
	if w.closed {
		return
	}
	w.buf.Reset()
	w.buf.WriteString(": ping\n\n")
	_ = w.flush() // a failure shows at the next Send, and the watch tells f
}

// close ends the answer. No ping comes after it.
func (w *EventWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.ping.Stop()
	_ = w.pipe.Close() // never fails
}
