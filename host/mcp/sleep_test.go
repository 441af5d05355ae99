// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// sleepNow does what time does, and tells whether the session is asleep then.
func (s *Server) sleepNow(t *testing.T, id string) bool {
	t.Helper()
	n := s.sessions.of(id, ann)
	if n == nil {
		t.Fatal("there is no such session")
	}
	s.sessions.mu.Lock()
	n.last = time.Now().Add(-defaultSleepAfter)
	s.sessions.mu.Unlock()
	n.view.audience.mu.Lock()
	n.view.audience.last = time.Time{}
	n.view.audience.mu.Unlock()
	s.sessions.expire(n)
	gone := s.sessions.sleeping(n)
	if gone == nil {
		return false
	}
	<-gone
	for ss := range n.view.server.Sessions() {
		if ss.ID() == id {
			t.Error("the SDK still has it")
		}
	}
	return true
}

// slept puts a session to sleep.
func (b *bench) slept(t *testing.T, id string) {
	t.Helper()
	if !b.s.sleepNow(t, id) {
		t.Fatal("it does not sleep")
	}
}

func TestSessionSleeps(t *testing.T) {
	for _, version := range []string{"2024-11-05", "2025-03-26", "2025-06-18", sessionEra} {
		t.Run(version, func(t *testing.T) {
			b := newBench(t)
			id := b.sessions[version]
			say := func(body string) (int, string) {
				w := b.slow(b.request(version, http.Header{headerSession: {id}}, body))
				return w.Code, w.Body.String()
			}
			say(string(helloDone))
			b.slept(t, id)
			if b.s.Sessions() != 4 || b.s.Asleep() != 1 {
				t.Errorf("of %d sessions %d sleep", b.s.Sessions(), b.s.Asleep())
			}
			if code, body := say(`{"jsonrpc":"2.0","id":7,"method":"tools/list"}`); code != http.StatusOK || !strings.Contains(body, `"mirrored"`) {
				t.Errorf("the next request is answered %d %s", code, body)
			}
			if b.s.Asleep() != 0 {
				t.Error("nothing woke it")
			}
			if _, body := say(`{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"told","_meta":{"progressToken":1}}}`); !strings.Contains(body, version) || !strings.Contains(body, "sampling") {
				t.Errorf("what its client can do was lost: %s", body)
			}
		})
	}
}

func TestASleeperIsTold(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	b.slept(t, id)
	last := ""
	open := func() (*heard, func()) {
		t.Helper()
		ctx, leave := context.WithCancel(t.Context())
		h := b.stands(ctx, ann, get(id, "Last-Event-ID", last))
		if h == nil {
			t.Fatal("Standing left it to the SDK")
		}
		h.until(t, 1)
		return h, func() { leave(); within(t, h.done, "a stream whose request has ended"); last = lastID(h) }
	}
	t.Run("of what happened while it had no stream, once", func(t *testing.T) {
		for range 3 {
			b.s.ResourceUpdated("acme", "note://1")
			b.s.ResourceUpdated("acme", "note://2") // which it does not follow
		}
		b.news()
		b.told(t, id, 4)
		h, leave := open()
		h.until(t, 5)
		b.s.ResourceUpdated("acme", "note://1") // with a stream, each time
		h.until(t, 6)
		leave()
		if got := strings.Join(h.events(), ""); len(h.events()) != 6 || strings.Contains(got, "note://2") {
			t.Errorf("got %s", got)
		}
	})
	t.Run("over a stream, and is asleep still", func(t *testing.T) {
		h, leave := open()
		b.change(t, h, "more")
		leave()
		if b.s.Asleep() != 1 {
			t.Error("that woke it")
		}
	})
	t.Run("over the same stream when it is awake again, and follows what it followed", func(t *testing.T) {
		h, leave := open()
		b.post(id, `{"jsonrpc":"2.0","id":3,"method":"ping"}`)
		if b.s.Asleep() != 0 {
			t.Fatal("it sleeps")
		}
		b.s.ResourceUpdated("acme", "note://1")
		h.hears(t, "resources/updated")
		b.change(t, h, "and more")
		leave()
	})
	t.Run("of nothing that it has unsubscribed from", func(t *testing.T) {
		b.post(id, `{"jsonrpc":"2.0","id":4,"method":"resources/unsubscribe","params":{"uri":"note://1"}}`)
		b.slept(t, id)
		h, leave := open()
		b.s.ResourceUpdated("acme", "note://1")
		b.s.Changed("acme", "fake", abi.Changed{Lists: []string{"prompts"}}) // told after it
		h.hears(t, "prompts/list_changed")
		leave()
		if got := strings.Join(h.events(), ""); strings.Contains(got, "resources/updated") {
			t.Errorf("got %s", got)
		}
	})
}

// hears waits for an event with the text.
func (h *heard) hears(t *testing.T, text string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !strings.Contains(strings.Join(h.events(), ""), text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a long while %q is not among %q", text, h.events())
		}
	}
}

// told waits until n events have been written for the session's own stream.
func (b *bench) told(t *testing.T, id string, n int) {
	t.Helper()
	told := func() int {
		b.s.sessions.mu.Lock()
		defer b.s.sessions.mu.Unlock()
		return b.s.sessions.byID[id].told
	}
	for end := time.Now().Add(20 * time.Second); told() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a long while %d events are written, want %d", told(), n)
		}
	}
}

// lastID is the id of the last event that was heard.
func lastID(h *heard) string {
	events := h.events()
	_, after, _ := strings.Cut(events[len(events)-1], "id: ")
	id, _, _ := strings.Cut(after, "\n")
	return id
}

// TestASleeperSpeaksAsTheSDK: what is told in its sleep has the SDK's words.
func TestASleeperSpeaksAsTheSDK(t *testing.T) {
	b := newBench(t)
	asleep, awake := b.started(t), b.started(t)
	b.slept(t, asleep)
	var said [2]map[string]bool
	for i, id := range []string{asleep, awake} {
		said[i] = map[string]bool{}
		ctx, leave := context.WithCancel(t.Context())
		h := b.stands(ctx, ann, get(id))
		h.until(t, 1)
		if i == 0 {
			b.news()
		}
		h.until(t, 5)
		leave()
		within(t, h.done, "the stream")
		for _, e := range h.events() {
			said[i][eventID.ReplaceAllString(e, "")] = true
		}
	}
	if fmt.Sprint(said[0]) != fmt.Sprint(said[1]) {
		t.Errorf("asleep\n%v\nawake\n%v", said[0], said[1])
	}
}

func TestLogLevelOutlastsSleep(t *testing.T) {
	b := newBench(t)
	b.f.add(abi.Tool{Name: "chatty"}, func(_ context.Context, _ invoke.Request, sink invoke.Sink) (*invoke.Answer, error) {
		sink.Log(abi.LogInfo, "by the way")
		sink.Log(abi.LogDebug, "in detail")
		return answer(abi.Text("done"))
	})
	b.s.Refresh()
	id := b.started(t)
	b.post(id, `{"jsonrpc":"2.0","id":3,"method":"logging/setLevel","params":{"level":"info"}}`)
	b.slept(t, id)
	body := `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"chatty"}}`
	r := b.request(sessionEra, http.Header{headerSession: {id}}, body)
	if reply, _ := b.hot(r, body); reply != nil {
		t.Fatalf("Hot answered %s", reply.Body)
	}
	if said := b.post(id, body).Body.String(); !strings.Contains(said, "by the way") || strings.Contains(said, "in detail") {
		t.Errorf("got %s", said)
	}
}

func TestHotCallsDoNotWake(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	body := `{"jsonrpc":"2.0","id":4,"method":"tools/call","params":{"name":"say","arguments":{"text":"a"}}}`
	for i := range 2 {
		reply, _ := b.hot(b.request(sessionEra, http.Header{headerSession: {id}}, body), body)
		if reply == nil {
			t.Fatalf("Hot left call %d to the SDK", i)
		}
		if i == 0 {
			b.slept(t, id)
		}
	}
	if b.s.Asleep() != 1 {
		t.Error("it is awake")
	}
}

func TestWhatKeepsASessionAwake(t *testing.T) {
	stays := func(t *testing.T, b *bench, id string) {
		t.Helper()
		if b.s.sleepNow(t, id) {
			t.Error("it sleeps")
		}
	}
	t.Run("a call whose client has lost its connection", func(t *testing.T) {
		b := newBench(t)
		begun, release := make(chan struct{}), make(chan struct{})
		b.f.add(abi.Tool{Name: "patient"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
			close(begun)
			<-release
			return answer(abi.Text("worth the wait"))
		})
		b.s.Refresh()
		id := b.started(t)
		ctx, leave := context.WithCancel(host.WithPrincipal(t.Context(), ann))
		h := newHeard()
		go func() {
			defer close(h.done)
			b.s.ServeHTTP(h, b.request(sessionEra, http.Header{headerSession: {id}},
				`{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"patient"}}`).WithContext(ctx))
		}()
		<-begun
		leave()
		within(t, h.done, "the request")
		stays(t, b, id)
		close(release)
		for end := time.Now().Add(20 * time.Second); !b.s.sleepNow(t, id); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not sleep when the call is over")
			}
		}
		back, leave := context.WithCancel(t.Context())
		defer leave()
		again := b.standsSlowly(back, get(id, "Last-Event-ID", lastID(h)))
		again.until(t, 1)
		if got := strings.Join(again.events(), ""); !strings.Contains(got, "worth the wait") {
			t.Errorf("the answer was lost: %q", got)
		}
		within(t, again.done, "the stream")
	})
	t.Run("a stream of the SDK's", func(t *testing.T) {
		b := newBench(t)
		id := b.started(t)
		ctx, leave := context.WithCancel(t.Context())
		h := b.standsSlowly(ctx, get(id))
		h.until(t, 1)
		stays(t, b, id)
		leave()
		within(t, h.done, "the stream")
		b.slept(t, id)
	})
	t.Run("a client that says much of itself", func(t *testing.T) {
		b := newBench(t)
		w := b.slow(b.request("", http.Header{}, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+sessionEra+
			`","capabilities":{},"clientInfo":{"name":"`+strings.Repeat("n", maxHello)+`","version":"1"}}}`))
		stays(t, b, w.Header().Get(headerSession))
	})
	t.Run("more documents than a record should hold", func(t *testing.T) {
		b := newBench(t)
		id := b.started(t)
		for i := range maxFollowed {
			b.post(id, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"resources/subscribe","params":{"uri":"note://x/%d"}}`, i, i))
		}
		stays(t, b, id)
	})
	t.Run("a list that has just changed", func(t *testing.T) {
		b := newBench(t)
		id := b.started(t)
		n := b.s.sessions.of(id, ann)
		b.news()
		b.s.sessions.mu.Lock()
		n.last = time.Now().Add(-defaultSleepAfter)
		b.s.sessions.mu.Unlock()
		b.s.sessions.expire(n)
		if b.s.Asleep() != 0 {
			t.Error("it sleeps")
		}
	})
	t.Run("a host where none sleeps", func(t *testing.T) {
		b := newBench(t)
		b.s.sessions.nap = 0
		stays(t, b, b.started(t))
	})
}

func TestASleeperEnds(t *testing.T) {
	for promise, end := range map[string]func(t *testing.T, b *bench, id string){
		"when its client says so": func(t *testing.T, b *bench, id string) {
			if w := b.slow(del(id)); w.Code != http.StatusNoContent {
				t.Errorf("DELETE is answered %d", w.Code)
			}
		},
		"with its credential":            func(_ *testing.T, b *bench, _ string) { b.s.EndCredential(ann.CredentialID) },
		"when it was not used for hours": func(_ *testing.T, b *bench, id string) { b.s.sessions.expireNow(id) },
	} {
		t.Run(promise, func(t *testing.T) {
			b := newBench(t)
			id := b.started(t)
			b.slept(t, id)
			h := b.stands(t.Context(), ann, get(id))
			h.until(t, 1)
			end(t, b, id)
			within(t, h.done, "its stream")
			if w := b.post(id, ping); w.Code != http.StatusNotFound {
				t.Errorf("it answers %d %s", w.Code, w.Body)
			}
			if got := b.s.sessions.of(id, ann); got != nil {
				t.Error("it is still there")
			}
			for v := range b.s.views.byKey {
				if len(b.s.views.byKey[v].audience.of) > 0 {
					t.Error("it is still told of changes")
				}
			}
		})
	}
}

// TestManyWakeOne: requests that come at once wake their session once, also one that is falling asleep.
func TestManyWakeOne(t *testing.T) {
	b := newBench(t)
	id := b.started(t)
	n := b.s.sessions.of(id, ann)
	n.view.audience.last = time.Time{}
	for round := range 20 {
		b.s.sessions.mu.Lock()
		n.last = time.Now().Add(-defaultSleepAfter)
		b.s.sessions.mu.Unlock()
		var all sync.WaitGroup
		all.Go(func() { b.s.sessions.expire(n) })
		for i := range 8 {
			all.Go(func() {
				if w := b.post(id, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, 100*round+i)); w.Code != http.StatusOK {
					t.Errorf("request %d answers %d %s", i, w.Code, w.Body)
				}
			})
		}
		all.Wait()
	}
	sessions := 0
	for ss := range n.view.server.Sessions() {
		if ss.ID() == id {
			sessions++
		}
	}
	if sessions > 1 {
		t.Errorf("the SDK has it %d times", sessions)
	}
}

// TestOfficialClientOverSleep: nothing of it is seen by the official client.
func TestOfficialClientOverSleep(t *testing.T) {
	f := newFake()
	s, url := up(t, f, nil)
	told := make(chan string, 16)
	options := news(told)
	options.ElicitationHandler = func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "accept", Content: args{"it": r.Params.Message}}, nil
	}
	cs := dial(t, url, "acme:ann", sessionEra, options)
	if err := cs.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "note://1"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for end := time.Now().Add(20 * time.Second); !s.sleepNowOf(t, cs.ID()); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("it does not sleep")
			}
		}
		s.ResourceUpdated("acme", "note://1")
		expect(t, told, "note://1")
		if _, body := call(t, cs, "ask", nil); body != "Who? likes Which?" {
			t.Errorf("got %q", body)
		}
	}
	if err := cs.Close(); err != nil {
		t.Error(err)
	}
}

// sleepNowOf is sleepNow for a session of whoever it is.
func (s *Server) sleepNowOf(t *testing.T, id string) bool {
	t.Helper()
	s.sessions.mu.Lock()
	n := s.sessions.byID[id]
	s.sessions.mu.Unlock()
	if n == nil {
		t.Fatal("there is no such session")
	}
	s.sessions.mu.Lock()
	n.last = time.Now().Add(-defaultSleepAfter)
	s.sessions.mu.Unlock()
	s.sessions.expire(n)
	return s.sessions.sleeping(n) != nil
}
