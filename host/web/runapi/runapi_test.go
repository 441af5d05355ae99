// Copyright 2026 The Gantry Authors.

package runapi

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { webtest.Main(m) }

// tokens knows "<tenant>-token"; noscope-token has no scope.
func tokens(token string) *host.Principal {
	tenant, ok := strings.CutSuffix(token, "-token")
	if !ok {
		return nil
	}
	p := &host.Principal{Tenant: host.TenantID(tenant), Scopes: host.AllScopes()}
	if tenant == "noscope" {
		p.Scopes = nil
	}
	return p
}

func newServer(t testing.TB, p Pipeline, cfg Config) *web.Server {
	t.Helper()
	cfg.Pipeline, cfg.Name, cfg.Version = p, "gantry", "1.0.0"
	runs, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	health, err := healthapi.New(healthapi.Config{Probes: []healthapi.Probe{
		{Name: "store", Check: func(context.Context) healthapi.Finding { return healthapi.Finding{State: healthapi.OK} }},
		{Name: "plugins", Check: func(context.Context) healthapi.Finding {
			return healthapi.Finding{State: healthapi.Degraded, Reason: "1 plugin was refused",
				Detail: map[string]string{"text": "its contract version is newer than this host's"}}
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s := webtest.Server(t, web.Config{Auth: webtest.Tokens(tokens), BodyLimit: 2 << 20}, runs, health)
	if err := s.MountOpenAPI("/openapi.json", info); err != nil {
		t.Fatal(err)
	}
	return s
}

var info = web.Info{Title: "Gantry", Version: "1.0.0", Description: "Runs tools of sandboxed plugins."}

func TestTalks(t *testing.T) {
	addr := webtest.Serve(t, newServer(t, newFake(), Config{}))
	webtest.Talks(t, addr, "testdata/*.txt", *update,
		"Authorization", "Bearer acme-token", "Content-Type", "application/json", "X-Request-Id", "r-1")
}

func call(t testing.TB, addr, method, path, token, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func start(t testing.TB, addr, tool string) string {
	t.Helper()
	resp := call(t, addr, "POST", "/mcp/execute", "acme-token", `{"tool":"`+tool+`","input":{"messages":[]}}`)
	var a executeAnswer
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil || a.CallID == "" {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return a.CallID
}

// readEvents reads event names up to and including until, and leaves the rest.
func readEvents(t *testing.T, body io.Reader, until string) (names []string, last string) {
	t.Helper()
	for sc := bufio.NewScanner(body); sc.Scan(); {
		if name, ok := strings.CutPrefix(sc.Text(), "event: "); ok {
			names = append(names, name)
		}
		if data, ok := strings.CutPrefix(sc.Text(), "data: "); ok && len(names) > 0 && names[len(names)-1] == until {
			return names, data
		}
	}
	t.Fatalf("the stream ended after %v without %q", names, until)
	return nil, ""
}

func TestStream(t *testing.T) {
	t.Run("partial texts, then the final one, as the quick start reads them", func(t *testing.T) {
		addr := webtest.Serve(t, newServer(t, newFake(), Config{}))
		resp := call(t, addr, "GET", "/mcp/stream/"+start(t, addr, "openai_chat"), "acme-token", "")
		var printed []string
		for sc := bufio.NewScanner(resp.Body); sc.Scan(); {
			line, ok := strings.CutPrefix(sc.Text(), "data: ")
			if !ok {
				continue
			}
			var data map[string]any
			if err := json.Unmarshal([]byte(line), &data); err != nil {
				t.Fatal(err)
			}
			text, _ := data["text"].(string)
			printed = append(printed, text)
		}
		if got := strings.Join(printed, "|"); got != "Hel|lo|Hello" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("a run that has ended is told at once, and one that goes on is streamed", func(t *testing.T) {
		addr := webtest.Serve(t, newServer(t, newFake(), Config{}))
		if resp := call(t, addr, "GET", "/mcp/stream/"+start(t, addr, "openai_chat"), "acme-token", ""); resp.ContentLength <= 0 {
			t.Errorf("ended: got a length of %d", resp.ContentLength)
		}
		id := start(t, addr, "wait")
		if resp := call(t, addr, "GET", "/mcp/stream/"+id, "acme-token", ""); resp.ContentLength >= 0 {
			t.Errorf("running: got a length of %d", resp.ContentLength)
		}
		call(t, addr, "POST", "/mcp/cancel/"+id, "acme-token", "")
	})
	t.Run("a run that has said much is told in order", func(t *testing.T) {
		f := newFake()
		addr := webtest.Serve(t, newServer(t, f, Config{}))
		id := start(t, addr, "wait")
		f.mu.Lock()
		for i := range 3 * gatherEvents {
			f.runs[id].say(invoke.Event{Type: invoke.EventPartial, Text: strconv.Itoa(i)})
		}
		f.runs[id].cancel()
		f.mu.Unlock()
		names, _ := readEvents(t, call(t, addr, "GET", "/mcp/stream/"+id, "acme-token", "").Body, "cancelled")
		if len(names) != 3*gatherEvents+2 {
			t.Errorf("got %d events", len(names))
		}
	})
	t.Run("events come while the call runs, and cancel ends both", func(t *testing.T) {
		addr := webtest.Serve(t, newServer(t, newFake(), Config{}))
		id := start(t, addr, "wait")
		resp := call(t, addr, "GET", "/mcp/stream/"+id, "acme-token", "")
		readEvents(t, resp.Body, "partial")
		call(t, addr, "POST", "/mcp/cancel/"+id, "acme-token", "")
		if _, data := readEvents(t, resp.Body, "cancelled"); !strings.Contains(data, `"code":"CANCELLED"`) {
			t.Errorf("got %s", data)
		}
	})
	t.Run("a stream at its limit says so and another takes up", func(t *testing.T) {
		addr := webtest.Serve(t, newServer(t, newFake(), Config{StreamLimit: 100 * time.Millisecond}))
		id := start(t, addr, "wait")
		resp := call(t, addr, "GET", "/mcp/stream/"+id, "acme-token", "")
		_, data := readEvents(t, resp.Body, "closed")
		for _, part := range []string{`"reason":"stream_limit"`, `"last_event_id":"1"`, "100ms"} {
			if !strings.Contains(data, part) {
				t.Errorf("got %s, want %s", data, part)
			}
		}
		call(t, addr, "POST", "/mcp/cancel/"+id, "acme-token", "")
		resp = call(t, addr, "GET", "/mcp/stream/"+id, "acme-token", "", "Last-Event-ID", "1")
		if names, _ := readEvents(t, resp.Body, "cancelled"); len(names) != 1 {
			t.Errorf("got %v, want the last event alone", names)
		}
	})
	t.Run("a stopping host says so", func(t *testing.T) {
		s := newServer(t, newFake(), Config{})
		addr := webtest.Serve(t, s)
		resp := call(t, addr, "GET", "/mcp/stream/"+start(t, addr, "wait"), "acme-token", "")
		readEvents(t, resp.Body, "partial")
		stopped := make(chan error, 1)
		go func() { stopped <- s.Shutdown(context.Background()) }()
		if _, data := readEvents(t, resp.Body, "closed"); !strings.Contains(data, `"reason":"host_stopping"`) {
			t.Errorf("got %s", data)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	t.Run("every reading is closed", func(t *testing.T) {
		f := newFake()
		addr := webtest.Serve(t, newServer(t, f, Config{}))
		id := start(t, addr, "openai_chat")
		for _, method := range []string{"GET", "HEAD"} {
			for _, last := range []string{"0", "2", "3"} {
				_, _ = io.ReadAll(call(t, addr, method, "/mcp/stream/"+id, "acme-token", "", "Last-Event-ID", last).Body)
			}
		}
		ctx, leave := context.WithCancel(context.Background())
		req, err := http.NewRequestWithContext(ctx, "GET", "http://"+addr+"/mcp/stream/"+start(t, addr, "wait"), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer acme-token")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		readEvents(t, resp.Body, "partial")
		leave()
		resp.Body.Close()
		for range 500 {
			f.mu.Lock()
			opened, closed := f.opened, f.closed
			f.mu.Unlock()
			if opened == 7 && closed == 7 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("opened %d, closed %d", f.opened, f.closed)
	})
}

func TestAnotherTenantsCallIsNotThere(t *testing.T) {
	addr := webtest.Serve(t, newServer(t, newFake(), Config{}))
	id := start(t, addr, "wait")
	for _, r := range []string{"GET /mcp/stream/", "GET /mcp/calls/", "POST /mcp/cancel/"} {
		method, path, _ := strings.Cut(r, " ")
		theirs := call(t, addr, method, path+id, "other-token", "")
		none := call(t, addr, method, path+strings.Replace(id, "4", "5", 1), "other-token", "")
		a, _ := io.ReadAll(theirs.Body)
		b, _ := io.ReadAll(none.Body)
		if theirs.StatusCode != 404 || !bytes.Contains(a, []byte(`"CALL_NOT_FOUND"`)) {
			t.Errorf("%s: got %d %s", r, theirs.StatusCode, a)
		}
		if len(a) != len(b) {
			t.Errorf("%s: an answer for a call of somebody else differs from that for none: %s, %s", r, a, b)
		}
	}
}

// TestEveryCodeHasAStatus holds the whole code set against the table.
func TestEveryCodeHasAStatus(t *testing.T) {
	for code, want := range map[abi.Code]web.Row{
		abi.CodeUnauthenticated: {Status: 401, Code: "AUTH_ERROR"}, abi.CodeBadCredential: {Status: 403, Code: "AUTHZ_ERROR"},
		abi.CodeForbidden: {Status: 403, Code: "AUTHZ_ERROR"}, abi.CodeUnknownTool: {Status: 404, Code: "TOOL_NOT_FOUND"},
		codeCallNotFound: {Status: 404, Code: "CALL_NOT_FOUND"}, abi.CodeInvalidArg: {Status: 422, Code: "VALIDATION_ERROR"},
		"OPENAI_ERROR": {Status: 502, Code: "OPENAI_ERROR"}, abi.CodeUpstream: {Status: 502, Code: "UPSTREAM_ERROR"},
		abi.CodeRateLimited: {Status: 429, Code: "RATE_LIMITED"},
		abi.CodeBusy:        {Status: 429, Code: "BUSY"}, abi.CodeUnavailable: {Status: 503, Code: "UNAVAILABLE"},
		abi.CodeDeadline: {Status: 504, Code: "DEADLINE_EXCEEDED"}, abi.CodeLimit: {Status: 413, Code: "LIMIT_EXCEEDED"},
		abi.CodeTrap: {Status: 502, Code: "PLUGIN_CRASHED"}, abi.CodeContract: {Status: 502, Code: "PLUGIN_CONTRACT"},
		abi.CodeInternal: {Status: 500, Code: "INTERNAL"}, abi.CodeConflict: {Status: 409, Code: "CONFLICT"},
		abi.CodeCancelled: {Status: 409, Code: "CANCELLED"}, abi.CodeInterrupted: {Status: 503, Code: "INTERRUPTED"},
		abi.CodeCredentialMissing: {Status: 503, Code: "CREDENTIAL_MISSING"}, abi.CodeNotFound: {Status: 404, Code: "NOT_FOUND"},
		abi.CodeClientCapability: {Status: 422, Code: "CLIENT_CAPABILITY"},
	} {
		if got := Row(code); got != want {
			t.Errorf("%s: got %+v, want %+v", code, got, want)
		}
	}
}

func FuzzExecute(f *testing.F) {
	for _, seed := range []string{
		`{"tool":"openai_chat","input":{"messages":[{"role":"user","content":"Hello"}]},"request_id":"req-123"}`,
		`{"tool":"count"}`, `{}`, `[]`, `null`, ``, `{"tool":"count","input":[]}`, `{"tool":"count","tool":"wait"}`,
		`{"tool":"count"} {}`, `{"TOOL":"count"}`, `{"tool":1}`, strings.Repeat(`{"input":`, 100) + strings.Repeat(`}`, 100),
		"{\"tool\":\"\xff\"}", `{"tool":"count","metadata":"x"}`, `{"tool":"count","request_id":"\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	s := newServer(f, newFake(), Config{})
	addr := webtest.Serve(f, s)
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := http.NewRequest("POST", "http://"+addr+"/mcp/execute", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer acme-token")
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			CallID string           `json:"call_id"`
			Error  *web.ErrorObject `json:"error"`
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("status %d: the answer is not JSON: %v", resp.StatusCode, err)
		}
		switch {
		case resp.StatusCode >= 500:
			t.Fatalf("got %d for %q", resp.StatusCode, body)
		case resp.StatusCode == 200 && (answer.CallID == "" || !json.Valid(body)):
			t.Fatalf("took %q", body)
		case resp.StatusCode != 200 && (answer.Error == nil || answer.Error.Message == ""):
			t.Fatalf("got %d without an error that says why", resp.StatusCode)
		}
	})
}
