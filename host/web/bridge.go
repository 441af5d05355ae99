// Copyright 2026 The Gantry Authors.

package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Bridge answers a request with a net/http handler. Fiber's own adaptor hands the handler a request
// context that fasthttp uses again for the next request, and never tells that a client has left;
// here the handler gets a request of its own, which it may keep, and whose context ends when the
// client goes away.
//
// The context is derived from ctx, one of c.Context and c.StreamContext: the latter for an answer
// that would otherwise never end. Until the handler flushes, its answer is kept and Bridge waits;
// the first Flush turns it into a stream and Bridge returns, while the handler goes on. Shutdown
// waits for it. An event stream gets a comment when it is silent for Config.Ping. A panic is
// logged, and is a 500 or the cut end of a stream.
func Bridge(ctx context.Context, c *Ctx, h http.Handler) error {
	s := c.server
	if !s.admitStream() {
		return host.Errorf("web.Bridge", abi.CodeUnavailable, "the host is stopping")
	}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, http.LocalAddrContextKey, c.Conn().LocalAddr()))
	req, err := bridgeRequest(ctx, c)
	if err != nil {
		cancel()
		s.endStream()
		return err
	}
	w := newBridgeWriter(s.cfg.Ping)
	stop := c.WatchClient(cancel)
	w.release = func() {
		stop()
		cancel()
	}
	id := c.requestID
	go func() {
		defer s.endStream()
		w.finish(s.runBridged(w, req, id, h))
	}()
	resp := c.raw.Response()
	select {
	case <-w.flushed:
		w.copyHead(c)
		resp.ImmediateHeaderFlush = true
		body := &sourceReader{src: w}
		if w.sendsEvents() {
			body.ping = s.cfg.Ping
		}
		resp.SetBodyStream(body, -1) // -1: not known, so chunked, each piece flushed
	case <-w.finished:
		w.copyHead(c)
		resp.SetBodyRaw(w.pending)
		w.Leave()
	}
	return nil
}

// runBridged runs the handler and tells whether it gave up.
func (s *Server) runBridged(w http.ResponseWriter, req *http.Request, id string, h http.Handler) (gaveUp bool) {
	defer func() {
		p := recover()
		if p != nil && p != http.ErrAbortHandler {
			s.cfg.Logger.Error("handler panicked", "request_id", id, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
		gaveUp = p != nil
	}()
	h.ServeHTTP(w, req)
	return false
}

// bridgeRequest copies the request out of fasthttp's memory.
func bridgeRequest(ctx context.Context, c *Ctx) (*http.Request, error) {
	in := c.raw.Request()
	body := c.Body()
	target := string(in.RequestURI())
	req, err := http.NewRequestWithContext(ctx, strings.Clone(c.raw.Method()), target, &bridgeBody{data: body})
	if err != nil {
		return nil, host.Errorf("web.Bridge", CodeMalformed, "the request line is not valid: %w", err)
	}
	req.RequestURI = target
	req.ContentLength = int64(len(body))
	req.Host = string(in.Header.Host())
	req.RemoteAddr = c.Conn().RemoteAddr().String()
	for k, v := range in.Header.All() {
		if key := http.CanonicalHeaderKey(string(k)); key != "Host" {
			req.Header.Add(key, string(v))
		}
	}
	return req, nil
}

// bridgeBody is a body that is wholly there.
type bridgeBody struct{ data []byte }

func (r *bridgeBody) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func (r *bridgeBody) Close() error { return nil }
