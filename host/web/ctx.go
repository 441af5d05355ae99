// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/gantryhost/gantry/host"
)

// Ctx is one request on its way through a handler. It is used by one goroutine and dead when the
// handler returns; every string and slice it hands out is a copy and may be kept.
type Ctx struct {
	raw       *fiber.Ctx
	server    *Server
	surface   *Surface
	route     *Route
	principal *host.Principal
	requestID string
	start     time.Time
	logged    string
}

// Raw is Fiber's request. What it hands out is fasthttp's memory, reused after the handler: copy it.
func (c *Ctx) Raw() *fiber.Ctx { return c.raw }

// Context carries the principal. It ends when the host is forced to stop, not when the client
// leaves; WatchClient tells of that. It may be kept.
func (c *Ctx) Context() context.Context {
	return host.WithPrincipal(c.server.requests, c.principal)
}

// StreamContext is like Context, but ends, with the cause ErrStopping, as soon as the host begins
// to stop: for answers that would otherwise never end.
func (c *Ctx) StreamContext() context.Context {
	return host.WithPrincipal(c.server.streams, c.principal)
}

// HangUp ends the connection without an answer, whatever else was set: a client that meets a broken
// connection tries again, where some take an error for the last word. The handler has to return nil.
func (c *Ctx) HangUp() {
	c.raw.Response().SetStatusCode(503) // for the log
	rctx, conn := c.raw.Context(), c.Conn()
	rctx.HijackSetNoResponse(true)
	rctx.Hijack(func(net.Conn) { _ = conn.Close() }) // nobody is left to tell of an error
}

// Principal is who asks, nil on a public route.
func (c *Ctx) Principal() *host.Principal { return c.principal }

// RequestID names this request in the log and in the X-Request-Id header of the answer.
func (c *Ctx) RequestID() string { return c.requestID }

// Param is a segment of the path, or its rest, unescaped; "" where the route has none of the name.
func (c *Ctx) Param(name string) string {
	if name != "" && name == c.route.rest() {
		name = "+"
	}
	v := strings.Clone(c.raw.Params(name))
	if u, err := url.PathUnescape(v); err == nil {
		return u
	}
	return v
}

// Query is the first query parameter of the name, "" where there is none.
func (c *Ctx) Query(name string) string { return strings.Clone(c.raw.Query(name)) }

// Header is the request header of the name, "" where there is none.
func (c *Ctx) Header(name string) string { return string(c.raw.Request().Header.Peek(name)) }

// Headers are all values of the request header of the name.
func (c *Ctx) Headers(name string) []string {
	var out []string
	for _, v := range c.raw.Request().Header.PeekAll(name) {
		out = append(out, string(v))
	}
	return out
}

// Body is the request's body as it was sent; it is never decompressed.
func (c *Ctx) Body() []byte { return bytes.Clone(c.raw.BodyRaw()) }

// Conn is the client's connection, for WatchClient and deadlines. It must not be read or written.
func (c *Ctx) Conn() net.Conn { return c.raw.Context().Conn() }

// WatchClient calls gone once, from another goroutine, when the client leaves before the answer is
// complete: within about 50 ms, or 50 µs for each connection watched where that is longer. Call
// stop when the answer is complete; gone is not called after that.
func (c *Ctx) WatchClient(gone func()) (stop func()) { return c.server.gone.watch(c.Conn(), gone) }

// SetHeader sets a header of the answer. Line breaks in the value become spaces.
func (c *Ctx) SetHeader(name, value string) {
	c.raw.Response().Header.Set(name, oneLine(value))
}

// JSON answers v. An error says that v cannot be written as JSON, and nothing was answered.
func (c *Ctx) JSON(status int, v any) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	c.Bytes(status, "application/json", bytes.TrimSuffix(buf.Bytes(), []byte("\n")))
	return nil
}

// Bytes answers body, which belongs to the answer from then on.
func (c *Ctx) Bytes(status int, contentType string, body []byte) {
	resp := c.raw.Response()
	resp.SetStatusCode(status)
	resp.Header.SetContentType(contentType)
	resp.SetBodyRaw(body)
}

// NoContent answers 204.
func (c *Ctx) NoContent() { c.raw.Response().SetStatusCode(204) }

func oneLine(s string) string {
	if strings.ContainsAny(s, "\r\n\x00") {
		return strings.NewReplacer("\r", " ", "\n", " ", "\x00", " ").Replace(s)
	}
	return s
}

// The causes of a stream's context.
var (
	// ErrStopping says that the host is stopping.
	ErrStopping = errors.New("the host is stopping")
	// ErrClientGone says that the client has left.
	ErrClientGone = errors.New("the client has left")
	// ErrStreamLimit says that a stream has met its time limit.
	ErrStreamLimit = errors.New("the stream has met its time limit")
)
