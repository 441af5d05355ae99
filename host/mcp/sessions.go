// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

// sessions knows to whom each session belongs. The SDK keeps the sessions themselves; it tells
// their end by way of its event store, which is why this is one.
type sessions struct {
	*sdk.MemoryEventStore
	perOwner int
	max      int
	log      *slog.Logger
	closing  sync.WaitGroup

	mu     sync.Mutex
	byID   map[string]*session
	owners map[string][]*session // the one unused for longest first
}

type session struct {
	id    string
	owner string
	view  *view
}

var _ sdk.EventStore = (*sessions)(nil)

func newSessions(cfg *Config) *sessions {
	s := &sessions{
		MemoryEventStore: sdk.NewMemoryEventStore(nil), perOwner: cfg.SessionsPerOwner, max: cfg.MaxSessions,
		log: cfg.Logger, byID: make(map[string]*session), owners: make(map[string][]*session),
	}
	s.SetMaxBytes(cfg.ReplayBytes)
	return s
}

// owner is who a session belongs to. A key with other scopes of the same user is another owner,
// because it has another view.
func owner(p *host.Principal) string {
	user := p.User
	if user == "" {
		user = "credential " + p.CredentialID
	}
	return strings.Join([]string{viewName(p), user}, "\x00")
}

// check refuses a session that does not exist or is not the principal's. Both look the same from
// outside, so that ids cannot be tried out, and both tell a client to start anew.
func (s *sessions) check(r *http.Request, p *host.Principal) *refusal {
	id := r.Header.Get(headerSession)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		if len(s.byID) >= s.max {
			return &refusal{http.StatusServiceUnavailable, jsonrpc.CodeInternalError,
				fmt.Sprintf("the host has %d open sessions, its limit; try again later", s.max)}
		}
		return nil
	}
	have := s.byID[id]
	if have == nil || have.owner != owner(p) {
		return &refusal{http.StatusNotFound, jsonrpc.CodeInvalidRequest, "session not found; send initialize to start a new one"}
	}
	list := s.owners[have.owner]
	i := slices.Index(list, have)
	s.owners[have.owner] = append(slices.Delete(list, i, i+1), have)
	return nil
}

// noting returns a writer that notes the session which the answer begins.
func (s *sessions) noting(w http.ResponseWriter, r *http.Request, p *host.Principal) http.ResponseWriter {
	v, ok := r.Context().Value(viewKey{}).(*view)
	if !ok || r.Header.Get(headerSession) != "" {
		return w
	}
	return &notingWriter{ResponseWriter: w, note: func(id string) {
		s.add(&session{id: id, owner: owner(p), view: v})
	}}
}

func (s *sessions) add(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[n.id] = n
	list := append(s.owners[n.owner], n)
	s.owners[n.owner] = list
	if len(list) > s.perOwner {
		oldest := list[0]
		s.log.Info("a session was ended to make room for a newer one of the same owner", "limit", s.perOwner)
		// Ending it waits for its calls; nobody here has to.
		s.closing.Go(func() { oldest.view.endSession(oldest.id) })
		s.remove(oldest.id)
	}
}

func (s *sessions) remove(id string) {
	n := s.byID[id]
	if n == nil {
		return
	}
	delete(s.byID, id)
	list := slices.DeleteFunc(s.owners[n.owner], func(other *session) bool { return other == n })
	if s.owners[n.owner] = list; len(list) == 0 {
		delete(s.owners, n.owner)
	}
}

// SessionClosed is the SDK's word that a session has ended, whatever ended it.
func (s *sessions) SessionClosed(ctx context.Context, id string) error {
	s.mu.Lock()
	s.remove(id)
	s.mu.Unlock()
	return s.MemoryEventStore.SessionClosed(ctx, id)
}

// wait returns when the sessions that were ended to make room are gone.
func (s *sessions) wait() { s.closing.Wait() }

// count is how many sessions there are.
func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byID)
}

// notingWriter calls note with the session id of the answer's head.
type notingWriter struct {
	http.ResponseWriter
	note func(id string)
	once sync.Once
}

var _ http.Flusher = (*notingWriter)(nil)

func (w *notingWriter) begin() {
	w.once.Do(func() {
		if id := w.Header().Get(headerSession); id != "" {
			w.note(id)
		}
	})
}

func (w *notingWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *notingWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

func (w *notingWriter) Flush() {
	w.begin()
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
