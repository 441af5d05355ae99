// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/gantryhost/gantry/host"
)

// methodListen opens a change stream of the modern era (SEP-2575).
const methodListen = "subscriptions/listen"

// maxFollowed bounds the resources that Listen lets one stream follow; the SDK serves one with more.
const maxFollowed = 256

// Listener is a change stream: what its client has asked to be told of, and what it was not told yet.
// That is bounded by what was asked for, since a change that happens twice is told once: a client that
// reads slowly holds up nobody. It is a web.Source.
type Listener struct {
	s       *Server
	view    *view
	id      []byte // of the request, as it was written
	lists   lists
	uris    []string // those that it follows
	wake    chan struct{}
	release func()

	mu    sync.Mutex
	acked bool
	due   lists
	dirty []string // of uris, in the order in which they changed
	rest  []byte   // what did not fit into the last piece
	ended bool     // it ends with its result
	last  bool     // and that has been said
	left  bool     // nobody takes it any more
}

// Listen serves a subscriptions/listen that asks for nothing unusual. The SDK has three goroutines for
// such a stream, and its stacks and buffers cost more than all the rest: a stream of Listen is a
// Listener, which the goroutine of the connection reads.
//
// A nil Listener means that the request has to go to ServeHTTP: nothing has happened then. The end of
// ctx, of its credential and of the server end the stream, with the result that the protocol has for
// it. Leave has to follow. The body is not kept.
func (s *Server) Listen(ctx context.Context, head Head, body []byte) *Listener {
	p := host.PrincipalFrom(ctx)
	if s.cfg.NoHotPath || p == nil || int64(len(body)) > s.cfg.MaxBodyBytes || !plainHead(head) ||
		string(head.Peek(headerVersion)) != firstModern || string(head.Peek("Mcp-Method")) != methodListen {
		return nil
	}
	msg, ok := scanListen(body)
	var e era
	if !ok || string(msg.version) != firstModern || msg.capabilities == nil || !s.clients.of(&msg.plainCall, &e) {
		return nil
	}
	v := s.views.get(p)
	agreed, ok := v.agree(msg.lists, msg.uris)
	if !ok || s.countListener() != nil {
		return nil
	}
	l := &Listener{s: s, view: v, id: slices.Clone(msg.id), lists: agreed, wake: make(chan struct{}, 1)}
	for _, uri := range msg.uris {
		l.uris = append(l.uris, string(uri))
	}
	s.views.join(p, l)
	l.release = s.endsWith(ctx, p, l.end)
	return l
}

// endsWith has everything that ends a stream end it; release takes that back.
func (s *Server) endsWith(ctx context.Context, p *host.Principal, end func()) (release func()) {
	unhold := s.holds.add(p.CredentialID, end)
	stop := context.AfterFunc(ctx, end)
	stopServer := context.AfterFunc(s.ctx, end)
	var expiry *time.Timer
	if !p.ExpiresAt.IsZero() {
		expiry = time.AfterFunc(time.Until(p.ExpiresAt), end)
	}
	return func() {
		unhold()
		stop()
		stopServer()
		if expiry != nil {
			expiry.Stop()
		}
	}
}

// countListener counts one in, or refuses it where there are too many or the server ends.
func (s *Server) countListener() *refusal {
	s.hotMu.RLock()
	defer s.hotMu.RUnlock()
	if s.ctx.Err() != nil {
		return stopping()
	}
	if int(s.listeners.Add(1)) > s.cfg.MaxSessions {
		s.listeners.Add(-1)
		return &refusal{status: http.StatusServiceUnavailable, code: jsonrpc.CodeInternalError,
			message: fmt.Sprintf("the host has %d open change streams, its limit; try again later", s.cfg.MaxSessions)}
	}
	s.listening.Add(1)
	return nil
}

func (s *Server) uncountListener() {
	s.listeners.Add(-1)
	s.listening.Done()
}

// Listeners is how many change streams of the modern era are open.
func (s *Server) Listeners() int { return int(s.listeners.Load()) }

// end lets the stream end with its result.
func (l *Listener) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.notify()
}

// Leave is told when the answer is out, or the client gone: nothing is kept after it.
func (l *Listener) Leave() {
	l.mu.Lock()
	had := l.left
	l.left, l.rest, l.dirty = true, nil, nil
	l.notify()
	l.mu.Unlock()
	if had {
		return
	}
	l.release()
	l.view.audience.remove(l)
	l.s.uncountListener()
}

// Wake gets a value when Take may have something new.
func (l *Listener) Wake() <-chan struct{} { return l.wake }

func (l *Listener) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Take moves what is to be told into p: the acknowledgement first, the result at last.
func (l *Listener) Take(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left {
		return 0, io.ErrClosedPipe
	}
	if len(l.rest) == 0 {
		l.rest = l.events()
	}
	n := copy(p, l.rest)
	if l.rest = l.rest[n:]; len(l.rest) == 0 {
		l.rest = nil // it may be silent for long
	}
	if n == 0 && l.last {
		return 0, io.EOF
	}
	return n, nil
}

// events are all that there is to say; l.mu is held.
func (l *Listener) events() []byte {
	var b []byte
	if !l.acked {
		l.acked = true
		b = l.acknowledge(b)
	}
	for _, kind := range allLists {
		if l.due&kind != 0 {
			b = l.event(b, kind.method(), nil)
		}
	}
	for _, uri := range l.dirty {
		b = l.event(b, "notifications/resources/updated", append([]byte(`,"uri":`), marshal(uri)...))
	}
	l.due, l.dirty = 0, nil
	if l.ended && !l.last {
		l.last = true
		b = l.result(b)
	}
	return b
}

// tell notes that lists have changed.
func (l *Listener) tell(changed lists) {
	if changed &= l.lists; changed == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.due |= changed
	l.notify()
}

// updated notes that the text at uri is new.
func (l *Listener) updated(uri string) {
	if !slices.Contains(l.uris, uri) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.left && !slices.Contains(l.dirty, uri) {
		l.dirty = append(l.dirty, uri)
		l.notify()
	}
}

const (
	eventBegins = "event: message\ndata: "
	eventEnds   = "\n\n"
)

func (l *Listener) stamp(b []byte) []byte {
	return append(append(b, `"`+protocolField+`subscriptionId":`...), l.id...)
}

// event appends a notification with what follows _meta in its params.
func (l *Listener) event(b []byte, method string, more []byte) []byte {
	b = append(b, eventBegins+`{"jsonrpc":"2.0","method":"`+method+`","params":{"_meta":{`...)
	b = append(append(l.stamp(b), '}'), more...)
	return append(b, "}}"+eventEnds...)
}

func (l *Listener) acknowledge(b []byte) []byte {
	var agreed struct {
		Tools     bool     `json:"toolsListChanged,omitempty"`
		Prompts   bool     `json:"promptsListChanged,omitempty"`
		Resources bool     `json:"resourcesListChanged,omitempty"`
		URIs      []string `json:"resourceSubscriptions,omitempty"`
	}
	agreed.Tools, agreed.Prompts, agreed.Resources = l.lists&listTools != 0, l.lists&listPrompts != 0, l.lists&listResources != 0
	agreed.URIs = l.uris
	return l.event(b, "notifications/subscriptions/acknowledged", append([]byte(`,"notifications":`), marshal(agreed)...))
}

func (l *Listener) result(b []byte) []byte {
	b = append(append(b, eventBegins+`{"jsonrpc":"2.0","id":`...), l.id...)
	b = append(b, `,"result":{"resultType":"complete",`...)
	b = append(b, l.s.stamp[:len(l.s.stamp)-len("},")]...)
	return append(l.stamp(append(b, ',')), "}}}"+eventEnds...)
}
