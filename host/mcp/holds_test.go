// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

const listenBody = `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`

var listenHeader = []string{"Mcp-Protocol-Version", firstModern, "Mcp-Method", "subscriptions/listen"}

// openSession begins a session with the token.
func openSession(t *testing.T, url, token string) string {
	t.Helper()
	hello := send(t, t.Context(), "POST", url, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`,
		"Authorization", "Bearer "+token)
	if _, err := io.ReadAll(hello.Body); err != nil || hello.StatusCode != http.StatusOK {
		t.Fatalf("got %d (%v)", hello.StatusCode, err)
	}
	return hello.Header.Get(headerSession)
}

// ends tells when the rest of an answer has come.
func ends(resp *http.Response) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, resp.Body) // that it ends is what counts
	}()
	return done
}

func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s goes on", what)
	}
}

func TestRevokedCredentialEndsWhatIsOpen(t *testing.T) {
	f := newFake()
	s, url := up(t, f, nil)
	// Two keys of one user; the fake's credential id is the token.
	const gone, stays = "acme:ann:org:", "acme:ann:org"
	t.Run("the stream of a session, and the session", func(t *testing.T) {
		session, other := openSession(t, url, gone), openSession(t, url, stays)
		stream := ends(send(t, t.Context(), "GET", url, session, "", "Authorization", "Bearer "+gone))
		open := ends(send(t, t.Context(), "GET", url, other, "", "Authorization", "Bearer "+stays))
		s.EndCredential(gone)
		within(t, stream, "the stream")
		ping := `{"jsonrpc":"2.0","id":2,"method":"ping"}`
		if resp := send(t, t.Context(), "POST", url, session, ping, "Authorization", "Bearer "+gone); resp.StatusCode != http.StatusNotFound {
			t.Errorf("its session answers %d", resp.StatusCode)
		}
		if resp := send(t, t.Context(), "POST", url, other, ping, "Authorization", "Bearer "+stays); resp.StatusCode != http.StatusOK {
			t.Errorf("the session of another key answers %d", resp.StatusCode)
		}
		select {
		case <-open:
			t.Error("the stream of another key ended too")
		default:
		}
	})
	t.Run("a change stream of the newest protocol", func(t *testing.T) {
		resp := send(t, t.Context(), "POST", url, "", listenBody, append(listenHeader, "Authorization", "Bearer "+gone)...)
		if line, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("got %d %q (%v)", resp.StatusCode, line, err)
		}
		s.EndCredential(gone)
		within(t, ends(resp), "the stream")
	})
	for _, era := range []string{sessionEra, singleEra} {
		t.Run("a call of "+era, func(t *testing.T) {
			cs := dial(t, url, gone, era, nil)
			var all sync.WaitGroup
			all.Go(func() {
				_, _ = cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "wait", Meta: sdk.Meta{"progressToken": "p"}})
			})
			<-f.waiting
			s.EndCredential(gone)
			select {
			case <-f.ended:
			case <-time.After(20 * time.Second):
				t.Error("the call goes on")
			}
			all.Wait()
		})
	}
	t.Run("and nothing is kept of it", func(t *testing.T) {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
			s.holds.mu.Lock()
			n := len(s.holds.of[gone])
			s.holds.mu.Unlock()
			if n == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%d holds are left", n)
			}
		}
	})
}

func TestStreamEndsWithItsCredential(t *testing.T) {
	s, url := up(t, newFake(), nil)
	session := openSession(t, url, "acme:ann")
	soon := *principalFor(&http.Request{Header: http.Header{"Authorization": {"Bearer acme:ann"}}})
	soon.ExpiresAt = time.Now().Add(20 * time.Millisecond)
	for name, r := range map[string]*http.Request{
		"of a session":           httptest.NewRequest("GET", url, nil),
		"of the newest protocol": httptest.NewRequest("POST", url, strings.NewReader(listenBody)),
	} {
		t.Run(name, func(t *testing.T) {
			r.Header = http.Header{"Accept": {"application/json, text/event-stream"}, "Content-Type": {"application/json"}}
			if r.Method == "GET" {
				r.Header.Set(headerSession, session)
			} else {
				for i := 0; i < len(listenHeader); i += 2 {
					r.Header.Set(listenHeader[i], listenHeader[i+1])
				}
			}
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.ServeHTTP(httptest.NewRecorder(), r.WithContext(host.WithPrincipal(context.Background(), &soon)))
			}()
			within(t, done, "the stream")
		})
	}
}
