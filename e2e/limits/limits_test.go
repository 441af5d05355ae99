// Copyright 2026 The Gantry Authors.

//go:build e2e

package limits

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// post starts a run and returns the answer's status, header and body.
func post(t *testing.T, h *gantrytest.Host, key string, input any) (int, http.Header, string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"tool": "text_hash", "input": input})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/mcp/execute", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	return send(t, req)
}

func send(t *testing.T, req *http.Request) (int, http.Header, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(data)
}

func cli(t *testing.T, h *gantrytest.Host, args ...string) string {
	t.Helper()
	out, err := h.CLI(args...)
	if err != nil {
		t.Fatalf("gantry %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func TestQuotas(t *testing.T) {
	h := gantrytest.New(t)
	h.Start()
	key := h.Token("--tenant", "acme", "--scopes", "read:tools,write:tools")
	other := h.Token("--tenant", "beta", "--scopes", "read:tools,write:tools")
	cli(t, h, "quota", "set", "acme", "--calls-per-day", "4")
	input := map[string]any{"text": "hello"}
	for range 2 {
		if status, _, body := post(t, h, key, input); status != 200 {
			t.Fatalf("got %d %s", status, body)
		}
	}
	caller := gantrytest.NewCaller(h.URL, key)
	for range 2 {
		if text, failed, err := caller.CallTool("text_hash", input); err != nil || failed {
			t.Fatalf("got %s, %v", text, err)
		}
	}
	overREST := func(t *testing.T) {
		status, header, body := post(t, h, key, input)
		wait, err := strconv.Atoi(header.Get("Retry-After"))
		if status != 429 || err != nil || wait < 1 || wait > 86400 ||
			!strings.Contains(body, `"code":"RATE_LIMITED"`) || !strings.Contains(body, "limit: calls_per_day") {
			t.Errorf("got %d, Retry-After %q, %s", status, header.Get("Retry-After"), body)
		}
	}
	t.Run("over REST one call too many is 429, with the limit and the time to wait", overREST)
	t.Run("over MCP it is the tool's error, to be tried again", func(t *testing.T) {
		text, failed, err := caller.CallTool("text_hash", input)
		if err != nil || !failed || !strings.Contains(text, `"RATE_LIMITED"`) || !strings.Contains(text, `"retryable":true`) {
			t.Errorf("got %s, %v, %v", text, failed, err)
		}
	})
	t.Run("another tenant goes on", func(t *testing.T) {
		if status, _, body := post(t, h, other, input); status != 200 {
			t.Errorf("got %d %s", status, body)
		}
	})
	t.Run("a kill gives nothing back", func(t *testing.T) {
		h.Kill()
		h.Start()
		overREST(t)
		if out := cli(t, h, "quota", "show", "acme", "--json"); !strings.Contains(out, `"calls_per_day": 4`) {
			t.Errorf("got %s", out)
		}
	})
	t.Run("a higher limit holds from the next call on", func(t *testing.T) {
		cli(t, h, "quota", "set", "acme", "--calls-per-day", "5")
		if status, _, body := post(t, h, key, input); status != 200 {
			t.Errorf("got %d %s", status, body)
		}
		overREST(t)
	})
}

func TestMetrics(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	own := l.Addr().String()
	l.Close()
	h := gantrytest.New(t)
	h.Extra = []string{"--metrics-listen", own}
	h.Start()
	admin := h.Token("--tenant", "acme", "--scopes", "admin,read:tools,write:tools")
	reader := h.Token("--tenant", "acme", "--scopes", "read:tools")
	caller := gantrytest.NewCaller(h.URL, admin)
	for range 3 {
		if text, failed, err := caller.CallTool("text_hash", map[string]any{"text": "hello"}); err != nil || failed {
			t.Fatalf("got %s, %v", text, err)
		}
	}
	get := func(url, key string) (int, http.Header, string) {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		return send(t, req)
	}
	want := []string{
		`gantry_calls_total{code="ok",plugin="text",surface="mcp",tool="text_hash"} 3`,
		`gantry_call_seconds_count{plugin="text",tool="text_hash"} 3`,
		`gantry_fuel_total{plugin="text",tenant="acme"} `, `gantry_plugin_instances{plugin="text",state="idle"} 1`,
		`gantry_plugin_memory_budget_bytes{runner="native"} `, "gantry_build_info{", "go_goroutines ", "process_cpu_seconds_total ",
	}
	for name, url := range map[string]string{"with an admin key": h.URL + "/metrics", "on their own address": "http://" + own + "/metrics"} {
		t.Run("are there "+name, func(t *testing.T) {
			key := admin
			if !strings.HasPrefix(url, h.URL) {
				key = ""
			}
			status, header, body := get(url, key)
			if status != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/plain") {
				t.Fatalf("got %d %s", status, header.Get("Content-Type"))
			}
			for _, w := range want {
				if !strings.Contains(body, "\n"+w) {
					t.Errorf("there is no %s in\n%s", w, body)
				}
			}
		})
	}
	t.Run("are nobody else's", func(t *testing.T) {
		for key, want := range map[string]int{"": 401, reader: 403} {
			if status, _, body := get(h.URL+"/metrics", key); status != want || strings.Contains(body, "gantry_calls_total") {
				t.Errorf("got %d %s, want %d", status, body, want)
			}
		}
	})
	t.Run("have an address to themselves", func(t *testing.T) {
		if status, _, _ := get("http://"+own+"/mcp/manifest", admin); status != 404 {
			t.Errorf("got %d for another path", status)
		}
	})
	t.Run("the process ends well with them", func(t *testing.T) {
		start := time.Now()
		if log := h.Stop(); strings.Contains(log, "ERROR") || time.Since(start) > 20*time.Second {
			t.Errorf("it took %s: %s", time.Since(start), log)
		}
	})
}

func TestRequestsHaveOneLimit(t *testing.T) {
	h := gantrytest.New(t)
	h.Extra = []string{"--max-request", "2MiB"}
	h.Start()
	key := h.Token("--scopes", "read:tools,write:tools")
	for size, want := range map[int]int{1 << 20: 200, 2<<20 - 100: 200, 2 << 20: 413} {
		t.Run(fmt.Sprintf("%d bytes of text over REST are %d", size, want), func(t *testing.T) {
			status, _, body := post(t, h, key, map[string]any{"text": strings.Repeat("x", size)})
			if status != want || want == 413 && !strings.Contains(body, "2 MiB") {
				t.Errorf("got %d %.300s", status, body)
			}
		})
	}
}
