// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// bench is a server without a network, and a session of each older version on it.
type bench struct {
	s        *Server
	f        *fakePipeline
	sessions map[string]string // by version
}

var ann = &host.Principal{Tenant: "acme", User: "ann", Kind: host.KindOrg, Scopes: host.AllScopes(), CredentialID: "c1"}

func newBench(t testing.TB) *bench {
	t.Helper()
	f := newFake()
	f.remove("wait")
	f.add(abi.Tool{Name: "say", InputSchema: json.RawMessage(`{"type":"object"}`)},
		func(_ context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
			var in struct{ Text string }
			if err := json.Unmarshal(r.Input, &in); err != nil {
				return nil, host.Errorf("fake", abi.CodeInvalidArg, "/text is not a string: %w", err)
			}
			return answer(abi.Text(in.Text), abi.Text(""), abi.Content{Type: abi.ContentImage, Data: []byte(in.Text), MIMEType: "image/png"})
		})
	f.add(abi.Tool{Name: "told"}, func(_ context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
		structured, err := json.MarshalIndent(r.Client, "\r", "\n")
		return &invoke.Answer{Result: &abi.Result{Structured: structured, IsError: len(r.Client.Can) > 1}}, err
	})
	f.add(abi.Tool{Name: "empty"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) { return answer() })
	f.add(abi.Tool{Name: "mirrored", InputSchema: json.RawMessage(
		`{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}`)}, echoTool)
	f.add(abi.Tool{Name: "lookup"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		return nil, &abi.Error{Code: abi.CodeUnknownTool, Message: "the plugin's own"}
	})
	s, err := New(Config{Pipeline: f, Version: "test", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.headStart = time.Minute
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b := &bench{s: s, f: f, sessions: map[string]string{}}
	for _, v := range []string{"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"} {
		b.sessions[v] = b.open(t, v)
	}
	return b
}

func (b *bench) open(t testing.TB, version string) string {
	t.Helper()
	w := b.slow(b.request("", http.Header{}, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"`+version+
		`","capabilities":{"sampling":{}},"clientInfo":{"name":"t","version":"1"}}}`))
	id := w.Header().Get(headerSession)
	if id == "" {
		t.Fatalf("%s: no session: %s", version, w.Body)
	}
	return id
}

// request is a POST of a client of that version; none means no version.
func (b *bench) request(version string, h http.Header, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/mcp", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	switch {
	case version == firstModern:
		r.Header.Set(headerVersion, version)
		mirror(r.Header, []byte(body))
	case version != "":
		r.Header.Set(headerVersion, version)
		r.Header.Set(headerSession, b.sessions[version])
	}
	for k, v := range h {
		r.Header[k] = v
	}
	return r.WithContext(host.WithPrincipal(r.Context(), ann))
}

func (b *bench) slow(r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.s.ServeHTTP(w, r)
	return w
}

// hot asks Hot alone.
func (b *bench) hot(r *http.Request, body string) (*Reply, context.Context) {
	return b.s.Hot(r.Context(), Ask{Head: peek(r.Header), Body: []byte(body)})
}

// unframe is the last message of an answer, whether it comes alone or in a stream.
func unframe(body []byte) []byte {
	const frame = "event: message\n"
	if i := bytes.LastIndex(body, []byte(frame)); i >= 0 {
		_, body, _ = bytes.Cut(body[i:], []byte("data: "))
	}
	return bytes.TrimSpace(body)
}

func same(a, b []byte) bool {
	read := func(data []byte) any {
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var v any
		if err := dec.Decode(&v); err != nil {
			return fmt.Sprintf("%v in %q", err, data)
		}
		return v
	}
	return reflect.DeepEqual(read(a), read(b))
}

// compare asks both ways and tells whether Hot has answered.
func (b *bench) compare(t *testing.T, version string, h http.Header, body string) (answered bool) {
	t.Helper()
	r := b.request(version, h, body)
	reply, ctx := b.hot(r, body)
	want := b.slow(b.request(version, h, body))
	if reply == nil {
		got := b.slow(r.WithContext(ctx))
		if got.Code != want.Code || !same(unframe(got.Body.Bytes()), unframe(want.Body.Bytes())) {
			t.Errorf("after Hot had passed it on the answer was\n%d %s\nwant\n%d %s", got.Code, got.Body, want.Code, want.Body)
		}
		return false
	}
	if want.Code != 200 || !same(unframe(reply.Body), unframe(want.Body.Bytes())) {
		t.Errorf("Hot answered\n%s\nthe SDK\n%d %s", reply.Body, want.Code, want.Body)
	}
	if modern := version == firstModern; reply.ContentType != map[bool]string{true: "application/json", false: "text/event-stream"}[modern] {
		t.Errorf("the answer is of type %s", reply.ContentType)
	}
	if lines := bytes.Count(reply.Body, []byte("\n")); version != firstModern && lines != 3 {
		t.Errorf("an event of %d lines: %q", lines, reply.Body)
	}
	return true
}

const who = `"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}`

// modernCall and olderCall are calls with these parameters, all but _meta.
func modernCall(params string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{` + params + `,"_meta":{` + who + `}}}`
}

func olderCall(params string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{` + params + `}}`
}

// TestHotPathAnswersAsTheSDKDoes sends the same requests both ways.
func TestHotPathAnswersAsTheSDKDoes(t *testing.T) {
	b := newBench(t)
	for _, c := range []struct {
		promise string
		params  string
		hot     bool
	}{
		{"a plain call", `"name":"echo","arguments":{"text":"hi"}`, true},
		{"no arguments", `"name":"echo"`, true},
		{"white space", "\n\t\"name\" : \"echo\" ,\r\n \"arguments\" : { \"text\" : [ 1 , { } , [ ] ] }", true},
		{"numbers of many kinds", `"name":"echo","arguments":{"a":-0,"b":1e99,"c":123456789012345678901234567890,"d":0.1E-7}`, true},
		{"a number beyond a float64", `"name":"echo","arguments":{"a":1e400}`, false},
		{"letters of any kind", `"name":"say","arguments":{"text":"ä€😀\u00e4\ud83d\ude00 <b>&\u2028\"\\\/\b\f\n\r\t\u0000\u001f"}`, true},
		{"half a surrogate", `"name":"say","arguments":{"text":"\ud83d"}`, true},
		{"every kind of content", `"name":"media"`, true},
		{"a structured list", `"name":"list_out"`, true},
		{"a structured result on many lines", `"name":"told"`, true},
		{"no content", `"name":"empty"`, true},
		{"a fault of the tool", `"name":"fail"`, true},
		{"a fault of the arguments", `"name":"say","arguments":{"text":1}`, true},
		{"a fault of the host", `"name":"broken"`, true},
		{"a panic", `"name":"panic"`, true},
		{"progress that nobody asked for", `"name":"count"`, true},
		{"the same key twice in the arguments", `"name":"echo","arguments":{"text":"a","text":"b"}`, true},
		{"a plugin that knows no such tool", `"name":"lookup"`, true},
		{"a tool that asks", `"name":"ask"`, false},
		{"a tool that needs something of the client", `"name":"sample_only"`, false},
		{"a tool with arguments in headers", `"name":"mirrored","arguments":{"region":"eu"}`, false},
		{"no such tool", `"name":"ehco"`, false},
		{"no name", `"arguments":{}`, false},
		{"a name with an escape", `"name":"\u0065cho"`, false},
		{"a name twice", `"name":"say","name":"echo"`, false},
		{"a name in capitals", `"name":"echo","NAME":"say"`, false},
		{"arguments that are no object", `"name":"echo","arguments":[1]`, false},
		{"arguments that are null", `"name":"echo","arguments":null`, false},
		{"arguments that are not UTF-8", "\"name\":\"echo\",\"arguments\":{\"text\":\"\xff\"}", false},
		{"an answer to a question", `"name":"ask","inputResponses":{"name":{"action":"accept","content":{"it":"Ann"}}},"requestState":"first"`, false},
		{"a field that is not known", `"name":"echo","task":{"ttl":1}`, false},
	} {
		t.Run(c.promise+", modern", func(t *testing.T) {
			if got := b.compare(t, firstModern, nil, modernCall(c.params)); got != c.hot {
				t.Errorf("answered by Hot: %v, want %v", got, c.hot)
			}
		})
		for version := range b.sessions {
			t.Run(c.promise+", "+version, func(t *testing.T) {
				if got := b.compare(t, version, nil, olderCall(c.params)); got != c.hot {
					t.Errorf("answered by Hot: %v, want %v", got, c.hot)
				}
			})
		}
	}
}

// TestHotPathKnowsItsLimits are requests about which only the whole message or its header is odd.
func TestHotPathKnowsItsLimits(t *testing.T) {
	b := newBench(t)
	echo := modernCall(`"name":"echo"`)
	with := func(old, new string) string { return strings.Replace(echo, old, new, 1) }
	for _, c := range []struct {
		promise, body string
		header        http.Header
		hot           bool
	}{
		{"an id of letters", with(`"id":7`, `"id":"a-<7>"`), nil, true},
		{"an id of zero", with(`"id":7`, `"id":0`), nil, true},
		{"a negative id", with(`"id":7`, `"id":-12`), nil, true},
		{"another order", `{"params":{"_meta":{` + who + `,"traceparent":"00-1"},"name":"echo"},"method":"tools/call","id":7,"jsonrpc":"2.0"}`, nil, true},
		{"a client that can ask its user", with(`Capabilities":{}`, `Capabilities":{"elicitation":{},"roots":{"listChanged":true}}`), nil, true},
		{"no name of the client", with(`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},`, ``), nil, true},
		{"more in Accept", echo, http.Header{"Accept": {"application/json;q=1, text/event-stream, */*"}}, true},
		{"an id with an escape", with(`"id":7`, `"id":"\u0061"`), nil, false},
		{"an id with a fraction", with(`"id":7`, `"id":7.5`), nil, false},
		{"an id that is too large", with(`"id":7`, `"id":9007199254740993`), nil, false},
		{"an id that is null", with(`"id":7`, `"id":null`), nil, false},
		{"no id", with(`"id":7,`, ``), nil, false},
		{"two ids", with(`"id":7`, `"id":7,"id":8`), nil, false},
		{"a batch", `[` + echo + `]`, nil, false},
		{"something after the message", echo + `{}`, nil, false},
		{"another method", with(`tools/call`, `tools/list`), nil, false},
		{"another JSON-RPC", with(`"2.0"`, `"1.0"`), nil, false},
		{"a result beside the method", with(`"id":7`, `"id":7,"result":{}`), nil, false},
		{"a token for progress", with(`"_meta":{`, `"_meta":{"progressToken":1,`), nil, false},
		{"a level of the log", with(`"_meta":{`, `"_meta":{"io.modelcontextprotocol/logLevel":"debug",`), nil, false},
		{"another version in the message", with(`2026-07-28`, `2026-07-29`), nil, false},
		{"no abilities of the client", with(`,"io.modelcontextprotocol/clientCapabilities":{}`, ``), nil, false},
		{"abilities that are none", with(`Capabilities":{}`, `Capabilities":{"roots":7}`), nil, false},
		{"a client that is none", with(`{"name":"t","version":"1"}`, `7`), nil, false},
		{"a client that is null", with(`{"name":"t","version":"1"}`, `null`), nil, false},
		{"another method in the header", echo, http.Header{"Mcp-Method": {"tools/list"}}, false},
		{"another name in the header", echo, http.Header{"Mcp-Name": {"say"}}, false},
		{"no name in the header", echo, http.Header{"Mcp-Name": nil}, false},
		{"another version in the header", echo, http.Header{headerVersion: {"2026-07-29"}}, false},
		{"an older version in the header", echo, http.Header{headerVersion: {"2025-06-18"}}, false},
		{"a page of the machine itself", echo, http.Header{"Origin": {"http://localhost:3000"}}, false},
		{"a page of elsewhere", echo, http.Header{"Origin": {"https://evil.example"}}, false},
		{"a type that is not JSON", echo, http.Header{"Content-Type": {"text/plain"}}, false},
		{"a client that takes no events", echo, http.Header{"Accept": {"application/json"}}, false},
		{"a client that comes back", echo, http.Header{"Last-Event-Id": {"x_0"}}, false},
		{"arguments too deep", modernCall(`"name":"echo","arguments":{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`), nil, false},
		{"a body that is too long", modernCall(`"name":"echo","arguments":{"a":"` + strings.Repeat("x", defaultMaxBodyBytes) + `"}`), nil, false},
	} {
		t.Run(c.promise, func(t *testing.T) {
			if got := b.compare(t, firstModern, c.header, c.body); got != c.hot {
				t.Errorf("answered by Hot: %v, want %v", got, c.hot)
			}
		})
	}
	t.Run("another's session is no session", func(t *testing.T) {
		body := olderCall(`"name":"echo"`)
		r := b.request("2025-06-18", nil, body)
		eve := *ann
		eve.Tenant = "umbrella"
		if reply, _ := b.hot(r.WithContext(host.WithPrincipal(t.Context(), &eve)), body); reply != nil {
			t.Errorf("a stranger was answered %s", reply.Body)
		}
	})
	t.Run("a session without a version in the header", func(t *testing.T) {
		h := http.Header{headerVersion: nil}
		if !b.compare(t, "2025-06-18", h, olderCall(`"name":"echo"`)) {
			t.Error("Hot did not answer")
		}
	})
	t.Run("who may only read calls nothing else", func(t *testing.T) {
		body := modernCall(`"name":"say"`)
		reader := &host.Principal{Tenant: "acme", User: "r", Kind: host.KindOrg, Scopes: []host.Scope{host.ScopeReadTools}}
		r := b.request(firstModern, nil, body)
		if reply, _ := b.hot(r.WithContext(host.WithPrincipal(t.Context(), reader)), body); reply != nil {
			t.Errorf("a reader was answered %s", reply.Body)
		}
	})
	t.Run("no principal", func(t *testing.T) {
		r := b.request(firstModern, nil, echo)
		if reply, _ := b.hot(r.WithContext(t.Context()), echo); reply != nil {
			t.Errorf("nobody was answered %s", reply.Body)
		}
	})
	t.Run("a switch", func(t *testing.T) {
		b.s.cfg.NoHotPath = true
		defer func() { b.s.cfg.NoHotPath = false }()
		if b.compare(t, firstModern, nil, echo) {
			t.Error("Hot answered")
		}
	})
	t.Run("a session whose client wants log lines", func(t *testing.T) {
		const v = "2025-06-18"
		b.slow(b.request(v, nil, `{"jsonrpc":"2.0","id":8,"method":"logging/setLevel","params":{"level":"info"}}`))
		if b.compare(t, v, nil, olderCall(`"name":"count"`)) {
			t.Error("Hot answered")
		}
	})
}

// TestHandedOverCallIsMadeOnce: a call that takes long goes on to the SDK while it runs, and one that
// asks something goes there with its question.
func TestHandedOverCallIsMadeOnce(t *testing.T) {
	for _, version := range []string{firstModern, "2025-11-25", "2025-03-26"} {
		for _, name := range []string{"long", "unknown"} {
			t.Run(name+", "+version, func(t *testing.T) {
				b := newBench(t)
				b.s.headStart = 0
				var calls atomic.Int32
				begun, release := make(chan struct{}), make(chan struct{})
				b.f.add(abi.Tool{Name: "long"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
					calls.Add(1)
					close(begun)
					<-release
					return answer(abi.Text("done"))
				})
				b.f.add(abi.Tool{Name: "unknown"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
					calls.Add(1)
					close(begun)
					<-release
					return nil, host.Errorf("fake", abi.CodeUnknownTool, "it went just now")
				})
				b.s.Refresh()
				body := olderCall(`"name":"` + name + `"`)
				if version == firstModern {
					body = modernCall(`"name":"` + name + `"`)
				}
				r := b.request(version, nil, body)
				reply, ctx := b.hot(r, body)
				if reply != nil {
					t.Fatalf("it was answered %s", reply.Body)
				}
				done := make(chan *httptest.ResponseRecorder, 1)
				go func() { done <- b.slow(r.WithContext(ctx)) }()
				<-begun
				close(release)
				got := (<-done).Body.String()
				if want := map[string]string{"long": `"text":"done"`, "unknown": "-32602"}[name]; !strings.Contains(got, want) || calls.Load() != 1 {
					t.Errorf("%d calls, answered %s", calls.Load(), got)
				}
			})
		}
	}
}

// TestClientThatLeavesAHotCall: in the modern era that is how a call is cancelled.
func TestClientThatLeavesAHotCall(t *testing.T) {
	b := newBench(t)
	begun, ended := make(chan struct{}), make(chan error, 1)
	b.f.add(abi.Tool{Name: "wait"}, func(ctx context.Context, _ invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, host.E("fake", abi.CodeCancelled, ctx.Err())
	})
	b.s.Refresh()
	b.s.headStart = 0
	body := modernCall(`"name":"wait"`)
	ctx, leave := context.WithCancel(host.WithPrincipal(t.Context(), ann))
	r := b.request(firstModern, nil, body).WithContext(ctx)
	_, next := b.hot(r, body)
	<-begun
	leave()
	b.slow(r.WithContext(next))
	<-ended
}

// TestHotSession: what a session does to the calls that Hot makes for it, and they to it.
func TestHotSession(t *testing.T) {
	const v = "2025-11-25"
	// begin starts a call that waits for its end, and tells how it ended.
	begin := func(t *testing.T, b *bench) (ended chan string) {
		begun := make(chan struct{})
		b.f.add(abi.Tool{Name: "wait"}, func(ctx context.Context, _ invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
			close(begun)
			<-ctx.Done()
			return nil, host.E("fake", abi.CodeCancelled, ctx.Err())
		})
		b.s.Refresh()
		body := olderCall(`"name":"wait"`)
		ended = make(chan string, 1)
		go func() {
			reply, _ := b.hot(b.request(v, nil, body), body)
			if reply == nil {
				ended <- "it was not answered"
				return
			}
			ended <- string(reply.Body)
		}()
		<-begun
		return ended
	}
	cancelled := func(t *testing.T, ended chan string) {
		t.Helper()
		if got := <-ended; !strings.Contains(got, `"isError":true`) || !strings.Contains(got, string(abi.CodeCancelled)) {
			t.Errorf("it ended with %s", got)
		}
	}
	t.Run("a client may take its call back", func(t *testing.T) {
		b := newBench(t)
		ended := begin(t, b)
		b.slow(b.request(v, nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":8}}`))
		b.slow(b.request(v, nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`))
		cancelled(t, ended)
	})
	t.Run("the end of the session ends it", func(t *testing.T) {
		b := newBench(t)
		ended := begin(t, b)
		r := b.request(v, nil, "")
		r.Method = http.MethodDelete
		b.slow(r)
		cancelled(t, ended)
		body := olderCall(`"name":"echo"`)
		if reply, _ := b.hot(b.request(v, nil, body), body); reply != nil {
			t.Errorf("a session that is over answered %s", reply.Body)
		}
	})
	t.Run("the end of the server ends it", func(t *testing.T) {
		b := newBench(t)
		ended := begin(t, b)
		if err := b.s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		cancelled(t, ended)
		if b.compare(t, firstModern, nil, modernCall(`"name":"echo"`)) {
			t.Error("a closed server answered")
		}
	})
	t.Run("an id is taken once at a time", func(t *testing.T) {
		b := newBench(t)
		ended := begin(t, b)
		body := olderCall(`"name":"echo"`)
		if reply, _ := b.hot(b.request(v, nil, body), body); reply != nil {
			t.Errorf("a second call of the id was answered %s", reply.Body)
		}
		b.slow(b.request(v, nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`))
		cancelled(t, ended)
	})
	t.Run("a call keeps it alive", func(t *testing.T) {
		b := newBench(t)
		n := b.s.sessions.byID[b.sessions[v]]
		longAgo := func() {
			b.s.sessions.mu.Lock()
			defer b.s.sessions.mu.Unlock()
			n.last = n.last.Add(-2 * defaultSessionTimeout)
		}
		alive := func() bool {
			b.s.sessions.expire(n)
			b.s.sessions.wait()
			b.s.sessions.mu.Lock()
			defer b.s.sessions.mu.Unlock()
			return b.s.sessions.byID[n.id] == n
		}
		ended := begin(t, b)
		if longAgo(); !alive() {
			t.Error("it ended while it had a call under way")
		}
		b.slow(b.request(v, nil, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`))
		<-ended
		body := olderCall(`"name":"echo"`)
		longAgo()
		if b.hot(b.request(v, nil, body), body); !alive() {
			t.Error("it ended after a call")
		}
		if longAgo(); alive() {
			t.Error("it goes on without a call")
		}
	})
}

// FuzzHotPath: whatever comes, Hot answers as the SDK does, or leaves it to the SDK.
func FuzzHotPath(f *testing.F) {
	versions := []string{firstModern, "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}
	for i := range versions {
		for _, params := range []string{
			`"name":"echo","arguments":{"text":"hi"}`, `"name":"say","arguments":{"text":"\ud83d\ude00 <\u0000"}`, `"name":"media"`,
			`"name":"told"`, `"name":"fail"`, `"name":"list_out"`, `"name":"ask"`, `"name":"ehco"`, `"name":"empty","_meta":{"a":1}`,
		} {
			body := olderCall(params)
			if i == 0 {
				body = modernCall(params)
			}
			f.Add([]byte(body), uint8(i))
		}
	}
	b := newBench(f)
	f.Fuzz(func(t *testing.T, body []byte, era uint8) {
		if bytes.Contains(body, []byte("subscriptions")) && bytes.Contains(body, []byte("listen")) {
			t.Skip("its answer stays open")
		}
		if call, ok := scanCall(body); ok {
			if !json.Valid(body) || tooDeep(body) {
				t.Fatalf("%q was taken", body)
			}
			var want struct {
				ID     json.RawMessage
				Params struct {
					Name      string
					Arguments json.RawMessage
				}
			}
			if err := json.Unmarshal(body, &want); err != nil || want.Params.Name != string(call.name) ||
				string(want.Params.Arguments) != string(call.arguments) || string(want.ID) != string(call.id) {
				t.Fatalf("%q was read as %q %q %q: %v", body, call.id, call.name, call.arguments, err)
			}
		}
		b.compare(t, versions[int(era)%len(versions)], nil, string(body))
	})
}

func TestViewsCallPlainly(t *testing.T) {
	v := &view{s: &Server{}}
	if v.callsPlainly([]byte("echo"), &hotCall{}) {
		t.Error("a view that was never filled has tools")
	}
	v.tools = offers{"a": {plain: true}, "b": {}}
	v.notePlain()
	for name, want := range map[string]bool{"a": true, "b": false, "c": false} {
		if got := v.callsPlainly([]byte(name), &hotCall{}); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
