// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// lasting is an address at which one server comes after the other, as when a host is started anew.
type lasting struct {
	f   *fakePipeline
	now atomic.Pointer[Server]
	url string
	key []byte
}

func newLasting(t *testing.T) *lasting {
	t.Helper()
	l := &lasting{f: newFake(), key: bytes.Repeat([]byte{7}, minSessionKey)}
	l.start(t)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := principalFor(r); p != nil {
			r = r.WithContext(host.WithPrincipal(r.Context(), p))
		}
		surfaceOf(l.now.Load()).ServeHTTP(w, r)
	}))
	l.url = srv.URL
	t.Cleanup(func() {
		l.stop(t)
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return l
}

func (l *lasting) start(t *testing.T) {
	t.Helper()
	s, err := New(Config{Pipeline: l.f, Version: "test", Logger: slog.New(slog.DiscardHandler), SessionKey: l.key})
	if err != nil {
		t.Fatal(err)
	}
	l.now.Store(s)
}

func (l *lasting) stop(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := l.now.Load().Close(ctx); err != nil {
		t.Error(err)
	}
}

func (l *lasting) restart(t *testing.T) {
	t.Helper()
	l.stop(t)
	l.start(t)
}

const ping = `{"jsonrpc":"2.0","id":2,"method":"ping"}`

// as is the header of a request with the token.
func as(token string) []string { return []string{"Authorization", "Bearer " + token} }

func TestSessionOutlivesTheProcess(t *testing.T) {
	for _, era := range []string{"2024-11-05", "2025-03-26", "2025-06-18", sessionEra} {
		t.Run(era, func(t *testing.T) {
			t.Parallel() // the official client takes its time to come back
			l := newLasting(t)
			told := make(chan string, 16)
			options := news(told)
			options.ElicitationHandler = func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
				return &sdk.ElicitResult{Action: "accept", Content: args{"it": r.Params.Message}}, nil
			}
			cs := dial(t, l.url, "acme:ann", era, options)
			if _, body := call(t, cs, "echo", args{"text": "before"}); body != `{"text":"before"}` {
				t.Fatalf("got %q", body)
			}
			id := cs.ID()
			l.restart(t)
			for range 3 { // the first goes on with the session, the others are as quick as ever
				if _, body := call(t, cs, "echo", args{"text": "after"}); body != `{"text":"after"}` {
					t.Fatalf("got %q", body)
				}
			}
			if cs.ID() != id || l.now.Load().sessions.count() != 1 {
				t.Errorf("the session %s became %s; there are %d", id, cs.ID(), l.now.Load().sessions.count())
			}
			t.Run("knows what the client can do", func(t *testing.T) {
				if _, body := call(t, cs, "ask", nil); body != "Who? likes Which?" {
					t.Errorf("got %q", body)
				}
			})
			t.Run("tells of changes again", func(t *testing.T) {
				for end := time.Now().Add(20 * time.Second); ; {
					l.f.add(abi.Tool{Name: "fresh", Title: time.Now().String()}, echoTool)
					l.now.Load().Refresh()
					select {
					case <-told:
						return
					case <-time.After(200 * time.Millisecond): // the client's stream is not back yet
					}
					if time.Now().After(end) {
						t.Fatal("the client was never told")
					}
				}
			})
			if err := cs.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSessionsThatDoNotGoOn(t *testing.T) {
	l := newLasting(t)
	status := func(session, token string) int {
		t.Helper()
		return send(t, t.Context(), "POST", l.url, session, ping, as(token)...).StatusCode
	}
	mine, ended := openSession(t, l.url, "acme:ann"), openSession(t, l.url, "acme:ann")
	if got := send(t, t.Context(), "DELETE", l.url, ended, "").StatusCode; got != http.StatusNoContent {
		t.Fatalf("DELETE answers %d", got)
	}
	if got := status(ended, "acme:ann"); got != http.StatusNotFound {
		t.Errorf("one that its client has ended answers %d", got)
	}
	long := send(t, t.Context(), "POST", l.url, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"`+
		strings.Repeat("n", maxHello)+`","version":"1"}}}`)
	if _, err := io.ReadAll(long.Body); err != nil {
		t.Fatal(err)
	}
	l.restart(t)
	for name, c := range map[string]struct{ session, token string }{
		"another user's":                       {mine, "acme:bob"},
		"another tenant's":                     {mine, "umbrella:ann"},
		"one of other scopes":                  {mine, "acme:reader"},
		"an id of nobody's":                    {"AAAA", "acme:ann"},
		"one that was tampered with":           {mine[:len(mine)-2] + "AA", "acme:ann"},
		"one whose client says much of itself": {long.Header.Get(headerSession), "acme:ann"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := status(c.session, c.token); got != http.StatusNotFound {
				t.Errorf("answers %d", got)
			}
		})
	}
	t.Run("one of another key", func(t *testing.T) {
		l.key = bytes.Repeat([]byte{8}, minSessionKey)
		l.restart(t)
		if got := status(mine, "acme:ann"); got != http.StatusNotFound {
			t.Errorf("answers %d", got)
		}
	})
}

// TestManyComeBackAtOnce: the requests of a client that find its host new go on with one session.
func TestManyComeBackAtOnce(t *testing.T) {
	l := newLasting(t)
	ids := []string{openSession(t, l.url, "acme:ann"), openSession(t, l.url, "acme:ann"), openSession(t, l.url, "acme:bob")}
	l.restart(t)
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			token := "acme:ann"
			if i%3 == 2 {
				token = "acme:bob"
			}
			body := fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"ping"}`, i)
			resp := send(t, t.Context(), "POST", l.url, ids[i%3], body, as(token)...)
			if said, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("request %d answers %d: %s (%v)", i, resp.StatusCode, said, err)
			}
		})
	}
	all.Wait()
	if got := l.now.Load().sessions.count(); got != 3 {
		t.Errorf("there are %d sessions, want 3", got)
	}
}

// TestStreamOfAnEarlierProcess: a client that asks for what it missed there gets a stream all the same.
func TestStreamOfAnEarlierProcess(t *testing.T) {
	l := newLasting(t)
	id := openSession(t, l.url, "acme:ann")
	l.restart(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	resp := send(t, ctx, "GET", l.url, id, "", "Last-Event-ID", "NOSUCHSTREAM_3")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("got %d %v", resp.StatusCode, resp.Header)
	}
}

// FuzzSessionID holds that no id is gone on with but one that a host with the same key gave to the
// same owner, and that opening one never panics.
func FuzzSessionID(f *testing.F) {
	key := bytes.Repeat([]byte{7}, minSessionKey)
	gave, err := newSessionIDs(key)
	if err != nil {
		f.Fatal(err)
	}
	reads, err := newSessionIDs(key)
	if err != nil {
		f.Fatal(err)
	}
	hello := []byte(`{"params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}`)
	good := gave.of(ann, hello)
	said, ok := reads.open(ann, good)
	if !ok || !strings.Contains(string(said), "2025-06-18") {
		f.Fatalf("got %s, %t", said, ok)
	}
	if _, ok := gave.open(ann, good); ok {
		f.Fatal("a session of this process was taken for one of another")
	}
	f.Add(good)
	f.Add("")
	f.Add(strings.Repeat("A", 3*maxHello))
	f.Fuzz(func(t *testing.T, id string) {
		if got, ok := reads.open(ann, id); ok && string(got) != string(said) { // the seed may be another process's
			t.Errorf("%q was taken for %s", id, got)
		}
		gave.of(ann, []byte(id))
	})
}
