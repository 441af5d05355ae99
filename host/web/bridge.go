// Copyright 2026 The Gantry Authors.

package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/gantryhost/gantry/host"
)

// The defaults of a BridgeConfig.
const (
	defaultBridgePing  = 15 * time.Second
	defaultBridgeWrite = 10 * time.Second
)

// BridgeConfig says what a Bridge serves.
type BridgeConfig struct {
	// Handler answers the requests. It may keep the request and its context after it has returned.
	Handler http.Handler
	// Logger hears of panics. Nil means slog.Default.
	Logger *slog.Logger
	// Ping is how long an event stream may be silent before a comment is written into it, so that
	// proxies keep it open. 0 means 15 s, less than 0 never.
	Ping time.Duration
	// WriteTimeout bounds each write to a client that streams; one that does not read is cut off
	// after it. 0 means 10 s.
	WriteTimeout time.Duration
}

// Bridge serves a net/http handler over Fiber. Fiber's own adaptor hands the handler a request
// context that fasthttp uses again for the next request, and never tells that a client has left;
// here the handler gets a request of its own that it may keep, and its context ends when the client
// goes away. A Bridge is safe for concurrent use.
type Bridge struct {
	cfg    BridgeConfig
	gone   goneWatch
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	running sync.WaitGroup
	closed  bool
}

// NewBridge makes a Bridge; the error names the setting at fault. Close ends it.
func NewBridge(cfg BridgeConfig) (*Bridge, error) {
	if cfg.Handler == nil {
		return nil, errors.New("bridge: Handler is missing")
	}
	if cfg.WriteTimeout < 0 {
		return nil, fmt.Errorf("bridge: WriteTimeout is %v; it has to be positive", cfg.WriteTimeout)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Ping == 0 {
		cfg.Ping = defaultBridgePing
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = defaultBridgeWrite
	}
	b := &Bridge{cfg: cfg}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b, nil
}

// Close ends the contexts of all requests that run, and waits for their handlers up to ctx.
// Requests after it are answered with 503. It may be called more than once.
func (b *Bridge) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.cancel()
	done := make(chan struct{})
	go func() {
		b.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("bridge: handlers are still running: %w", ctx.Err())
	}
}

// Serve answers one request for the principal, which may be nil. It returns when the answer is
// complete or, where the handler streams, when its head is: fasthttp then reads the rest.
func (b *Bridge) Serve(c *fiber.Ctx, p *host.Principal) error {
	if !b.begin() {
		return fiber.NewError(fiber.StatusServiceUnavailable, "the host is stopping")
	}
	ctx, cancel := b.requestContext(c, p)
	req, err := bridgeRequest(ctx, c)
	if err != nil {
		cancel()
		b.running.Done()
		return fiber.NewError(fiber.StatusBadRequest, err.Error())
	}
	w := newBridgeWriter(b, c.Context().Conn(), cancel)
	go b.run(w, req)
	select {
	case <-w.flushed:
		w.copyHead(c)
		// -1: the length is not known, so the body is chunked and each piece flushed.
		c.Context().Response.SetBodyStream(&bridgeReader{w: w}, -1)
	case <-w.finished:
		w.copyHead(c)
		c.Context().Response.SetBody(w.pending)
		w.release()
	}
	return nil
}

func (b *Bridge) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	b.running.Add(1)
	return true
}

// requestContext carries, by hand, the two things a handler may ask of it. Nothing in it belongs to
// fasthttp.
func (b *Bridge) requestContext(c *fiber.Ctx, p *host.Principal) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(b.ctx)
	ctx = context.WithValue(ctx, http.LocalAddrContextKey, c.Context().LocalAddr())
	if p != nil {
		ctx = host.WithPrincipal(ctx, p)
	}
	return ctx, cancel
}

// run is the handler's goroutine.
func (b *Bridge) run(w *bridgeWriter, req *http.Request) {
	defer b.running.Done()
	defer func() {
		r := recover()
		if r != nil && r != http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
			b.cfg.Logger.Error("a handler panicked", "method", req.Method, "path", req.URL.Path,
				"panic", fmt.Sprint(r), "stack", string(debug.Stack()))
		}
		w.finish(r != nil)
	}()
	b.cfg.Handler.ServeHTTP(w, req)
}

// bridgeRequest copies the request out of fasthttp's memory.
func bridgeRequest(ctx context.Context, c *fiber.Ctx) (*http.Request, error) {
	in := &c.Context().Request
	body := append([]byte(nil), in.Body()...)
	target := strings.Clone(string(in.RequestURI()))
	req, err := http.NewRequestWithContext(ctx, string(in.Header.Method()), target, &bridgeBody{data: body})
	if err != nil {
		return nil, fmt.Errorf("the request line is not valid: %w", err)
	}
	req.RequestURI = target
	req.ContentLength = int64(len(body))
	req.Proto, req.ProtoMajor, req.ProtoMinor = "HTTP/1.1", 1, 1
	req.Host = string(in.Header.Host())
	req.RemoteAddr = c.Context().RemoteAddr().String()
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
