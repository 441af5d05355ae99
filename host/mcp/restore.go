// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/host"
)

// restore goes on with a session that a process before this one began. Clients do not begin a new one
// by themselves: what they get for a session that is gone is an error, until a person restarts them.
// The session is as after its handshake: what the client has subscribed to, the level of log lines it
// asked for and the answers it has not fetched are gone. It is false where the id is none of another
// process and of the same owner, or the host has no room.
func (s *Server) restore(id string, p *host.Principal) bool {
	hello, ok := s.ids.open(p, id)
	if !ok || s.ctx.Err() != nil {
		return false
	}
	s.restoring.Lock()
	defer s.restoring.Unlock()
	if s.sessions.has(id) || s.sessions.full() {
		return s.sessions.has(id)
	}
	v := s.views.get(p)
	if !s.shakeHands(v, p, id, hello) {
		v.endSession(id, nil)
		return false
	}
	// Only now, for other requests of the session may be waiting for it.
	s.sessions.add(&session{id: id, name: sessionName(id), owner: owner(p), view: v, known: p})
	s.cfg.Logger.Debug("a session of an earlier process goes on", "session", sessionName(id), "tenant", p.Tenant)
	return true
}

// shakeHands begins the session in the SDK.
func (s *Server) shakeHands(v *view, p *host.Principal, id string, hello json.RawMessage) bool {
	taken := v.ids.give(id)
	begun := s.sayFor(v, p, "", helloMessage(hello))
	taken()
	return begun && s.sayFor(v, p, id, helloDone)
}

// sayFor sends a message in the client's name, within the session where one is given. The answer is
// nobody's.
func (s *Server) sayFor(v *view, p *host.Principal, session string, body []byte) bool {
	ctx := context.WithValue(host.WithPrincipal(s.ctx, p), viewKey{}, v)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "/mcp", nil)
	if err != nil {
		return false // cannot happen: the URL is good
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if session != "" {
		r.Header.Set(headerSession, session)
	}
	out := &nobody{header: http.Header{}}
	s.legacy.ServeHTTP(out, dressed(r, body))
	return out.status < 300
}

// serveSession lets the SDK answer a request of the older era. A session that it begins gets the id.
func (s *Server) serveSession(w http.ResponseWriter, r *http.Request, p *host.Principal, body []byte) {
	if v, ok := r.Context().Value(viewKey{}).(*view); ok && r.Header.Get(headerSession) == "" {
		defer v.ids.give(s.ids.of(p, body))()
	}
	s.legacy.ServeHTTP(s.sessions.noting(w, r, p), r)
}

// nobody takes an answer that nobody waits for.
type nobody struct {
	header http.Header
	status int
}

var _ http.Flusher = (*nobody)(nil)

func (n *nobody) Header() http.Header { return n.header }

func (n *nobody) WriteHeader(status int) {
	if n.status == 0 {
		n.status = status
	}
}

func (n *nobody) Write(p []byte) (int, error) {
	n.WriteHeader(http.StatusOK)
	return io.Discard.Write(p)
}

// Flush has nothing to do.
func (n *nobody) Flush() {}

// forgetStale takes the id of the last event from a client that comes back to a stream of an earlier
// process: the events are gone, but there is a new stream for it. s.mu is held.
func (s *sessions) forgetStale(r *http.Request, n *session) {
	last := r.Header.Get("Last-Event-ID")
	if last == "" {
		return
	}
	stream, index, _ := strings.Cut(last, "_")
	i, err := strconv.Atoi(index)
	if err != nil {
		return // the SDK says what it should look like
	}
	for _, err := range s.MemoryEventStore.After(r.Context(), n.shelf(n.id, stream), stream, i) {
		if err != nil {
			r.Header.Del("Last-Event-ID")
		}
		return
	}
}

func (s *sessions) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[id] != nil
}

func (s *sessions) full() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID) >= s.max
}
