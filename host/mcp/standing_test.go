// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// get is a request for a session's stream.
func get(session string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/mcp", nil)
	r.Header = http.Header{"Accept": {"text/event-stream"}, headerSession: {session}, headerVersion: {sessionEra}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// stands opens a stream of Standing for p and has it read, nil where it is not Standing's.
func (b *bench) stands(ctx context.Context, p *host.Principal, r *http.Request) *heard {
	st := b.s.Standing(host.WithPrincipal(ctx, p), peek(r.Header))
	if st == nil {
		return nil
	}
	return hear(st)
}

// standsSlowly opens one of the SDK's.
func (b *bench) standsSlowly(ctx context.Context, r *http.Request) *heard {
	h := newHeard()
	go func() {
		defer close(h.done)
		b.s.ServeHTTP(h, r.WithContext(host.WithPrincipal(ctx, ann)))
	}()
	return h
}

// post sends a message within the session.
func (b *bench) post(session, body string) *httptest.ResponseRecorder {
	return b.slow(b.request(sessionEra, http.Header{headerSession: {session}}, body))
}

// change adds a tool, and waits until the session's stream has been told.
func (b *bench) change(t *testing.T, h *heard, name string) {
	t.Helper()
	n := len(h.events())
	b.f.add(abi.Tool{Name: name}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) { return answer() })
	b.s.Refresh()
	h.until(t, n+1)
}

// started is a session of sessionEra whose handshake is over, and that follows a document.
func (b *bench) started(t *testing.T) string {
	t.Helper()
	id := b.open(t, sessionEra)
	b.post(id, string(helloDone))
	if w := b.post(id, `{"jsonrpc":"2.0","id":2,"method":"resources/subscribe","params":{"uri":"note://1"}}`); w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return id
}

// TestStandingSpeaksAsTheSDK: two sessions are told the same, one by each.
func TestStandingSpeaksAsTheSDK(t *testing.T) {
	b := newBench(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ours, theirs := b.stands(ctx, ann, get(b.started(t))), b.standsSlowly(ctx, get(b.started(t)))
	if ours == nil {
		t.Fatal("Standing left it to the SDK")
	}
	both := []*heard{ours, theirs}
	for _, h := range both {
		h.until(t, 1)
	}
	b.news()
	for _, h := range both {
		h.until(t, 5)
	}
	cancel()
	var got [2][]string
	for i, h := range both {
		within(t, h.done, "a stream whose request has ended")
		got[i] = h.events()
		for j, e := range got[i][1:] {
			if id := fmt.Sprintf("\nid: _%d\n", j); !strings.Contains(e, id) {
				t.Errorf("event %d is %q", j, e)
			}
			got[i][1+j] = eventID.ReplaceAllString(e, "")
		}
		slices.Sort(got[i][1:]) // the SDK announces in no order
	}
	if !slices.Equal(got[0], got[1]) {
		t.Errorf("Standing said\n%q\nthe SDK\n%q", got[0], got[1])
	}
}

func TestStandingLeavesToTheSDK(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	for promise, r := range map[string]*http.Request{
		"another version":                     get(id, headerVersion, "2020-01-01"),
		"the newest, which has no sessions":   get(id, headerVersion, firstModern),
		"one who takes no events":             get(id, "Accept", "application/json"),
		"the stream of a request":             get(id, "Last-Event-ID", "ABC_1"),
		"an event id that is none":            get(id, "Last-Event-ID", "_x"),
		"an event id that is too large":       get(id, "Last-Event-ID", "_99999999999"),
		"a page of another site":              get(id, "Origin", "https://evil.example"),
		"no session":                          get(""),
		"a session that is not there":         get("AAAA"),
		"a session whose id was made by hand": get(strings.Repeat("A", 200)),
	} {
		t.Run(promise, func(t *testing.T) {
			if h := b.stands(t.Context(), ann, r); h != nil {
				t.Error("it was taken")
			}
		})
	}
	t.Run("another user's session", func(t *testing.T) {
		bob := *ann
		bob.User = "bob"
		if h := b.stands(t.Context(), &bob, get(id)); h != nil {
			t.Error("it was taken")
		}
	})
	t.Run("all where it is switched off", func(t *testing.T) {
		b.s.cfg.NoHotPath = true
		defer func() { b.s.cfg.NoHotPath = false }()
		if h := b.stands(t.Context(), ann, get(id)); h != nil {
			t.Error("it was taken")
		}
	})
}

func TestOneStandingStream(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	first, leave := context.WithCancel(t.Context())
	ours := b.stands(first, ann, get(id))
	if ours == nil || b.stands(t.Context(), ann, get(id)) != nil {
		t.Fatal("the session has not one stream")
	}
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, get(id).WithContext(host.WithPrincipal(t.Context(), ann)))
	if w.Code != http.StatusConflict || !strings.Contains(w.Body.String(), "conflicts") {
		t.Errorf("a second one is answered %d %s", w.Code, w.Body)
	}
	leave()
	within(t, ours.done, "a stream whose request has ended")
	second, leave := context.WithCancel(t.Context())
	theirs := b.standsSlowly(second, get(id, "Last-Event-ID", "_0"))
	theirs.until(t, 1)
	if b.stands(t.Context(), ann, get(id)) != nil {
		t.Error("there is one beside the SDK's")
	}
	leave()
	within(t, theirs.done, "a stream whose request has ended")
}

func TestStandingGoesOn(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	open := func(last ...string) (*heard, func()) {
		t.Helper()
		ctx, leave := context.WithCancel(t.Context())
		h := b.stands(ctx, ann, get(id, last...))
		if h == nil {
			t.Fatal("Standing left it to the SDK")
		}
		h.until(t, 1)
		return h, func() { leave(); within(t, h.done, "a stream whose request has ended") }
	}
	told := func(h *heard, n int, first string) {
		t.Helper()
		h.until(t, n)
		if got := h.events(); len(got) != n || n > 1 && !strings.Contains(got[1], first) {
			t.Errorf("got %q", got)
		}
	}
	h, leave := open()
	b.change(t, h, "one")
	leave()
	b.post(id, `{"jsonrpc":"2.0","id":3,"method":"ping"}`)
	b.s.ResourceUpdated("acme", "note://1") // while nobody listens
	h, leave = open("Last-Event-ID", "_0")
	told(h, 2, "id: _1\n")
	b.change(t, h, "two")
	leave()
	t.Run("with all that is kept, for a client that names no event", func(t *testing.T) {
		h, leave := open()
		told(h, 4, "id: _0\n")
		leave()
	})
	t.Run("with nothing for one that has seen all", func(t *testing.T) {
		h, leave := open("Last-Event-ID", "_2")
		b.change(t, h, "three")
		told(h, 2, "id: _3\n")
		leave()
	})
	t.Run("with all, for one that names an event of an earlier process", func(t *testing.T) {
		h, leave := open("Last-Event-ID", "_77")
		told(h, 5, "id: _0\n")
		leave()
	})
	t.Run("with what is kept where the first are not kept any more", func(t *testing.T) {
		b.s.sessions.SetMaxBytes(1)
		h, leave := open("Last-Event-ID", "_1")
		b.change(t, h, "four")
		told(h, 2, "id: _4\n")
		leave()
	})
}

func TestStandingEnds(t *testing.T) {
	for promise, end := range map[string]func(b *bench, id string){
		"with the session":               func(b *bench, id string) { b.slow(del(id)) },
		"with its credential":            func(b *bench, _ string) { b.s.EndCredential(ann.CredentialID) },
		"with the server":                func(b *bench, _ string) { _ = b.s.Close(context.Background()) },
		"when the session was idle long": func(b *bench, id string) { b.s.sessions.expireNow(id) },
	} {
		t.Run(promise, func(t *testing.T) {
			b := newBench(t)
			id := b.started(t)
			h := b.stands(t.Context(), ann, get(id))
			h.until(t, 1)
			end(b, id)
			within(t, h.done, "the stream")
			if err := b.s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("when its credential expires", func(t *testing.T) {
		b := newBench(t)
		soon := *ann
		soon.ExpiresAt = time.Now().Add(20 * time.Millisecond)
		within(t, b.stands(t.Context(), &soon, get(b.started(t))).done, "the stream")
	})
}

func del(session string) *http.Request {
	r := get(session)
	r.Method = http.MethodDelete
	return r.WithContext(host.WithPrincipal(context.Background(), ann))
}

// expireNow does what time does.
func (s *sessions) expireNow(id string) {
	s.mu.Lock()
	n := s.byID[id]
	n.last = time.Time{}
	s.mu.Unlock()
	s.expire(n)
}
