// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host"
)

// FuzzJSONRPC throws bodies and versions at the edge: whatever comes, the host neither panics nor
// blames itself.
func FuzzJSONRPC(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"a","version":"1"}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","inputResponses":{"a":{"role":"x"}},"requestState":"first"}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]`,
		`{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt"},"argument":{"name":"x"}}}`,
		`{"jsonrpc":"2.0","id":{},"method":null}`, `[]`, `null`, `"x"`, strings.Repeat("[", 200),
		`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`,
	} {
		f.Add([]byte(seed), "")
		f.Add([]byte(seed), "2025-06-18")
		f.Add([]byte(seed), firstModern)
	}
	fake := newFake()
	fake.remove("wait")
	s, err := New(Config{Pipeline: fake, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			f.Error(err)
		}
	})
	who := &host.Principal{Tenant: "acme", User: "ann", Kind: host.KindOrg, Scopes: host.AllScopes()}
	f.Fuzz(func(t *testing.T, body []byte, version string) {
		if bytes.Contains(body, []byte("subscriptions")) && bytes.Contains(body, []byte("listen")) {
			t.Skip("its answer stays open")
		}
		r := httptest.NewRequest(http.MethodPost, "/mcp", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if version != "" {
			r.Header.Set(headerVersion, version)
			mirror(r.Header, body)
		}
		w := httptest.NewRecorder()
		ctx, cancel := context.WithTimeout(host.WithPrincipal(t.Context(), who), 10*time.Second)
		defer cancel()
		s.ServeHTTP(w, r.WithContext(ctx))
		if ctx.Err() != nil {
			t.Error("the request was never answered")
		}
		if w.Code >= 500 {
			t.Errorf("the host blames itself with %d: %s", w.Code, w.Body)
		}
	})
}

// mirror puts into headers what a well-behaved client would, so that the body gets its turn.
func mirror(h http.Header, body []byte) {
	var m struct {
		Method string
		Params struct{ Name, URI string }
	}
	if json.Unmarshal(body, &m) == nil {
		h.Set("Mcp-Method", m.Method)
		h.Set("Mcp-Name", m.Params.Name+m.Params.URI)
	}
}

func FuzzTooDeep(f *testing.F) {
	f.Add([]byte(`{"a":["]",{"b":"\"["}]}`))
	f.Add([]byte(strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth)))
	f.Add([]byte(strings.Repeat("[", maxDepth+1)))
	f.Fuzz(func(t *testing.T, body []byte) {
		if got := tooDeep(body); got && bytes.Count(body, []byte("["))+bytes.Count(body, []byte("{")) <= maxDepth {
			t.Errorf("%q was found too deep", body)
		}
	})
}
