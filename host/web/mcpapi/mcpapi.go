// Copyright 2026 The Gantry Authors.

// Package mcpapi is the surface of the Model Context Protocol: it puts the protocol's handler at
// /mcp and /mcp/, behind the credential that every request has to bring.
//
// It knows nothing of the protocol itself: host/mcp does.
package mcpapi

import (
	"context"
	"net/http"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/mcp"
	"github.com/gantryhost/gantry/host/web"
)

// listen is the method of the modern era whose answer stays open until somebody ends it. Its
// clients have to name the method in a header too.
const listen = "subscriptions/listen"

// hot is what the protocol's handler may offer besides: quick answers without the detour through
// net/http. mcp.Server says how; the bytes are fasthttp's, which are not kept.
type hot interface {
	Hot(ctx context.Context, ask mcp.Ask) (*mcp.Reply, context.Context)
	Listen(ctx context.Context, head mcp.Head, body []byte) *mcp.Listener
	Stopping() bool
	Standing(ctx context.Context, head mcp.Head) *mcp.Standing
}

var (
	_ hot        = (*mcp.Server)(nil)
	_ web.Source = (*mcp.Listener)(nil)
	_ web.Source = (*mcp.Standing)(nil)
)

// Config is what the surface needs. Only Handler is required.
type Config struct {
	// Handler speaks the protocol. An *mcp.Server is asked for a quick answer first.
	Handler http.Handler
	// ToolScopes are what a call of the tool needs; nil for one that the principal in ctx cannot see.
	ToolScopes func(ctx context.Context, tool string) []host.Scope
	// Insufficient is the WWW-Authenticate header of a refusal to a principal whose access token lacks
	// scopes that its issuer has; "" where there is none. Nil leaves all refusals to the protocol.
	Insufficient func(c *web.Ctx, p *host.Principal, needs []host.Scope) string
}

// Surface serves the protocol at /mcp and /mcp/. While the host stops, the stream of a session is hung
// up on: its client comes back, once it is there again, where an error would end the session for it.
func Surface(cfg Config) web.Surface {
	h := cfg.Handler
	quick, _ := h.(hot)
	answer := func(c *web.Ctx) error {
		if err := cfg.stepUp(c); err != nil {
			return err
		}
		ctx := c.Context()
		switch in := &c.Raw().Request().Header; {
		case in.IsGet() || string(in.Peek("Mcp-Method")) == listen:
			ctx = c.StreamContext() // a call may end what it does when the host stops; these never would
			if src := source(ctx, quick, c); src != nil {
				if err := web.Feed(c, src); err != nil {
					return err
				}
				c.SetHeader("Cache-Control", "no-cache, no-transform") // as the SDK has it
				return nil
			}
		case in.IsPost() && quick != nil:
			reply, next := quick.Hot(ctx, mcp.Ask{Head: in, Body: c.Raw().BodyRaw(), Watch: c.WatchClient})
			if reply != nil {
				c.Bytes(http.StatusOK, reply.ContentType, reply.Body)
				return nil
			}
			ctx = next
		}
		return web.Bridge(ctx, c, h)
	}
	stopping := func(c *web.Ctx) bool {
		return c.StreamContext().Err() != nil || quick != nil && quick.Stopping()
	}
	serve := func(c *web.Ctx) error {
		if !c.Raw().Request().Header.IsGet() {
			return answer(c)
		}
		if stopping(c) {
			c.HangUp()
			return nil
		}
		err := answer(c)
		refused := err != nil || c.Raw().Response().StatusCode() == http.StatusServiceUnavailable
		if refused && stopping(c) { // it began to stop just now
			c.HangUp()
			return nil
		}
		return err
	}
	s := web.Surface{
		Name:       "MCP",
		Prefixes:   []string{"/mcp"},
		Row:        row,
		WriteError: writeError,
	}
	for _, path := range []string{"/mcp", "/mcp/"} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			s.Routes = append(s.Routes, web.Route{Method: method, Path: path, Handler: serve})
		}
	}
	return s
}

// source is a stream that needs no detour through net/http, nil where it does.
func source(ctx context.Context, quick hot, c *web.Ctx) web.Source {
	in := &c.Raw().Request().Header
	switch {
	case quick == nil:
	case in.IsPost():
		if l := quick.Listen(ctx, in, c.Raw().BodyRaw()); l != nil {
			return l
		}
	case in.IsGet():
		if st := quick.Standing(ctx, in); st != nil {
			return st
		}
	}
	return nil
}

// row answers every fault of a credential with 401: that is what makes a client of the protocol
// look for another one, where it would take a 403 as the last word.
func row(code abi.Code) web.Row {
	if code == abi.CodeBadCredential {
		return web.Row{Status: http.StatusUnauthorized, Code: string(abi.CodeUnauthenticated)}
	}
	return web.DefaultRow(code)
}

// The JSON-RPC codes of refusals that come before the protocol.
const (
	rpcInvalidRequest = -32600
	rpcInternal       = -32603
)

type rpcError struct {
	Version string `json:"jsonrpc"`
	ID      any    `json:"id"`
	Error   struct {
		Code    int        `json:"code"`
		Message string     `json:"message"`
		Data    *abi.Error `json:"data,omitempty"`
	} `json:"error"`
}

// writeError answers e as a JSON-RPC error whose data is the error as tools tell it.
func writeError(c *web.Ctx, r web.Row, e *abi.Error) error {
	out := rpcError{Version: "2.0"}
	out.Error.Code = rpcInvalidRequest
	if r.Status >= http.StatusInternalServerError {
		out.Error.Code = rpcInternal
	}
	data := *e
	data.Code = abi.Code(r.Code)
	if data.Code == abi.CodeUnauthenticated && data.Hint == "" {
		data.Hint = "send Authorization: Bearer with a key that is valid; ask the operator for one"
	}
	out.Error.Message, out.Error.Data = e.Message, &data
	return c.JSON(r.Status, out)
}
