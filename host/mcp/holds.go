// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
)

// holds are the requests and calls under way, by the credential that they came with.
type holds struct {
	mu   sync.Mutex
	next uint64
	of   map[string]map[uint64]context.CancelFunc
}

// add notes what ends something that is under way; release has to follow.
func (h *holds) add(credential string, cancel context.CancelFunc) (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of == nil {
		h.of = make(map[string]map[uint64]context.CancelFunc)
	}
	mine := h.of[credential]
	if mine == nil {
		mine = make(map[uint64]context.CancelFunc)
		h.of[credential] = mine
	}
	h.next++
	n := h.next
	mine[n] = cancel
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(mine, n)
		if len(mine) == 0 && len(h.of[credential]) == 0 {
			delete(h.of, credential)
		}
	}
}

// end ends everything that came with the credential.
func (h *holds) end(credential string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, cancel := range h.of[credential] {
		cancel()
	}
}

// held is the request with an end when its credential is revoked, and for a stream also when it
// expires: a call that was let in goes on, a stream would stay for ever.
func (s *Server) held(r *http.Request, p *host.Principal) (*http.Request, func()) {
	ctx, cancel := context.WithCancel(r.Context())
	release, stop := s.holds.add(p.CredentialID, cancel), func() bool { return true }
	if !p.ExpiresAt.IsZero() && (r.Method == http.MethodGet || r.Header.Get("Mcp-Method") == methodListen) {
		stop = time.AfterFunc(time.Until(p.ExpiresAt), cancel).Stop
	}
	return r.WithContext(ctx), func() {
		stop()
		release()
		cancel()
	}
}

// EndCredential ends everything that is open for the credential, because it was revoked: its streams,
// the calls that it has under way, but for those that end within moments, and the sessions that were
// last used with it. Its next request does not come this far. It does not wait.
func (s *Server) EndCredential(id string) {
	s.holds.end(id)
	s.sessions.endOf(id)
}
