// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

func (c *call) fetch(req abi.FetchRequest) (*abi.FetchResponse, error) {
	u, err := url.Parse(req.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, pdk.Invalid("url", "%q is not an http or https URL", req.URL)
	}
	if g := c.h.Grants; g != nil && !slices.ContainsFunc(g.Hosts, func(p string) bool { return covers(p, u) }) {
		return nil, forbidden("the host "+u.Host, "hosts: ["+u.Host+"]")
	}
	if c.h.Web == nil {
		return nil, pdk.Errorf(abi.CodeUpstream, "%s does not answer: Host.Web is nil", u.Host)
	}
	ctx, cancel := context.WithCancel(c.ctx)
	if req.TimeoutMS > 0 {
		ctx, cancel = context.WithTimeout(c.ctx, time.Duration(req.TimeoutMS)*time.Millisecond)
	}
	r, err := http.NewRequestWithContext(ctx, req.Method, req.URL, bytes.NewReader(req.Body))
	if err != nil {
		cancel()
		return nil, pdk.Invalid("method", "%v", err)
	}
	for _, line := range req.Headers {
		r.Header.Add(line.Name, line.Value)
	}
	r.RequestURI, r.RemoteAddr = u.RequestURI(), "192.0.2.1:1234"
	if req.Stream {
		return c.open(r, cancel)
	}
	defer cancel()
	rec := httptest.NewRecorder()
	c.h.Web.ServeHTTP(rec, r)
	if ctx.Err() != nil {
		return nil, c.late(u.Host)
	}
	if req.MaxBytes > 0 && int64(rec.Body.Len()) > req.MaxBytes {
		return nil, pdk.Errorf(abi.CodeLimit, "the response of %s is longer than max_bytes, %d", u.Host, req.MaxBytes)
	}
	return &abi.FetchResponse{Status: rec.Code, URL: req.URL, Headers: lines(rec.Header()), Body: rec.Body.Bytes()}, nil
}

// late is why a request's context is done: its call has ended, or its own time.
func (c *call) late(host string) error {
	if c.ctx.Err() != nil {
		return c.ended()
	}
	return pdk.Errorf(abi.CodeUpstream, "%s did not answer in time", host)
}

// covers tells whether a host pattern of abi.Rights covers a URL.
func covers(pattern string, u *url.URL) bool {
	if pattern == "*" {
		return true
	}
	if scheme, rest, ok := strings.Cut(pattern, "://"); ok {
		if scheme != u.Scheme {
			return false
		}
		pattern, _, _ = strings.Cut(rest, "/")
	}
	host, port, _ := strings.Cut(pattern, ":")
	if port != u.Port() && (port != "" || u.Port() != "80" && u.Port() != "443") {
		return false
	}
	if suffix, ok := strings.CutPrefix(host, "*"); ok {
		return strings.HasSuffix(strings.ToLower(u.Hostname()), strings.ToLower(suffix))
	}
	return strings.EqualFold(host, u.Hostname())
}

func lines(h http.Header) []abi.Header {
	var out []abi.Header
	for name, values := range h {
		for _, v := range values {
			out = append(out, abi.Header{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(out, func(a, b abi.Header) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// webStream is a response that a handler is still writing. The handler's goroutine ends when close
// has been called and the handler returns.
type webStream struct {
	ctx    context.Context
	cancel context.CancelFunc
	host   string
	body   *io.PipeReader
	done   chan struct{}
}

// open runs the handler in a goroutine and returns once it has sent its headers.
func (c *call) open(r *http.Request, cancel context.CancelFunc) (*abi.FetchResponse, error) {
	pr, pw := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: pw, ready: make(chan struct{})}
	s := &webStream{ctx: r.Context(), cancel: cancel, host: r.URL.Host, body: pr, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer pw.Close()
		defer w.WriteHeader(http.StatusOK)
		c.h.Web.ServeHTTP(w, r)
	}()
	handle := int32(len(c.streams) + 1)
	c.streams[handle] = s
	select {
	case <-w.ready:
	case <-r.Context().Done():
		return nil, c.late(r.URL.Host)
	}
	return &abi.FetchResponse{Status: w.status, URL: r.URL.String(), Headers: lines(w.sent), Stream: handle}, nil
}

func (s *webStream) close() {
	s.cancel()
	s.body.Close()
	<-s.done
}

func (c *call) fetchNext(req abi.FetchNext) (*abi.FetchChunk, error) {
	s := c.streams[req.Stream]
	if s == nil {
		return nil, pdk.Errorf(abi.CodeNotFound, "no stream %d in this call", req.Stream)
	}
	if req.Close {
		s.close()
		return &abi.FetchChunk{End: true}, nil
	}
	size := req.MaxBytes
	if size <= 0 {
		size = 64 << 10
	}
	buf := make([]byte, size)
	n, err := s.body.Read(buf)
	// A handler that its context has ended closes the pipe as one that is done does.
	switch {
	case err != nil && s.ctx.Err() != nil:
		return nil, c.late(s.host)
	case err == io.EOF:
		return &abi.FetchChunk{Data: buf[:n], End: true}, nil
	case err != nil:
		return nil, pdk.Errorf(abi.CodeUpstream, "the stream broke: %w", err)
	}
	return &abi.FetchChunk{Data: buf[:n]}, nil
}

// pipeWriter is a http.ResponseWriter whose bytes are read as they are written.
type pipeWriter struct {
	header http.Header
	body   *io.PipeWriter
	once   sync.Once
	ready  chan struct{}
	status int
	sent   http.Header
}

var _ http.Flusher = (*pipeWriter)(nil)

// Header implements http.ResponseWriter.
func (w *pipeWriter) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter; the first call counts.
func (w *pipeWriter) WriteHeader(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.ready)
	})
}

// Write implements http.ResponseWriter.
func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush implements http.Flusher; nothing is held back.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
