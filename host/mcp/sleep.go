// Copyright 2026 The Gantry Authors.

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package mcp

import (
	"context"
	"slices"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

// nap is what a session that was left alone is while it sleeps: the SDK has forgotten it, and this, with
// its id and what is kept of its events, is all there is. A change is told to it like to an open change
// stream, and written for its standing stream as the SDK would have; the next request that needs the SDK
// wakes it. A session whose id does not carry its handshake never sleeps. The fields but waking are
// guarded by sessions.mu.
type nap struct {
	asleep    bool
	sleepless bool          // it cannot be woken again
	gone      chan struct{} // closed when the SDK has forgotten it
	rising    bool          // its handshake is being said again: the answers are nobody's
	level     string        // of the log lines that its client wants; "" for none
	follows   []string      // documents that it follows
	due       lists         // what it was told while it had no stream
	dirty     []string      // of follows; the same
	waking    sync.Mutex
}

var _ member = (*session)(nil)

// doze puts the session to sleep. It is false where that has to wait for a moment; s.mu is held.
func (s *sessions) doze(n *session) bool {
	if n.known == nil || !s.carried(n.known, n.id) {
		n.sleepless = true
		return true
	}
	if s.ending || !n.view.audience.addQuiet(n) {
		return false
	}
	n.asleep, n.gone = true, make(chan struct{})
	ss := n.sdk
	n.sdk, n.calls = nil, nil
	s.closing.Go(func() {
		defer close(n.gone)
		n.view.endSession(n.id, ss)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.byID[n.id] != n || !n.kept {
			s.forget(n.id)
		}
	})
	return true
}

// forget drops all that is kept of the session's events.
func (s *sessions) forget(id string) {
	for _, shelf := range []string{id, helloShelf(id)} {
		_ = s.MemoryEventStore.SessionClosed(context.Background(), shelf) // never fails
	}
}

// sleeping is what to wait for before the session can be woken, nil where it is awake.
func (s *sessions) sleeping(n *session) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.asleep {
		return nil
	}
	return n.gone
}

// awake sees to it that the SDK has the session. It is false where the session has ended.
func (s *Server) awake(n *session, p *host.Principal) bool {
	if s.sessions.sleeping(n) == nil {
		return true
	}
	n.waking.Lock()
	defer n.waking.Unlock()
	gone := s.sessions.sleeping(n)
	if gone == nil {
		return true
	}
	<-gone
	hello, ok := s.ids.carried(p, n.id)
	wants := s.sessions.rise(n)
	if !ok || s.ctx.Err() != nil || !s.shakeHands(n.view, p, n.id, hello) {
		s.sessions.endNow(n)
		n.view.endSession(n.id, nil)
		return false
	}
	for _, message := range wants {
		s.sayFor(n.view, p, n.id, message) // a document that has gone is not followed any more
	}
	if !s.sessions.risen(n) {
		n.view.endSession(n.id, nil)
		return false
	}
	n.tell(n.view.audience.remove(n))
	return true
}

// rise begins to wake the session, and returns what its client has asked for.
func (s *sessions) rise(n *session) (wants [][]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.rising = true
	if n.level != "" {
		wants = append(wants, wish("logging/setLevel", map[string]string{"level": n.level}))
	}
	for _, uri := range n.follows {
		wants = append(wants, wish("resources/subscribe", map[string]string{"uri": uri}))
	}
	return wants
}

func wish(method string, params map[string]string) []byte {
	return marshal(struct {
		Version string            `json:"jsonrpc"`
		ID      int               `json:"id"`
		Method  string            `json:"method"`
		Params  map[string]string `json:"params"`
	}{"2.0", 0, method, params})
}

// risen notes that the SDK has the session again. It is false where the session has ended meanwhile.
func (s *sessions) risen(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n.asleep, n.rising = false, false
	if s.byID[n.id] != n {
		return false
	}
	n.last = time.Now()
	n.idle.Reset(s.look())
	return true
}

// endNow ends a session that could not be woken.
func (s *sessions) endNow(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byID[n.id] == n {
		s.end(n)
	}
}

// dropAsleep ends a session that is asleep, at its client's wish; false where it is awake.
func (s *sessions) dropAsleep(n *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !n.asleep || n.rising {
		return false
	}
	if s.byID[n.id] == n {
		s.end(n)
	}
	return true
}

// working counts a request in that the SDK has begun to serve. The connection it came with may end before it.
func (s *sessions) working(req sdk.Request) (done func()) {
	ss, ok := req.GetSession().(*sdk.ServerSession)
	if !ok || ss.ID() == "" {
		return func() {}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byID[ss.ID()]
	if n == nil {
		return func() {} // its handshake
	}
	n.sdk = ss
	n.busy++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		n.busy--
	}
}

// note keeps what a client has asked for that has to outlast its session's sleep.
func (s *sessions) note(req sdk.Request) {
	ss, ok := req.GetSession().(*sdk.ServerSession)
	if !ok || ss.ID() == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byID[ss.ID()]
	if n == nil {
		return
	}
	switch params := req.GetParams().(type) {
	case *sdk.SetLoggingLevelParams:
		n.level = string(params.Level)
	case *sdk.SubscribeParams:
		if !slices.Contains(n.follows, params.URI) {
			n.follows = append(n.follows, params.URI)
		}
		n.sleepless = len(n.follows) > maxFollowed
	case *sdk.UnsubscribeParams:
		n.follows = slices.DeleteFunc(n.follows, func(uri string) bool { return uri == params.URI })
	}
}

// tell writes the news that lists have changed, each once where nobody listens.
func (n *session) tell(changed lists) {
	s := n.view.s.sessions
	s.mu.Lock()
	if s.byID[n.id] != n {
		changed = 0
	}
	if n.standing == nil {
		changed, n.due = changed&^n.due, n.due|changed
	}
	s.mu.Unlock()
	for _, kind := range allLists {
		if changed&kind != 0 {
			s.write(n, kind.method(), struct{}{})
		}
	}
}

// updated writes the news that the text at uri is new, once where nobody listens.
func (n *session) updated(uri string) {
	s := n.view.s.sessions
	s.mu.Lock()
	mine := s.byID[n.id] == n && slices.Contains(n.follows, uri) && (n.standing != nil || !slices.Contains(n.dirty, uri))
	if mine && n.standing == nil {
		n.dirty = append(n.dirty, uri)
	}
	s.mu.Unlock()
	if mine {
		s.write(n, "notifications/resources/updated", map[string]string{"uri": uri})
	}
}

// write keeps a notification for the session's standing stream.
func (s *sessions) write(n *session, method string, params any) {
	_ = s.Append(context.Background(), n.id, "", marshal(struct { // never fails
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params}))
}

// Asleep is how many of the sessions are asleep.
func (s *Server) Asleep() int {
	s.sessions.mu.Lock()
	defer s.sessions.mu.Unlock()
	asleep := 0
	for _, n := range s.sessions.byID {
		if n.asleep {
			asleep++
		}
	}
	return asleep
}
