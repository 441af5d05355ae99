// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

func listenFor(notifications string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"subscriptions/listen","params":{"notifications":` + notifications + `,"_meta":{` + who + `}}}`
}

// heard is an answer while it comes.
type heard struct {
	httptest.ResponseRecorder
	mu   sync.Mutex
	body bytes.Buffer
	done chan struct{}
}

func newHeard() *heard {
	return &heard{ResponseRecorder: *httptest.NewRecorder(), done: make(chan struct{})}
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.body.Write(p)
}

// events are the whole ones.
func (h *heard) events() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := strings.SplitAfter(h.body.String(), "\n\n")
	return all[:len(all)-1]
}

// until waits for n events.
func (h *heard) until(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); len(h.events()) < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a long while there are %d events, want %d: %q", len(h.events()), n, h.events())
		}
	}
}

// source is what Listen and Standing give.
type source interface {
	Take(p []byte) (int, error)
	Wake() <-chan struct{}
	Leave()
}

// hear reads a stream in pieces that are too small for it, as the goroutine of a connection does.
func hear(l source) *heard {
	h := newHeard()
	go func() {
		defer close(h.done)
		defer l.Leave()
		p := make([]byte, 100)
		for {
			n, err := l.Take(p)
			_, _ = h.Write(p[:n]) // a buffer never fails
			if err != nil {
				return
			}
			if n == 0 {
				<-l.Wake()
			}
		}
	}()
	return h
}

// listen opens a stream of Listen for p and has it read, nil where it is not Listen's.
func (b *bench) listen(ctx context.Context, p *host.Principal, body string) *heard {
	r := b.request(firstModern, nil, body)
	l := b.s.Listen(host.WithPrincipal(ctx, p), peek(r.Header), []byte(body))
	if l == nil {
		return nil
	}
	return hear(l)
}

// slowly opens one of the SDK's.
func (b *bench) slowly(ctx context.Context, body string) *heard {
	h := newHeard()
	r := b.request(firstModern, nil, body)
	go func() {
		defer close(h.done)
		b.s.ServeHTTP(h, r.WithContext(host.WithPrincipal(ctx, ann)))
	}()
	return h
}

// news adds a tool, and tells of a prompt, a resource, and the text of one.
func (b *bench) news() {
	b.f.add(abi.Tool{Name: "new"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) { return answer() })
	b.s.Refresh()
	b.s.Changed("acme", "fake", abi.Changed{Lists: []string{"prompts", "resources"}, URIs: []string{"note://1"}})
	b.s.ResourceUpdated("umbrella", "note://1")
}

// TestListenSpeaksAsTheSDK: each stream is opened twice, and both are told the same.
func TestListenSpeaksAsTheSDK(t *testing.T) {
	for _, c := range []struct {
		wants string
		news  int
	}{
		{`{"toolsListChanged":true}`, 1},
		{`{"promptsListChanged":true,"toolsListChanged":false}`, 1},
		{`{"resourcesListChanged":true}`, 1},
		{`{"resourceSubscriptions":["note://1"],"resourcesListChanged":false}`, 1},
		{`{"resourceSubscriptions":["note://1","note://2"],"resourcesListChanged":true,"promptsListChanged":true,"toolsListChanged":true}`, 4},
	} {
		t.Run(c.wants, func(t *testing.T) {
			b := newBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			body := listenFor(c.wants)
			ours, theirs := b.listen(ctx, ann, body), b.slowly(ctx, body)
			if ours == nil {
				t.Fatal("Listen left it to the SDK")
			}
			both := []*heard{ours, theirs}
			for _, h := range both {
				h.until(t, 1)
			}
			b.news()
			for _, h := range both {
				h.until(t, 1+c.news)
			}
			cancel()
			var got [2][]string
			for i, h := range both {
				within(t, h.done, "a stream whose request has ended")
				got[i] = h.events()
				slices.Sort(got[i][1 : 1+c.news]) // the SDK announces in no order
			}
			if len(got[1]) == 1+c.news { // the SDK's result does not always come through to who has left
				got[0] = got[0][:len(got[1])]
			}
			if !slices.Equal(got[0], got[1]) {
				t.Errorf("Listen said\n%q\nthe SDK\n%q", got[0], got[1])
			}
		})
	}
}

func TestListenLeavesToTheSDK(t *testing.T) {
	b := newBench(t)
	whole := listenFor(`{"toolsListChanged":true}`)
	for promise, body := range map[string]string{
		"tasks":                    listenFor(`{"toolsListChanged":true,"taskIds":["t"]}`),
		"nothing to tell":          listenFor(`{}`),
		"nothing wanted":           strings.Replace(whole, `"notifications":{"toolsListChanged":true},`, ``, 1),
		"a switch that is none":    listenFor(`{"toolsListChanged":"true"}`),
		"a switch that is twice":   listenFor(`{"toolsListChanged":true,"toolsListChanged":false}`),
		"a URI that is none":       listenFor(`{"resourceSubscriptions":[7]}`),
		"a list without an end":    listenFor(`{"resourceSubscriptions":["a",]}`),
		"too many URIs":            listenFor(`{"resourceSubscriptions":["a"` + strings.Repeat(`,"a"`, maxFollowed) + `]}`),
		"another version":          strings.Replace(whole, firstModern, "2026-07-29", 1),
		"no abilities":             strings.Replace(whole, `,"io.modelcontextprotocol/clientCapabilities":{}`, ``, 1),
		"no id":                    strings.Replace(whole, `"id":7,`, ``, 1),
		"something after it":       whole + "{}",
		"another method in a body": strings.Replace(whole, methodListen, "tools/list", 1),
	} {
		t.Run(promise, func(t *testing.T) {
			r := b.request(firstModern, http.Header{"Mcp-Method": {methodListen}}, body)
			if l := b.s.Listen(r.Context(), peek(r.Header), []byte(body)); l != nil {
				l.Leave()
				t.Error("it was taken")
			}
		})
	}
	t.Run("all where it is switched off", func(t *testing.T) {
		b.s.cfg.NoHotPath = true
		defer func() { b.s.cfg.NoHotPath = false }()
		if h := b.listen(t.Context(), ann, whole); h != nil {
			t.Error("it was taken")
		}
	})
	if n := b.s.Listeners(); n != 0 {
		t.Errorf("%d streams are counted", n)
	}
}

func TestListenerEnds(t *testing.T) {
	body := listenFor(`{"toolsListChanged":true}`)
	for _, c := range []struct {
		with string
		end  func(b *bench, cancel func())
	}{
		{"its request", func(_ *bench, cancel func()) { cancel() }},
		{"its credential", func(b *bench, _ func()) { b.s.EndCredential(ann.CredentialID) }},
		{"the server", func(b *bench, _ func()) { _ = b.s.Close(context.Background()) }},
	} {
		t.Run("with "+c.with, func(t *testing.T) {
			b := newBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			h := b.listen(ctx, ann, body)
			h.until(t, 1)
			c.end(b, cancel)
			within(t, h.done, "the stream")
			last := h.events()
			if len(last) != 2 || !strings.Contains(last[1], `"id":7,"result":{"resultType":"complete"`) {
				t.Errorf("it said %q", last)
			}
			b.s.holds.mu.Lock()
			defer b.s.holds.mu.Unlock()
			if b.s.Listeners() != 0 || len(b.s.holds.of) != 0 {
				t.Errorf("%d streams and %d credentials are kept", b.s.Listeners(), len(b.s.holds.of))
			}
		})
	}
	t.Run("when its credential expires", func(t *testing.T) {
		b := newBench(t)
		soon := *ann
		soon.ExpiresAt = time.Now().Add(20 * time.Millisecond)
		within(t, b.listen(t.Context(), &soon, body).done, "the stream")
	})
	t.Run("for who has left", func(t *testing.T) {
		b := newBench(t)
		r := b.request(firstModern, nil, body)
		l := b.s.Listen(r.Context(), peek(r.Header), []byte(body))
		h := hear(l)
		h.until(t, 1)
		l.Leave()
		within(t, h.done, "the stream")
		if _, err := l.Take(make([]byte, 10)); !errors.Is(err, io.ErrClosedPipe) || b.s.Listeners() != 0 || !l.view.audience.empty() {
			t.Errorf("%v; %d streams are kept", err, b.s.Listeners())
		}
	})
}

func TestListenersAreBounded(t *testing.T) {
	b := newBench(t)
	b.s.cfg.MaxSessions = 1
	body := listenFor(`{"toolsListChanged":true}`)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := b.listen(ctx, ann, body)
	if b.listen(ctx, ann, body) != nil {
		t.Error("a second was taken")
	}
	h := b.slowly(ctx, body)
	within(t, h.done, "one over the limit")
	if got := h.body.String(); h.Code != http.StatusServiceUnavailable || !strings.Contains(got, "1 open change streams, its limit") {
		t.Errorf("it was answered %d %s", h.Code, got)
	}
	cancel()
	within(t, first.done, "the first")
	if h := b.listen(t.Context(), ann, body); h == nil {
		t.Error("none was taken after the first had left")
	}
	b.s.EndCredential(ann.CredentialID)
}

// TestListenerThatNobodyReads: what it has not told does not grow, and it holds up nobody.
func TestListenerThatNobodyReads(t *testing.T) {
	b := newBench(t)
	body := listenFor(`{"toolsListChanged":true,"resourceSubscriptions":["note://1"]}`)
	r := b.request(firstModern, nil, body)
	l := b.s.Listen(r.Context(), peek(r.Header), []byte(body))
	for range 1000 {
		l.view.resourceUpdated("note://1")
		l.view.resourceUpdated("note://2")
		l.tell(listTools | listPrompts)
	}
	l.mu.Lock()
	dirty := len(l.dirty)
	l.mu.Unlock()
	if dirty != 1 {
		t.Errorf("%d updates wait", dirty)
	}
	h := hear(l)
	h.until(t, 3)
	l.end()
	within(t, h.done, "the stream")
	if got := h.events(); len(got) != 4 || !strings.Contains(got[0], "acknowledged") || !strings.Contains(got[1], "tools/list_changed") || !strings.Contains(got[2], `"uri":"note://1"`) {
		t.Errorf("it said %q", got)
	}
}

func TestViewWithListenersIsKept(t *testing.T) {
	b := newBench(t)
	b.s.cfg.MaxViews = 1
	h := b.listen(t.Context(), ann, listenFor(`{"toolsListChanged":true}`))
	h.until(t, 1)
	other := *ann
	for _, tenant := range []host.TenantID{"a", "b", "c"} {
		other.Tenant = tenant
		b.s.views.get(&other)
	}
	b.news()
	h.until(t, 2)
	b.s.EndCredential(ann.CredentialID)
	within(t, h.done, "the stream")
}

// FuzzListen: what is taken is what a reader of JSON would take.
func FuzzListen(f *testing.F) {
	for _, wants := range []string{`{}`, `{"toolsListChanged":true}`, `{"resourceSubscriptions":["a","b"],"promptsListChanged":false,"resourcesListChanged":true}`} {
		f.Add([]byte(listenFor(wants)))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		msg, ok := scanListen(body)
		if !ok {
			return
		}
		var want struct {
			ID     json.RawMessage
			Params struct {
				Notifications *struct {
					ToolsListChanged, PromptsListChanged, ResourcesListChanged bool
					ResourceSubscriptions                                      []string
				}
			}
		}
		if err := json.Unmarshal(body, &want); err != nil || want.Params.Notifications == nil || tooDeep(body) || string(want.ID) != string(msg.id) {
			t.Fatalf("%q was taken: %v", body, err)
		}
		n := want.Params.Notifications
		for kind, on := range map[lists]bool{listTools: n.ToolsListChanged, listPrompts: n.PromptsListChanged, listResources: n.ResourcesListChanged} {
			if on != (msg.lists&kind != 0) {
				t.Fatalf("%q was read as %b", body, msg.lists)
			}
		}
		if got := string(bytes.Join(msg.uris, []byte("\n"))); got != strings.Join(n.ResourceSubscriptions, "\n") {
			t.Fatalf("%q was read as following %q", body, got)
		}
	})
}
