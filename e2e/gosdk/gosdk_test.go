// Copyright 2026 The Gantry Authors.

//go:build e2e

package gosdk

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

const newest = "2026-07-28"

// hash is a SHA-256 in hex.
var hash = regexp.MustCompile(`[0-9a-f]{64}`)

var versions = []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", newest}

type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func dial(t *testing.T, h *gantrytest.Host, key, version string, o *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "e2e", Version: "1"}, o)
	cs, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: h.URL + "/mcp", HTTPClient: &http.Client{Transport: bearer(key)},
	}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	return cs
}

func names(t *testing.T, cs *sdk.ClientSession) []string {
	t.Helper()
	list, err := cs.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, tool := range list.Tools {
		out = append(out, tool.Name)
	}
	return out
}

func text(t *testing.T, r *sdk.CallToolResult, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return r.Content[0].(*sdk.TextContent).Text
}

// start serves the shipped plugins and, once put, the slow one, one call of it at a time: that is
// how the end of a cancelled call is seen.
func start(t *testing.T) (h *gantrytest.Host, key string, putSlow func()) {
	h = gantrytest.New(t)
	slow := filepath.Join(t.TempDir(), "slow.wasm")
	gantrytest.BuildPlugin(t, "examples/slow", slow, "-s -w")
	h.Put("slow.yaml", []byte("limits:\n  concurrency: 1\n"))
	h.Start()
	key = h.Token("--kind", "org", "--tenant", "acme", "--user", "ann", "--scopes", "read:tools,write:tools", "--name", "e2e")
	return h, key, func() {
		data, err := os.ReadFile(slow)
		if err != nil {
			t.Fatal(err)
		}
		h.Put("slow.wasm", data)
	}
}

func TestOfficialClient(t *testing.T) {
	t.Parallel()
	h, key, putSlow := start(t)
	told := make(chan struct{}, 16)
	watching := &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {
		select {
		case told <- struct{}{}:
		default:
		}
	}}
	for _, version := range []string{"2025-06-18", newest} {
		t.Run(version+" hears of a plugin that is dropped into the folder", func(t *testing.T) {
			cs := dial(t, h, key, version, watching)
			if before := names(t, cs); slices.Contains(before, "slow_count") {
				if err := os.Remove(filepath.Join(h.Plugins, "slow.wasm")); err != nil {
					t.Fatal(err)
				}
			} else {
				putSlow()
			}
			select {
			case <-told:
			case <-time.After(30 * time.Second):
				t.Fatal("the client was never told")
			}
		})
	}
	putSlow()
	for _, version := range versions {
		t.Run(version, func(t *testing.T) { speak(t, h, key, version) })
	}
}

func speak(t *testing.T, h *gantrytest.Host, key, version string) {
	progress, more := make(chan float64, 64), make(chan struct{}, 64)
	cs := dial(t, h, key, version, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			if r.Params.Total == 3 {
				progress <- r.Params.Progress
			}
			select {
			case more <- struct{}{}:
			default:
			}
		},
	})
	for end := time.Now().Add(30 * time.Second); !slices.Contains(names(t, cs), "slow_count"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("slow_count is not served")
		}
	}
	t.Run("calls", func(t *testing.T) {
		r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "text_hash", Arguments: map[string]any{"text": "gantry"}})
		if got := text(t, r, err); r.IsError || !hash.MatchString(got) {
			t.Errorf("got %q", got)
		}
	})
	t.Run("hears progress", func(t *testing.T) {
		p := &sdk.CallToolParams{Name: "slow_count", Arguments: map[string]any{"n": 3, "delay_ms": 20}}
		p.SetProgressToken("p")
		r, err := cs.CallTool(t.Context(), p)
		if got, want := text(t, r, err), "1 2 3 "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		for want := 1.0; want <= 3; want++ {
			select {
			case got := <-progress: // the client may pass the last on after the result
				if got != want {
					t.Errorf("got progress %v, want %v", got, want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("progress %v was never told", want)
			}
		}
	})
	t.Run("cancels, and the call ends", func(t *testing.T) {
		for len(more) > 0 {
			<-more
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			<-more
			cancel()
		}()
		p := &sdk.CallToolParams{Name: "slow_count", Arguments: map[string]any{"n": 1000, "delay_ms": 50}}
		p.SetProgressToken("q")
		if _, err := cs.CallTool(ctx, p); err == nil {
			t.Fatal("a cancelled call succeeded")
		}
		soon, end := context.WithTimeout(t.Context(), 20*time.Second)
		defer end()
		r, err := cs.CallTool(soon, &sdk.CallToolParams{Name: "slow_count", Arguments: map[string]any{"n": 1, "delay_ms": 0}})
		if got, want := text(t, r, err), "1 "; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestSessionsStayWithTheirOwner(t *testing.T) {
	t.Parallel()
	h, key, _ := start(t)
	mine := dial(t, h, key, "2025-11-25", nil)
	other := h.Token("--kind", "org", "--tenant", "umbrella", "--user", "bob", "--scopes", "read:tools,write:tools", "--name", "e2e")
	status, body, err := gantrytest.NewCaller(h.URL, other).Do("POST", "/mcp",
		map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, "Mcp-Session-Id", mine.ID())
	if err != nil || status != http.StatusNotFound {
		t.Errorf("another tenant's key got %d: %s (%v)", status, body, err)
	}
	status, body, err = gantrytest.NewCaller(h.URL, "sk-org-nobody").Do("POST", "/mcp",
		map[string]any{"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
	if err != nil || status != http.StatusUnauthorized || !strings.Contains(string(body), "UNAUTHENTICATED") {
		t.Errorf("an unknown key got %d: %s (%v)", status, body, err)
	}
}
