// Copyright 2026 The Gantry Authors.

package egress

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const opNext = "egress.FetchNext"

// callState is what one call has received and has open.
type callState struct {
	mu      sync.Mutex
	closed  bool
	left    int64 // bytes the call may still receive
	total   int64
	last    int32
	streams map[int32]*stream
}

// stream is a response that is read in pieces.
type stream struct {
	body   io.ReadCloser
	mask   mask
	cancel context.CancelFunc

	rest  []byte // read, held back by the mask
	ready []byte // may go out
	end   bool
}

func (st *stream) close() {
	st.cancel()
	st.body.Close()
}

// state returns the call's state and sees to it that it ends with the call.
func (s *Service) state(call *host.CallInfo) (*callState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, host.Errorf(opFetch, abi.CodeUnavailable, "the host is stopping")
	}
	if st := s.calls[call]; st != nil {
		return st, nil
	}
	total := call.Limits.EgressBytes
	if total <= 0 {
		total = s.cfg.EgressBytes
	}
	st := &callState{left: total, total: total, streams: map[int32]*stream{}}
	s.calls[call] = st
	call.Defer(func() {
		s.mu.Lock()
		delete(s.calls, call)
		s.mu.Unlock()
		st.close()
	})
	return st, nil
}

func (c *callState) close() {
	c.mu.Lock()
	streams := c.streams
	c.streams, c.closed = nil, true
	c.mu.Unlock()
	for _, st := range streams {
		st.close()
	}
}

// open gives a stream its handle. On an error the stream is closed.
func (c *callState) open(st *stream) (int32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		st.close()
		return 0, host.Errorf(opFetch, abi.CodeUnavailable, "the call has ended")
	}
	if len(c.streams) >= MaxStreams {
		st.close()
		return 0, host.Errorf(opFetch, abi.CodeLimit, "the call has %d streamed responses open (limit: streams); close one first", MaxStreams)
	}
	c.last++
	c.streams[c.last] = st
	return c.last, nil
}

func (c *callState) get(id int32) *stream {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id]
}

func (c *callState) drop(id int32, st *stream) {
	c.mu.Lock()
	delete(c.streams, id)
	c.mu.Unlock()
	st.close()
}

// fetchNext answers abi.OpFetchNext. Closing a stream that is not open is no error.
func (s *Service) fetchNext(_ context.Context, call *host.CallInfo, raw []byte) ([]byte, error) {
	var in abi.FetchNext
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, host.Errorf(opNext, abi.CodeInvalidArg, "fetch.next: the request is not the JSON this host expects: %w", err)
	}
	c, err := s.state(call)
	if err != nil {
		return nil, err
	}
	st := c.get(in.Stream)
	switch {
	case in.Close:
		if st != nil {
			c.drop(in.Stream, st)
		}
		return json.Marshal(abi.FetchChunk{End: true})
	case st == nil:
		return nil, host.Errorf(opNext, abi.CodeInvalidArg, "fetch.next: stream %d is not open; it has ended or never was", in.Stream)
	}
	size := in.MaxBytes
	if size <= 0 {
		size = 64 << 10
	}
	chunk, err := st.next(int(min(size, maxChunk)))
	if err != nil || chunk.End {
		c.drop(in.Stream, st)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(chunk)
}

// next waits for the next bytes and returns them as they came, at most size of them.
func (st *stream) next(size int) (abi.FetchChunk, error) {
	for len(st.ready) == 0 && !st.end {
		buf := make([]byte, len(st.rest)+size)
		copy(buf, st.rest)
		n, err := st.body.Read(buf[len(st.rest):])
		if err != nil && !errors.Is(err, io.EOF) {
			return abi.FetchChunk{}, err
		}
		st.end = err != nil
		st.ready, st.rest = st.mask.apply(buf[:len(st.rest)+n], st.end)
	}
	n := min(size, len(st.ready))
	out := abi.FetchChunk{Data: st.ready[:n]}
	st.ready = st.ready[n:]
	out.End = st.end && len(st.ready) == 0
	return out, nil
}

// meter reads a response's body within the limits, and tells a failure in our words.
type meter struct {
	x    *exchange
	c    *callState
	body io.ReadCloser
	left int64 // of max_bytes; below 0 is unbounded
	most int64
}

func (c *callState) meter(x *exchange, resp *http.Response, maxBytes int64) io.ReadCloser {
	m := &meter{x: x, c: c, body: resp.Body, left: -1, most: maxBytes}
	if maxBytes > 0 {
		m.left = maxBytes
	}
	return m
}

// Read implements io.Reader. One byte more than allowed is read to tell a full body from a longer one.
func (m *meter) Read(p []byte) (int, error) {
	room := m.room()
	if int64(len(p)) > room+1 {
		p = p[:room+1]
	}
	n, err := m.body.Read(p)
	if over := m.take(int64(n)); over != nil {
		return 0, over
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = m.x.failure(err)
	}
	return n, err
}

func (m *meter) room() int64 {
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.left >= 0 {
		return min(m.left, m.c.left)
	}
	return m.c.left
}

func (m *meter) take(n int64) error {
	m.x.s.received.Add(n)
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.left >= 0 && n > m.left {
		return host.Errorf(opFetch, abi.CodeLimit, "the answer of %s is longer than %d bytes (limit: max_bytes of the request)", m.x.to.host, m.most)
	}
	if n > m.c.left {
		return host.Errorf(opFetch, abi.CodeLimit, "the call received more than %d bytes over HTTP (limit: egress)", m.c.total).
			WithHint("raise limits: {egress: …} in %s.yaml", m.x.call.Plugin)
	}
	m.c.left -= n
	if m.left >= 0 {
		m.left -= n
	}
	return nil
}

// Close implements io.Closer.
func (m *meter) Close() error { return m.body.Close() }
