// Copyright 2026 The Gantry Authors.

//go:build e2e

package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// model is a fake of the chat completions API: it streams the words of its answer, or fails, or
// never ends, as the conversation asks.
type model struct {
	*httptest.Server
	mu    sync.Mutex
	calls int
	// left is closed when a client leaves an answer that never ends.
	left chan struct{}
}

func newModel(t *testing.T, key string) *model {
	m := &model{left: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}`)
			return
		}
		m.answer(w, r)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *model) answer(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Messages []struct{ Role, Content string }
		Model    string
		Stream   bool
	}
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil || len(req.Messages) == 0 {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	m.mu.Lock()
	m.calls++
	m.mu.Unlock()
	last := req.Messages[len(req.Messages)-1].Content
	if last == "fail" {
		w.WriteHeader(http.StatusTooManyRequests)
		fmt.Fprint(w, `{"error":{"message":"Rate limit reached for requests","type":"requests"}}`)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	say := func(delta string) {
		fmt.Fprintf(w, "data: {\"id\":\"c1\",\"model\":%q,\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", req.Model, delta)
		w.(http.Flusher).Flush()
	}
	for _, word := range []string{"Hello", ", ", "I am ", "a model."} {
		say(word)
	}
	if last == "for ever" {
		<-r.Context().Done()
		close(m.left)
		return
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

// start runs the host on the quick reference's own port, with the model behind it.
func start(t *testing.T) (*gantrytest.Host, *model, string) {
	t.Helper()
	m := newModel(t, "made-up-model-key")
	t.Setenv("OPENAI_API_KEY", "made-up-model-key")
	t.Setenv("OPENAI_BASE_URL", m.URL+"/v1")
	h := gantrytest.New(t)
	h.Start()
	return h, m, h.Token("--scopes", "read:tools,write:tools")
}

// script returns one of the quick reference's snippets with the token and the port of this host.
func script(t *testing.T, name string, h *gantrytest.Host, key string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.ReplaceAll(string(text), "super-secret-token", key)
	return strings.ReplaceAll(out, "http://localhost:8000", strings.Replace(h.URL, "127.0.0.1", "localhost", 1))
}

func runScript(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errb strings.Builder
	cmd.Stderr = &errb
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, errb.String())
	}
	return string(out)
}

func TestQuickReferenceCurlLines(t *testing.T) {
	h, m, key := start(t)
	out := runScript(t, script(t, "quickstart.sh", h, key), "bash")
	events := gantrytest.ParseSSE([]byte(out))
	var text strings.Builder
	for _, ev := range events {
		var data struct{ Type, Text string }
		if err := json.Unmarshal(ev.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Type != ev.Event {
			t.Errorf("event %s has data of type %s", ev.Event, data.Type)
		}
		if data.Type == "partial" {
			text.WriteString(data.Text)
		}
		if data.Type == "final" && data.Text != "Hello, I am a model." {
			t.Errorf("final text: %q", data.Text)
		}
	}
	if len(events) < 2 || events[len(events)-1].Event != "final" {
		t.Fatalf("the stream does not end with final:\n%s", out)
	}
	if text.String() != "Hello, I am a model." {
		t.Errorf("the partials say %q", text.String())
	}
	// The same request id again: the same call, and no second execution.
	again := runScript(t, script(t, "quickstart.sh", h, key), "bash")
	if again != out {
		t.Errorf("the retry answered otherwise:\n%s\nfirst:\n%s", again, out)
	}
	if m.calls != 1 {
		t.Errorf("the model was called %d times for one request id", m.calls)
	}
}

func TestQuickReferencePython(t *testing.T) {
	h, _, key := start(t)
	python := os.Getenv("GANTRY_PYTHON")
	if python == "" {
		python = "python3"
	}
	out := runScript(t, script(t, "quickstart.py", h, key), python, "-")
	// The script prints every text: the pieces, and then the whole.
	if want := "Hello, I am a model.Hello, I am a model."; out != want {
		t.Errorf("the script printed %q, want %q", out, want)
	}
}

func TestChecksAnswerWithoutAToken(t *testing.T) {
	h, _, _ := start(t)
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get(h.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}

func TestErrorCodes(t *testing.T) {
	h, _, key := start(t)
	readOnly := h.Token("--scopes", "read:tools")
	revoked := h.Token("--name", "gone")
	var list []struct{ ID, Name string }
	out, err := h.CLI("token", "list", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	for _, k := range list {
		if k.Name == "gone" {
			if _, err := h.CLI("token", "revoke", k.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	chat := map[string]any{"tool": "openai_chat", "input": map[string]any{"messages": []map[string]string{{"role": "user", "content": "Hello"}}}}
	for _, c := range []struct {
		promise, key, method, path string
		body                       any
		status                     int
		code                       string
	}{
		{"a token that is no token", "x y", "GET", "/mcp/manifest", nil, 401, "AUTH_ERROR"},
		{"an unknown token", "sk-org-" + strings.Repeat("a", 68), "GET", "/mcp/manifest", nil, 403, "AUTHZ_ERROR"},
		{"a revoked token", revoked, "GET", "/mcp/manifest", nil, 403, "AUTHZ_ERROR"},
		{"a token without the scope", readOnly, "POST", "/mcp/execute", chat, 403, "AUTHZ_ERROR"},
		{"an unknown tool", key, "POST", "/mcp/execute", map[string]any{"tool": "nope", "input": map[string]any{}}, 404, "TOOL_NOT_FOUND"},
		{"an unknown call", key, "GET", "/mcp/stream/2b0a5e0e-0000-4000-8000-000000000000", nil, 404, "CALL_NOT_FOUND"},
		{"an unknown call to cancel", key, "POST", "/mcp/cancel/2b0a5e0e-0000-4000-8000-000000000000", nil, 404, "CALL_NOT_FOUND"},
		{"a body without a tool", key, "POST", "/mcp/execute", map[string]any{"input": map[string]any{}}, 422, "VALIDATION_ERROR"},
		{"input that breaks the schema", key, "POST", "/mcp/execute", map[string]any{"tool": "openai_chat", "input": map[string]any{"messages": "Hello"}}, 422, "VALIDATION_ERROR"},
	} {
		t.Run(c.promise, func(t *testing.T) {
			status, out, err := gantrytest.NewCaller(h.URL, c.key).Do(c.method, c.path, c.body)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Error struct{ Code, Message string }
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if status != c.status || got.Error.Code != c.code || got.Error.Message == "" {
				t.Errorf("got %d %s, want %d %s", status, out, c.status, c.code)
			}
		})
	}
}

func TestUpstreamFailureIsOpenAIError(t *testing.T) {
	h, _, key := start(t)
	c := gantrytest.NewCaller(h.URL, key)
	id, err := c.Execute("openai_chat", map[string]any{"messages": []map[string]string{{"role": "user", "content": "fail"}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	events, err := c.Stream(id)
	if err != nil {
		t.Fatal(err)
	}
	last := events[len(events)-1]
	var data struct {
		Code, Message string
		Status        int
		Retryable     bool
	}
	if err := json.Unmarshal(last.Data, &data); err != nil {
		t.Fatal(err)
	}
	if last.Event != "error" || data.Code != "OPENAI_ERROR" || data.Status != 502 || !data.Retryable || !strings.Contains(data.Message, "Rate limit reached") {
		t.Errorf("got %s %s", last.Event, last.Data)
	}
}

func TestCancelEndsTheGuestAndItsRequest(t *testing.T) {
	h, m, key := start(t)
	c := gantrytest.NewCaller(h.URL, key)
	id, err := c.Execute("openai_chat", map[string]any{"messages": []map[string]string{{"role": "user", "content": "for ever"}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	waitForCall(t, m)
	status, out, err := c.Do("POST", "/mcp/cancel/"+id, nil)
	if err != nil || status != 200 || !strings.Contains(string(out), `"cancelled"`) {
		t.Fatalf("cancel: %d %s %v", status, out, err)
	}
	select {
	case <-m.left:
	case <-time.After(10 * time.Second):
		t.Fatal("the model still has its client 10 s after the cancel")
	}
	events, err := c.Stream(id)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Event != "cancelled" {
		t.Errorf("the stream ends with %s %s", last.Event, last.Data)
	}
}

func waitForCall(t *testing.T, m *model) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		m.mu.Lock()
		n := m.calls
		m.mu.Unlock()
		if n > 0 {
			return
		}
	}
	t.Fatal("the model was never called")
}

func TestLastEventIDResumes(t *testing.T) {
	h, _, key := start(t)
	c := gantrytest.NewCaller(h.URL, key)
	id, err := c.Execute("openai_chat", map[string]any{"messages": []map[string]string{{"role": "user", "content": "Hello"}}}, "")
	if err != nil {
		t.Fatal(err)
	}
	whole, err := c.Stream(id)
	if err != nil || len(whole) < 3 {
		t.Fatalf("%d events, %v", len(whole), err)
	}
	for i := range len(whole) - 1 {
		rest, err := c.Stream(id, "Last-Event-ID", whole[i].ID)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(rest) != fmt.Sprint(whole[i+1:]) {
			t.Errorf("after %s: got %v, want %v", whole[i].ID, rest, whole[i+1:])
		}
	}
}

func TestParallelEqualRequestIDsExecuteOnce(t *testing.T) {
	h, m, key := start(t)
	const n = 100
	ids := make([]string, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			id, err := gantrytest.NewCaller(h.URL, key).Execute("openai_chat",
				map[string]any{"messages": []map[string]string{{"role": "user", "content": "Hello"}}}, "one-and-only")
			if err != nil {
				id = err.Error()
			}
			ids[i] = id
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("two answers for one request id: %s and %s", ids[0], id)
		}
	}
	if _, err := gantrytest.NewCaller(h.URL, key).Stream(ids[0]); err != nil {
		t.Fatal(err)
	}
	if m.calls != 1 {
		t.Errorf("%d executions, want 1", m.calls)
	}
}
