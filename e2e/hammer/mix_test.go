// Copyright 2026 The Gantry Authors.

//go:build hammer

package hammer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// mixed is one client of the mixed hammer: it speaks both eras of MCP and REST with one key.
type mixed struct {
	*gantrytest.Caller
	name    string
	session string
	n       int
	left    *atomic.Int64
}

// handshake opens a session of protocol 2025-11-25.
func (m *mixed) handshake() error {
	resp, err := m.post(context.Background(), "", map[string]any{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": map[string]any{
		"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]any{"name": m.name, "version": "1"}}})
	if err != nil {
		return err
	}
	drain(resp)
	if m.session = resp.Header.Get("Mcp-Session-Id"); m.session == "" {
		return fmt.Errorf("initialize answered %s without a session", resp.Status)
	}
	resp, err = m.post(context.Background(), m.session, map[string]any{"jsonrpc": "2.0", "method": "notifications/initialized"})
	if err == nil {
		drain(resp)
	}
	return err
}

// drain reads a body to its end: a client that closes it before has gone away.
func drain(resp *http.Response) {
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func (m *mixed) post(ctx context.Context, session string, body map[string]any) (*http.Response, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL+"/mcp", bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+m.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if session != "" {
		req.Header.Set("Mcp-Session-Id", session)
		req.Header.Set("Mcp-Protocol-Version", "2025-11-25")
	}
	return m.HTTP.Do(req)
}

// inSession calls echo_who within the session.
func (m *mixed) inSession(text string) (echoed, error) {
	resp, err := m.post(context.Background(), m.session, map[string]any{"jsonrpc": "2.0", "id": m.n + 1, "method": "tools/call",
		"params": map[string]any{"name": "echo_who", "arguments": map[string]any{"text": text}}})
	if err != nil {
		return echoed{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	out, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return echoed{}, fmt.Errorf("%s: %.200s %v", resp.Status, out, err)
	}
	events := gantrytest.ParseSSE(out)
	if len(events) == 0 {
		return echoed{}, fmt.Errorf("no event: %.200s", out)
	}
	var answer struct {
		ID     int `json:"id"`
		Result struct {
			Content []struct{ Text string }
			IsError bool
		}
	}
	if err := json.Unmarshal(events[len(events)-1].Data, &answer); err != nil || len(answer.Result.Content) == 0 || answer.Result.IsError {
		return echoed{}, fmt.Errorf("the answer is no result: %.200s %v", out, err)
	}
	if answer.ID != m.n+1 {
		return echoed{}, fmt.Errorf("the answer to request %d has id %d", m.n+1, answer.ID)
	}
	return parseEcho(answer.Result.Content[0].Text)
}

// leave begins a slow call, of the modern era or within the session, and goes away before its end.
func (m *mixed) leave(modern bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+m.n%7)*time.Millisecond)
	defer cancel()
	body := map[string]any{"jsonrpc": "2.0", "id": m.n + 1, "method": "tools/call",
		"params": map[string]any{"name": "slow_count", "arguments": map[string]any{"n": 3, "delay_ms": 20}}}
	session := m.session
	if modern {
		session = ""
		body["params"].(map[string]any)["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": "2026-07-28",
			"io.modelcontextprotocol/clientInfo": map[string]any{"name": m.name, "version": "1"}, "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
	}
	resp, err := m.post(ctx, session, body)
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
	if err != nil && ctx.Err() == nil {
		return err
	}
	m.left.Add(1)
	return nil
}

// cancelled starts a slow run and cancels it: it has to end as cancelled.
func (m *mixed) cancelled() error {
	id, err := m.Execute("slow_count", map[string]any{"n": 1000, "delay_ms": 50}, "")
	if err != nil {
		return err
	}
	status, out, err := m.Do("POST", "/mcp/cancel/"+id, map[string]any{})
	if err != nil || status != http.StatusOK || !bytes.Contains(out, []byte("cancel")) {
		return fmt.Errorf("cancel answered %d: %.200s %v", status, out, err)
	}
	return nil
}

// call makes one of the mix. What comes back has to be what this client said in this call.
func (m *mixed) call() error {
	m.n++
	text := fmt.Sprintf("%s says %d", m.name, m.n)
	var got echoed
	var err error
	switch {
	case m.n%97 == 0:
		return m.cancelled()
	case m.n%31 == 0:
		return m.leave(m.n%2 == 0)
	case m.n%5 == 0:
		got, err = callEcho(m.Caller, true, text)
	case m.n%2 == 0:
		got, err = m.inSession(text)
	default:
		got, err = callEcho(m.Caller, false, text)
	}
	if err == nil && (got.Text != text || got.Tenant != "default") {
		err = fmt.Errorf("a wrong answer to %q: %+v", text, got)
	}
	return err
}

// vitals are what a host holds: goroutines, by its own metrics, and open descriptors, by the kernel's.
func vitals(t *testing.T, h *gantrytest.Host, admin *gantrytest.Caller) (goroutines, descriptors int) {
	t.Helper()
	_, out, err := admin.Do("GET", "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			goroutines, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.PID()))
	if err != nil || goroutines == 0 {
		t.Fatalf("no vitals: %v, %.200s", err, out)
	}
	return goroutines, len(files)
}

// TestManyClientsMixed lets 64 clients make 1,000 calls each, at full length, of both eras and REST,
// some cancelled and some left alone, while the plugin is replaced: no answer may be wrong, and in
// the end the host holds no more than before.
func TestManyClientsMixed(t *testing.T) {
	const clients = 64
	calls := min(1000, 250*scale())
	h := gantrytest.New(t)
	builds := echoBuilds(t, "one", "two")
	h.Put("echo.wasm", builds[0])
	file := filepath.Join(t.TempDir(), "slow.wasm")
	gantrytest.BuildPlugin(t, "examples/slow", file, "")
	slow, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h.Put("slow.wasm", slow)
	h.Start()
	key, admin := h.Token("--user", "mixed"), gantrytest.NewCaller(h.URL, h.Token("--kind", "admin"))
	warm := &mixed{Caller: gantrytest.NewCaller(h.URL, key), name: "warm", left: new(atomic.Int64)}
	if _, err := callEcho(warm.Caller, true, "warm"); err != nil {
		t.Fatal(err)
	}
	if err := warm.cancelled(); err != nil {
		t.Fatal(err)
	}
	warm.HTTP.CloseIdleConnections()
	time.Sleep(time.Second)
	goroutines, descriptors := vitals(t, h, admin)

	var y tally
	var left atomic.Int64
	var wg sync.WaitGroup
	for i := range clients {
		m := &mixed{Caller: gantrytest.NewCaller(h.URL, key), name: fmt.Sprintf("client-%02d", i), left: &left}
		wg.Go(func() {
			defer m.HTTP.CloseIdleConnections()
			if err := m.handshake(); err != nil {
				y.complain(&y.failed, "%s: %v", m.name, err)
				return
			}
			for range calls {
				y.calls.Add(1)
				if err := m.call(); err != nil {
					y.complain(&y.wrong, "%s call %d: %v", m.name, m.n, err)
				}
			}
			if status, _, err := m.Do("DELETE", "/mcp", nil, "Mcp-Session-Id", m.session); err != nil || status >= 400 {
				y.complain(&y.failed, "%s: ending the session: %d %v", m.name, status, err)
			}
		})
	}
	stop, reloads := make(chan struct{}), 0
	var reloading sync.WaitGroup
	reloading.Go(func() {
		for ; ; reloads++ {
			select {
			case <-stop:
				return
			case <-time.After(300 * time.Millisecond):
				h.Put("echo.wasm", builds[(reloads+1)%2])
			}
		}
	})
	wg.Wait()
	close(stop)
	reloading.Wait()
	y.report(t, fmt.Sprintf("%d clients, %d reloads, %d went away in the middle", clients, reloads, left.Load()))
	if left.Load() == 0 || reloads == 0 {
		t.Error("nobody went away, or nothing was reloaded: the test proved less than it says")
	}

	// What was cut off ends within its own time. Goroutines that wait for the next call stay, 64 at most.
	const slack = 64 + 16
	var g, d int
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(time.Second) {
		if g, d = vitals(t, h, admin); g <= goroutines+slack && d <= descriptors+8 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%d goroutines and %d descriptors before, %d and %d in the end", goroutines, descriptors, g, d)
			break
		}
	}
	t.Logf("goroutines %d → %d, descriptors %d → %d", goroutines, g, descriptors, d)
}
