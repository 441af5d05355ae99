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
	"sync/atomic"
	"time"

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
	timeout  time.Duration
	nap      time.Duration // 0 where no session sleeps
	carried  func(p *host.Principal, id string) bool
	log      *slog.Logger
	closing  sync.WaitGroup

	mu     sync.Mutex
	byID   map[string]*session
	owners map[string][]*session // the one unused for longest first
	ending bool                  // nothing more may be added to closing
}

type session struct {
	id    string
	name  string // see sessionName
	owner string
	view  *view

	// These are guarded by sessions.mu.
	posts int // under way, hot calls among them
	// streams are GETs that the SDK serves, own those of them for the session's own stream; standing is the
	// one where the SDK does not serve it. Told is how many events have been written for it.
	streams  int
	own      int
	standing *Standing
	told     int
	met      bool // a request after the handshake has come; see shelf
	kept     bool // there are events of it
	busy     int  // requests that the SDK serves; see working
	sdk      *sdk.ServerSession
	nap
	last  time.Time   // when the last POST began or ended
	idle  *time.Timer // looks after a while whether the session still is in use
	known *host.Principal
	calls map[string]*hotCall // under way, by the id of the request

	era atomic.Pointer[era] // what the handshake told of the client; see describe
}

func newSessions(cfg *Config, ids *sessionIDs) *sessions {
	s := &sessions{
		MemoryEventStore: sdk.NewMemoryEventStore(nil), perOwner: cfg.SessionsPerOwner, max: cfg.MaxSessions, timeout: cfg.SessionTimeout, nap: max(0, cfg.SleepAfter),
		carried: func(p *host.Principal, id string) bool { _, ok := ids.carried(p, id); return ok },
		log:     cfg.Logger, byID: make(map[string]*session), owners: make(map[string][]*session),
	}
	s.SetMaxBytes(cfg.ReplayBytes)
	return s
}

// owner is who a session belongs to. A key with other scopes of the same user is another owner,
// because it has another view. An access token is not: a client that signs in for more scopes in the
// middle of a session goes on in it, with the lists it began with. What it may call is decided by
// the token of each request.
func owner(p *host.Principal) string {
	user := p.User
	if p.Issuer != "" {
		return strings.Join([]string{string(p.Tenant), p.Issuer, p.CredentialID}, "\x00")
	}
	if user == "" {
		user = "credential " + p.CredentialID
	}
	return strings.Join([]string{viewName(p), user}, "\x00")
}

// enter refuses a session that does not exist or is not the principal's. Both look the same from
// outside, so that ids cannot be tried out, and both tell a client to start anew. The request
// is counted in, and leave has to follow; for what begins a session the session is nil.
func (s *sessions) enter(r *http.Request, p *host.Principal) (*session, *refusal) {
	id := r.Header.Get(headerSession)
	s.mu.Lock()
	defer s.mu.Unlock()
	if id == "" {
		if len(s.byID) >= s.max {
			return nil, &refusal{status: http.StatusServiceUnavailable, code: jsonrpc.CodeInternalError,
				message: fmt.Sprintf("the host has %d open sessions, its limit; try again later", s.max)}
		}
		return nil, nil
	}
	n := s.byID[id]
	if n == nil || !n.belongsTo(p) {
		return nil, sessionGone()
	}
	s.touch(n)
	if r.Method == http.MethodPost {
		s.meet(n)
		n.posts++
		n.last = time.Now()
		return n, nil
	}
	s.forgetStale(r, n)
	if ownStream(r) {
		if n.standing != nil {
			return nil, &refusal{status: http.StatusConflict, code: jsonrpc.CodeInvalidRequest, message: "stream ID conflicts with ongoing stream"}
		}
		n.own++
	}
	n.streams++
	return n, nil
}

// ownStream tells whether a request is for the stream that is the session's own, and not a request's.
func ownStream(r *http.Request) bool {
	_, own := standingFrom([]byte(r.Header.Get("Last-Event-ID")))
	return own && r.Method == http.MethodGet
}

// touch moves the session to the end of its owner's, since it is in use; s.mu is held.
func (s *sessions) touch(n *session) {
	list := s.owners[n.owner]
	i := slices.Index(list, n)
	copy(list[i:], list[i+1:])
	list[len(list)-1] = n
}

// leave counts a request out; n may be nil.
func (s *sessions) leave(n *session, r *http.Request) {
	if n == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodPost {
		n.streams--
		if ownStream(r) {
			n.own--
		}
		return
	}
	n.posts--
	n.last = time.Now()
}

// belongsTo tells whether the session is p's. It remembers the last one whose it was: a credential
// has the same principal until something about it changes.
func (n *session) belongsTo(p *host.Principal) bool {
	if n.known == p {
		return true
	}
	if n.owner != owner(p) {
		return false
	}
	n.known = p
	return true
}

// noting returns a writer that notes the session which the answer begins.
func (s *sessions) noting(w http.ResponseWriter, r *http.Request, p *host.Principal) http.ResponseWriter {
	v, ok := r.Context().Value(viewKey{}).(*view)
	if !ok || r.Header.Get(headerSession) != "" {
		return w
	}
	return &notingWriter{ResponseWriter: w, note: func(id string) {
		s.add(&session{id: id, name: sessionName(id), owner: owner(p), view: v, known: p})
	}}
}

func (s *sessions) add(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[n.id] = n
	for range s.MemoryEventStore.After(context.Background(), n.id, "", -1) {
		n.told++ // between the handshake and here
	}
	n.last = time.Now()
	n.idle = time.AfterFunc(s.look(), func() { s.expire(n) })
	list := append(s.owners[n.owner], n)
	s.owners[n.owner] = list
	if len(list) > s.perOwner {
		oldest := list[0]
		s.log.Info("a session was ended to make room for a newer one of the same owner", "limit", s.perOwner)
		s.end(oldest)
	}
}

// look is how long a session that was just used is left alone.
func (s *sessions) look() time.Duration {
	if s.nap > 0 {
		return min(s.nap, s.timeout)
	}
	return s.timeout
}

// expire ends a session that was not used for long enough, puts one to sleep that was not used for a
// while, and looks again later. The SDK could end them, but it does not see the calls that Hot answers.
func (s *sessions) expire(n *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := time.Since(n.last)
	next := s.timeout - idle
	switch {
	case s.byID[n.id] != n: // it has ended meanwhile
		return
	case n.posts+n.busy > 0:
		next = s.look()
	case next <= 0:
		s.end(n)
		return
	case s.nap == 0 || n.asleep || n.sleepless:
	case idle < s.nap:
		next = min(next, s.nap-idle)
	case n.streams > 0:
		next = min(next, s.nap)
	case !s.doze(n):
		next = min(next, restless)
	}
	n.idle.Reset(next)
}

// end forgets a session and ends it. That waits for its calls; nobody here has to. s.mu is held.
func (s *sessions) end(n *session) {
	if n.asleep {
		s.forget(n.id)
	} else if ss := n.sdk; !s.ending {
		s.closing.Go(func() { n.view.endSession(n.id, ss) })
	}
	s.remove(n.id)
}

// endOf ends the sessions that were last used with the credential.
func (s *sessions) endOf(credential string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.byID {
		if n.known != nil && n.known.CredentialID == credential {
			s.end(n)
		}
	}
}

func (s *sessions) remove(id string) {
	n := s.byID[id]
	if n == nil {
		return
	}
	n.idle.Stop()
	for _, c := range n.calls {
		c.cancel()
	}
	if n.standing != nil {
		n.standing.end()
	}
	if n.asleep {
		n.view.audience.remove(n)
	}
	delete(s.byID, id)
	list := slices.DeleteFunc(s.owners[n.owner], func(other *session) bool { return other == n })
	if s.owners[n.owner] = list; len(list) == 0 {
		delete(s.owners, n.owner)
	}
}

// SessionClosed is the SDK's word that a session has ended, whatever ended it, or that it sleeps.
func (s *sessions) SessionClosed(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.byID[id]; n != nil && n.asleep {
		return nil
	}
	s.remove(id)
	s.forget(id)
	return nil
}

// wait returns when the sessions that were ended here are gone. None is ended here after that.
func (s *sessions) wait() {
	s.mu.Lock()
	s.ending = true
	s.mu.Unlock()
	s.closing.Wait()
}

// clear ends what the SDK does not know.
func (s *sessions) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.byID {
		s.remove(id)
	}
}

// Sessions is how many sessions are open.
func (s *Server) Sessions() int { return s.sessions.count() }

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
