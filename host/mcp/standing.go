// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sort"
	"strconv"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

// standingPiece is about how much of the events that wait a Standing copies at once.
const standingPiece = 16 << 10

// standingBegins is a comment: it shows proxies and clients that the stream stands.
const standingBegins = ": ok\n\n"

// Standing is the stream of a session that is open beside its requests, for what belongs to none of them.
// It reads what is kept of the session's events, so a client that reads slowly holds up nobody, and
// whether the SDK holds the session at the time does not matter. It is a web.Source.
type Standing struct {
	s       *Server
	of      *session
	wake    chan struct{}
	release func()

	mu    sync.Mutex
	begun bool
	next  int    // the index of the event that comes next
	rest  []byte // what did not fit into the last piece
	ended bool
	left  bool // nobody takes it any more
}

// Standing serves a GET of a session that asks for nothing unusual. A stream of the SDK's holds a request
// of net/http and two goroutines; this is a small record that the goroutine of the connection reads. As
// with the SDK, a client that names the last event it saw gets what came after it, and one that names
// none gets all that is kept.
//
// A nil Standing means that the request has to go to ServeHTTP: nothing has happened then, but that a
// session of an earlier process goes on. The end of ctx, of its credential, of the session and of the
// server end the stream. Leave has to follow.
func (s *Server) Standing(ctx context.Context, head Head) *Standing {
	p := host.PrincipalFrom(ctx)
	next, ok := standingFrom(head.Peek("Last-Event-ID"))
	_, events := accepts([]string{string(head.Peek("Accept"))})
	if s.cfg.NoHotPath || p == nil || !ok || !events || !olderVersion(head.Peek(headerVersion)) ||
		!s.originAllowed(string(head.Peek("Origin"))) {
		return nil
	}
	id := string(head.Peek(headerSession))
	n := s.sessions.of(id, p)
	if n == nil && s.restore(id, p) {
		n = s.sessions.of(id, p)
	}
	if n == nil {
		return nil
	}
	st := &Standing{s: s, of: n, next: next, wake: make(chan struct{}, 1)}
	if !s.stand(st) {
		return nil
	}
	st.release = s.endsWith(ctx, p, st.end)
	return st
}

// stand makes it the session's stream. It is false where the session has one, or the server ends.
func (s *Server) stand(st *Standing) bool {
	s.hotMu.RLock()
	defer s.hotMu.RUnlock()
	if s.ctx.Err() != nil || !s.sessions.stand(st) {
		return false
	}
	s.listening.Add(1)
	return true
}

// standingFrom is the index of the event that follows the one with the id; false for the id of an event
// of another stream.
func standingFrom(last []byte) (next int, ok bool) {
	if len(last) == 0 {
		return 0, true
	}
	digits, ok := bytes.CutPrefix(last, []byte("_"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	return int(n) + 1, ok && err == nil
}

// Wake gets a value when Take may have something new.
func (st *Standing) Wake() <-chan struct{} { return st.wake }

func (st *Standing) notify() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// end lets the stream end.
func (st *Standing) end() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.ended = true
	st.notify()
}

// Leave is told when the answer is out, or the client gone: nothing is kept after it.
func (st *Standing) Leave() {
	st.mu.Lock()
	had := st.left
	st.left, st.rest = true, nil
	st.notify()
	st.mu.Unlock()
	if had {
		return
	}
	st.release()
	st.s.sessions.unstand(st)
	st.s.listening.Done()
}

// Take moves the events that wait into p.
func (st *Standing) Take(p []byte) (int, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	switch {
	case st.left:
		return 0, io.ErrClosedPipe
	case len(st.rest) > 0:
	case st.ended:
		return 0, io.EOF
	case !st.begun:
		st.begun, st.rest = true, []byte(standingBegins)
	default:
		st.rest, st.next = st.s.sessions.standingEvents(st.of.id, st.next)
	}
	n := copy(p, st.rest)
	if st.rest = st.rest[n:]; len(st.rest) == 0 {
		st.rest = nil // it may be silent for long
	}
	return n, nil
}

// of returns the principal's session, nil where there is none.
func (s *sessions) of(id string, p *host.Principal) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.byID[id]; n != nil && n.belongsTo(p) {
		return n
	}
	return nil
}

// stand makes st the stream of its session, unless that has one or is over.
func (s *sessions) stand(st *Standing) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := st.of
	if s.byID[n.id] != n || n.standing != nil || n.own > 0 {
		return false
	}
	if st.next > n.told {
		st.next = 0 // an event of an earlier process: all of this one are news
	}
	n.standing, n.due, n.dirty = st, 0, nil
	s.touch(n)
	return true
}

func (s *sessions) unstand(st *Standing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st.of.standing == st {
		st.of.standing = nil
	}
}

// standingEvents are the events of the session's own stream from an index on, and the index after them.
// What is not kept any more is left out.
func (s *sessions) standingEvents(id string, from int) (b []byte, next int) {
	from = s.keptFrom(id, from)
	for data, err := range s.MemoryEventStore.After(context.Background(), id, "", from-1) {
		if err != nil || len(b) >= standingPiece {
			break
		}
		b = append(b, "event: message\nid: _"...)
		b = strconv.AppendInt(b, int64(from), 10)
		b = append(append(append(b, "\ndata: "...), data...), "\n\n"...)
		from++
	}
	return b, from
}

// keptFrom is the index of the first event of the session's own stream that is kept, or from where that
// is later. The store tells only whether what follows an index is kept.
func (s *sessions) keptFrom(id string, from int) int {
	lost := func(i int) bool {
		for _, err := range s.MemoryEventStore.After(context.Background(), id, "", i-1) {
			return errors.Is(err, sdk.ErrEventsPurged)
		}
		return false
	}
	if !lost(from) {
		return from
	}
	step := 1
	for lost(from + step) {
		step *= 2
	}
	return from + sort.Search(step, func(i int) bool { return !lost(from + i) })
}
