// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// headStart is how long a call may take to be answered by Hot. One that takes longer is handed to the
// SDK while it runs: its client may want a stream that is kept open, and a way to come back to it.
const headStart = 100 * time.Millisecond

// maxClients bounds how many kinds of client are remembered, maxClient how long each may describe itself.
const (
	maxClients = 256
	maxClient  = 2 << 10
)

// Head is a request's header. Peek returns the first value of the name, nil where there is none; its
// bytes are only read, and not kept after Hot returns.
type Head interface {
	Peek(name string) []byte
}

// Ask is a request as Hot takes it. Its bytes are not kept.
type Ask struct {
	Head Head
	Body []byte
	// Watch has gone called once, from another goroutine, when the client leaves, until stop is called.
	// Nil where nobody can tell.
	Watch func(gone func()) (stop func())
}

// Reply is an answer with status 200.
type Reply struct {
	ContentType string
	Body        []byte
}

// Hot answers the one request that has to be fast: a POST that calls a tool and asks for nothing but
// its result. The SDK takes ten times as long for it as all the rest of the host.
//
// A nil Reply means that the request has to go to ServeHTTP, with the context that Hot returns: as a
// rule nothing has happened, but where the tool was called and only the SDK can tell how it went on,
// the context carries the call, which is not made again. The context given has to carry a principal.
func (s *Server) Hot(ctx context.Context, ask Ask) (*Reply, context.Context) {
	p := host.PrincipalFrom(ctx)
	if s.cfg.NoHotPath || p == nil || int64(len(ask.Body)) > s.cfg.MaxBodyBytes || !plainHead(ask.Head) {
		return nil, ctx
	}
	msg, ok := scanCall(ask.Body)
	if !ok {
		return nil, ctx
	}
	c := &hotCall{done: make(chan struct{})}
	if !s.recognise(c, p, ask.Head, &msg) {
		return nil, ctx
	}
	c.request.Tool, c.request.Surface = string(msg.name), surface
	c.request.Input = append([]byte(nil), msg.arguments...)
	ended, begun := s.make(ctx, c, ask.Watch)
	if !begun {
		return nil, ctx
	}
	if !ended {
		return nil, context.WithValue(ctx, handedKey{}, c)
	}
	result, ok := s.plainResult(c)
	if !ok {
		return nil, context.WithValue(ctx, handedKey{}, c)
	}
	return s.reply(c, msg.id, result), ctx
}

// plainHead tells whether the header asks for nothing that is out of the ordinary. The rest is read
// where it is needed.
func plainHead(head Head) bool {
	return isJSON(head.Peek("Content-Type")) && takesBoth(head.Peek("Accept")) &&
		len(head.Peek("Origin")) == 0 && len(head.Peek("Last-Event-ID")) == 0
}

func isJSON(contentType []byte) bool {
	switch string(contentType) {
	case "application/json", "application/json; charset=utf-8":
		return true
	}
	return false
}

func takesBoth(accept []byte) bool {
	switch string(accept) {
	case "application/json, text/event-stream", "text/event-stream, application/json":
		return true
	}
	json, events := accepts([]string{string(accept)})
	return json && events
}

// recognise finds out who calls, by the rules of its era, and whether the tool is one that Hot can call.
func (s *Server) recognise(c *hotCall, p *host.Principal, head Head, msg *plainCall) bool {
	version := head.Peek(headerVersion)
	if string(version) == firstModern {
		return string(msg.version) == firstModern && msg.capabilities != nil &&
			string(head.Peek("Mcp-Method")) == "tools/call" && string(head.Peek("Mcp-Name")) == string(msg.name) &&
			s.views.get(p).callsPlainly(msg.name, c) && s.clients.of(msg, &c.era)
	}
	if msg.version != nil || msg.client != nil || msg.capabilities != nil || !olderVersion(version) {
		return false
	}
	n := s.sessions.find(head.Peek(headerSession), p)
	if n == nil || !n.view.callsPlainly(msg.name, c) || !n.describe(&c.era) {
		return false
	}
	c.session, c.id, c.request.SessionID = n, string(msg.id), n.name
	return true
}

// olderVersion tells whether a header names a version with sessions, or none.
func olderVersion(v []byte) bool {
	switch string(v) {
	case "", "2024-11-05", "2025-03-26", "2025-06-18", lastSession:
		return true
	}
	return false
}

// plainResult is how the call ended, where that is a result. Questions and what the protocol has its
// own errors for are the SDK's to word.
func (s *Server) plainResult(c *hotCall) (*abi.Result, bool) {
	switch {
	case c.err != nil && protocolError(c.err, c.era.client.Protocol) != nil:
		return nil, false
	case c.err != nil:
		return &abi.Result{IsError: true, Content: []abi.Content{abi.Text(s.fault(c.err, &c.request))}}, true
	}
	return c.answer.Result, c.answer.Result != nil
}

// reply frames a result as its era wants it: a message alone, or a stream of one event. The event has
// no id, since whoever has got it has got all.
func (s *Server) reply(c *hotCall, id []byte, r *abi.Result) *Reply {
	size := 512 + len(r.Structured)
	for i := range r.Content {
		size += len(r.Content[i].Text) + 64
	}
	b := make([]byte, 0, size)
	if c.era.modern {
		return &Reply{ContentType: "application/json", Body: s.messageFor(b, id, r, c.era)}
	}
	b = s.messageFor(append(b, "event: message\ndata: "...), id, r, c.era)
	return &Reply{ContentType: "text/event-stream", Body: append(b, "\n\n"...)}
}

type handedKey struct{}

// handedExtra names a handed-over call in what the SDK passes on with a request.
const handedExtra = "call"

// handedIn finds the call that Hot has handed over with a request, nil where there is none.
func handedIn(ctx context.Context) *hotCall {
	c, _ := ctx.Value(handedKey{}).(*hotCall)
	return c
}

// handedTo is the same where the SDK has passed the request on.
func handedTo(extra *sdk.RequestExtra) *hotCall {
	if extra == nil || extra.TokenInfo == nil {
		return nil
	}
	c, _ := extra.TokenInfo.Extra[handedExtra].(*hotCall)
	return c
}

// clients remembers what clients of the modern era say of themselves with each request.
type clients struct {
	mu    sync.RWMutex
	known map[string]era
}

// of is false where the SDK would not understand the client either.
func (k *clients) of(msg *plainCall, into *era) bool {
	if len(msg.client)+len(msg.capabilities) > maxClient {
		return false
	}
	key := append(append(make([]byte, 0, 256), msg.client...), msg.capabilities...) // two values, one after the other
	k.mu.RLock()
	e, ok := k.known[string(key)]
	k.mu.RUnlock()
	if !ok {
		if e, ok = readClient(msg); !ok {
			return false
		}
		k.mu.Lock()
		if len(k.known) >= maxClients {
			clear(k.known)
		}
		k.known[string(key)] = e
		k.mu.Unlock()
	}
	*into = e
	return true
}
