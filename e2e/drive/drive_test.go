// Copyright 2026 The Gantry Authors.

//go:build e2e

package drive

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// connect is the official SDK's client.
func connect(t *testing.T, h *gantrytest.Host, key string) *mcp.ClientSession {
	t.Helper()
	c := mcp.NewClient(&mcp.Implementation{Name: "e2e", Version: "1"}, nil)
	s, err := c.Connect(t.Context(), &mcp.StreamableClientTransport{
		Endpoint: h.URL + "/mcp", HTTPClient: &http.Client{Transport: bearer(key)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func call(t *testing.T, s *mcp.ClientSession, tool string, args map[string]any) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := s.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	var b strings.Builder
	for _, c := range res.Content {
		if text, ok := c.(*mcp.TextContent); ok {
			b.WriteString(text.Text)
		}
	}
	return b.String(), res.IsError
}

func TestKnowledgeBase(t *testing.T) {
	h := gantrytest.New(t)
	folder := filepath.Join(t.TempDir(), "handbook")
	for name, text := range map[string]string{
		"refunds.md": "# Refund policy\n\nCustomers get their money back within ten days.\n", "ru/возврат.md": "# Возврат\n\nПокупатели возвращают товар.\n",
		"office/lease.html": "<title>Office lease</title><p>The lease ends in <b>May</b>.</p>", "logo.png": "\x89PNG\x00\xff",
	} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Without a host the command line opens the data folder itself.
	out, err := h.CLI("drive", "put", folder, "--tenant", "acme", "--tags", "handbook")
	if err != nil || strings.Count(out, "revision") != 3 {
		t.Fatalf("put said %q, %v", out, err)
	}
	h.Start()
	key := h.Token("--tenant", "acme", "--scopes", "read:tools,write:tools,read:data")
	rest := gantrytest.NewCaller(h.URL, key)

	t.Run("the command line finds it", func(t *testing.T) {
		out, err := h.CLI("drive", "search", "--tenant", "acme", "lease may")
		if err != nil || !strings.Contains(out, "handbook/office/lease.html  Office lease") {
			t.Errorf("got %q, %v", out, err)
		}
		if out, err := h.CLI("drive", "search", "lease"); err != nil || !strings.Contains(out, "0 of 0") {
			t.Errorf("the default tenant finds %q, %v", out, err)
		}
	})
	t.Run("REST puts and finds", func(t *testing.T) {
		status, body, err := rest.Do("POST", "/api/v1/drive/documents", map[string]any{"path": "notes/today.txt", "text": "The lease was signed today."})
		if err != nil || status != 200 {
			t.Fatalf("got %d %s, %v", status, body, err)
		}
		status, body, err = rest.Do("GET", "/api/v1/drive/search?q=signing+leases", nil)
		if err != nil || status != 200 || !strings.Contains(string(body), "notes/today.txt") {
			t.Errorf("got %d %s, %v", status, body, err)
		}
		status, body, err = rest.Do("GET", "/api/v1/drive/documents/handbook/office/lease.html?form=source", nil)
		if err != nil || status != 200 || !strings.HasPrefix(string(body), "<title>") {
			t.Errorf("got %d %s, %v", status, body, err)
		}
	})
	t.Run("an MCP client searches, reads and lists", func(t *testing.T) {
		s := connect(t, h, key)
		if got, failed := call(t, s, "search_drive", map[string]any{"query": "возвращать", "tags": []string{"handbook"}}); failed || !strings.Contains(got, "handbook/ru/возврат.md") {
			t.Errorf("search_drive: %q", got)
		}
		if got, failed := call(t, s, "read_drive", map[string]any{"path": "handbook/refunds.md", "offset": 17}); failed || got != "Customers get their money back within ten days.\n" {
			t.Errorf("read_drive: %q", got)
		}
		if got, failed := call(t, s, "list_drive", map[string]any{"prefix": "handbook/"}); failed || strings.Count(got, "handbook/") != 3 {
			t.Errorf("list_drive: %q", got)
		}
		if got, failed := call(t, s, "read_drive", map[string]any{"path": "gone"}); !failed || !strings.Contains(got, "NOT_FOUND") {
			t.Errorf("a document that is not there: %q", got)
		}
	})
	t.Run("a key without read:data reads nothing", func(t *testing.T) {
		s := connect(t, h, h.Token("--tenant", "acme", "--scopes", "read:tools,write:tools"))
		if got, failed := call(t, s, "search_drive", map[string]any{"query": "lease"}); !failed || !strings.Contains(got, "read:data") {
			t.Errorf("got %q", got)
		}
	})
}

// TestAfterAKillEverythingAcknowledgedIsFound kills the host in the middle of writes, again and again.
func TestAfterAKillEverythingAcknowledgedIsFound(t *testing.T) {
	h := gantrytest.New(t)
	key := h.Token("--scopes", "read:tools,write:tools,read:data")
	acked := map[string]bool{}
	for round := range 4 {
		h.Start()
		rest := gantrytest.NewCaller(h.URL, key)
		done := make(chan struct{})
		var kept []string
		go func() {
			defer close(done)
			for i := 0; ; i++ {
				word := fmt.Sprintf("kill%dx%d", round, i)
				status, _, err := rest.Do("POST", "/api/v1/drive/documents", map[string]any{"path": fmt.Sprintf("r%d/d%d", round, i), "text": "the word " + word})
				if err != nil || status != 200 {
					return
				}
				kept = append(kept, word)
			}
		}()
		time.Sleep(time.Duration(150+100*round) * time.Millisecond)
		h.Kill()
		<-done
		if len(kept) == 0 {
			t.Fatal("nothing was acknowledged before the kill; the test would prove nothing")
		}
		for _, w := range kept {
			acked[w] = true
		}
	}
	h.Start()
	rest := gantrytest.NewCaller(h.URL, key)
	for word := range acked {
		status, body, err := rest.Do("GET", "/api/v1/drive/search?q="+word, nil)
		if err != nil || status != 200 || !strings.Contains(string(body), `"total":1`) {
			t.Fatalf("%s: got %d %s, %v", word, status, body, err)
		}
	}
	t.Logf("%d documents acknowledged over 4 kills, all found", len(acked))
}
