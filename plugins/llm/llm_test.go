// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

// api is a model's server that sends body in pieces of size bytes; it keeps the requests it got.
type api struct {
	t      *testing.T
	status int
	kind   string
	body   string
	size   int
	header map[string]string
	got    []map[string]any
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var req map[string]any
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		a.t.Errorf("the request is not JSON: %v", err)
	}
	req["path"], req["type"], req["method"], req["auth"] = r.URL.String(), r.Header.Get("Content-Type"), r.Method, r.Header.Get("Authorization")
	a.got = append(a.got, req)
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", a.kind)
	w.WriteHeader(a.status)
	for rest := []byte(a.body); len(rest) > 0; {
		n := min(max(a.size, 1), len(rest))
		if _, err := w.Write(rest[:n]); err != nil {
			return
		}
		rest = rest[n:]
	}
}

func token(text string) string {
	q, _ := json.Marshal(text)
	return fmt.Sprintf(`data: {"id":"c1","object":"chat.completion.chunk","model":"gpt-4o-mini-2024","choices":[{"index":0,"delta":{"content":%s},"finish_reason":null}]}`, q) + "\n\n"
}

const (
	opening = `data: {"id":"c1","model":"gpt-4o-mini-2024","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"finish_reason":null}],"usage":null}` + "\n\n"
	closing = `data: {"model":"gpt-4o-mini-2024","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}` + "\n\n"
	costs   = `data: {"model":"gpt-4o-mini-2024","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":0}}}` + "\n\n"
	done    = "data: [DONE]\n\n"
)

func sse(t *testing.T, body string) *api {
	return &api{t: t, status: 200, kind: "text/event-stream; charset=utf-8", body: body, size: 1 << 20}
}

func ask(t *testing.T, a *api, more ...func(in map[string]any)) *pdktest.Result {
	t.Helper()
	h := pdktest.New(t)
	h.Web = a
	h.Config = map[string]any{"base_url": "https://model.test/v1/"}
	h.Grants = &pdk.Rights{Hosts: []string{"https://model.test/v1"}}
	in := map[string]any{"messages": []map[string]string{{"role": "user", "content": "Hello"}}}
	for _, f := range more {
		f(in)
	}
	return h.Call("openai_chat", in)
}

func TestTheAnswerStreamsAndEndsWhole(t *testing.T) {
	body := opening + token("Grüß ") + ": keep-alive\n\n" + token("dich") + token(" 👋\n") + closing + costs + done
	for _, size := range []int{1, 2, 7, 100, 1 << 20} {
		for name, form := range map[string]string{"lf": body, "crlf": strings.ReplaceAll(body, "\n", "\r\n"), "no space": strings.ReplaceAll(body, "data: ", "data:"),
			"ids and events": strings.ReplaceAll(body, "data: ", "event: message\nid: 7\nretry: 10\ndata: ")} {
			t.Run(fmt.Sprint(name, " in pieces of ", size), func(t *testing.T) {
				a := sse(t, form)
				a.size = size
				res := ask(t, a).OK()
				if want := []string{"Grüß ", "dich", " 👋\n"}; !slices.Equal(res.Partials, want) {
					t.Errorf("partials: got %q, want %q", res.Partials, want)
				}
				var out chatOut
				res.Decode(&out)
				if res.Text != "Grüß dich 👋\n" || out.Text != res.Text || out.Model != "gpt-4o-mini-2024" || out.FinishReason != "stop" ||
					out.Usage == nil || *out.Usage != (usage{9, 3, 12}) {
					t.Errorf("got %q, %s", res.Text, res.Structured)
				}
			})
		}
	}
}

func TestTheRequestIsTheAPIs(t *testing.T) {
	a := sse(t, token("x")+closing+done)
	ask(t, a, func(in map[string]any) {
		in["model"], in["max_tokens"], in["temperature"], in["stop"], in["response_format"] = "m", 512, 0, []string{"END"}, "json_object"
		in["messages"] = []map[string]string{{"role": "system", "content": "You are brief."}, {"role": "user", "content": "<b>&"}}
	}).OK()
	got, err := json.Marshal(a.got[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `{"auth":"","max_tokens":512,"messages":[{"content":"You are brief.","role":"system"},{"content":"\u003cb\u003e\u0026","role":"user"}],` +
		`"method":"POST","model":"m","path":"https://model.test/v1/chat/completions","response_format":{"type":"json_object"},"stop":["END"],` +
		`"stream":true,"stream_options":{"include_usage":true},"temperature":0,"type":"application/json"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheOperatorsModelIsTheDefault(t *testing.T) {
	a := sse(t, token("x")+closing+done)
	ask(t, a).OK()
	if a.got[0]["model"] != "gpt-4o-mini" {
		t.Errorf("got %v", a.got[0])
	}
}

func TestServersThatDoNotStreamAreUnderstood(t *testing.T) {
	for _, kind := range []string{"application/json", "text/plain"} {
		a := sse(t, `{"model":"local","choices":[{"message":{"role":"assistant","content":"Hi"},"finish_reason":"length"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`)
		a.kind, a.size = kind, 3
		res := ask(t, a).OK()
		var out chatOut
		res.Decode(&out)
		if res.Streamed() != "Hi" || res.Text != "Hi" || out.FinishReason != "length" || out.Model != "local" {
			t.Errorf("got %s", res.Structured)
		}
	}
}

func TestARefusalIsTheAnswer(t *testing.T) {
	res := ask(t, sse(t, `data: {"choices":[{"delta":{"refusal":"I cannot."}}]}`+"\n\n"+closing+done)).OK()
	if res.Text != "I cannot." {
		t.Errorf("got %q", res.Text)
	}
}

func TestFailuresSayWhatTheServerSaid(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		kind   string
		body   string
		retry  bool
		words  []string
	}{
		{"wrong key", 401, "application/json", `{"error":{"message":"Incorrect API key provided.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
			false, []string{"401", "Incorrect API key provided.", "OPENAI_API_KEY", `"status":401`, `"code":"invalid_api_key"`}},
		{"too fast", 429, "application/json", `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`,
			true, []string{"429", "Rate limit reached", `"retry_after":"20"`}},
		{"no credit", 429, "application/json", `{"error":{"message":"You exceeded your quota","type":"insufficient_quota","code":"insufficient_quota"}}`,
			false, []string{"no credit left"}},
		{"server error", 500, "application/json", `{"error":{"message":"The server had an error"}}`, true, []string{"500", "The server had an error"}},
		{"bad gateway in html", 502, "text/html", "<html>bad gateway</html>", true, []string{"502", "bad gateway"}},
		{"error as text", 400, "application/json", `{"error":"model is required"}`, false, []string{"model is required"}},
		{"no reason", 503, "text/plain", "", true, []string{"503", "no reason"}},
		{"number as code", 404, "application/json", `{"error":{"message":"no such model","code":404}}`, false, []string{"no such model", `"code":404`, "base_url"}},
		{"in mid-stream", 200, "text/event-stream", token("Hel") + `data: {"error":{"message":"overloaded","type":"server_error"}}` + "\n\n", true, []string{"broke the answer off", "overloaded"}},
		{"broken off", 200, "text/event-stream", token("Hel"), true, []string{"broke off"}},
		{"empty", 200, "text/event-stream", "", true, []string{"broke off"}},
		{"not JSON", 200, "text/event-stream", "data: {oops\n\n", true, []string{"{oops"}},
		{"no choices", 200, "application/json", "{}", true, []string{"no choices"}},
		{"a web page", 200, "text/html", "<html>", false, []string{"base_url"}},
		{"a huge event", 200, "text/event-stream", "data: " + strings.Repeat("x", maxEvent), false, []string{"1 MiB"}},
		{"a huge reason", 400, "text/plain", strings.Repeat("é", 5000), false, []string{"éé…"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := &api{t: t, status: c.status, kind: c.kind, body: c.body, size: 1 << 20, header: map[string]string{"Retry-After": "20"}}
			res := ask(t, a)
			if res.Err == nil || res.Err.Code != abi.CodeUpstream || res.Err.Retryable != c.retry {
				t.Fatalf("got %+v", res.Err)
			}
			story := res.Err.Message + " " + res.Err.Hint + " " + string(res.Err.Details)
			for _, w := range c.words {
				if !strings.Contains(story, w) {
					t.Errorf("lacks %q: %s", w, story)
				}
			}
			if len(res.Err.Message) > 700 {
				t.Errorf("the message has %d bytes", len(res.Err.Message))
			}
		})
	}
}

func TestParametersAreSaidInTheModelsWay(t *testing.T) {
	var got []map[string]any
	h := pdktest.New(t)
	h.Config = map[string]any{"base_url": "http://model.test"}
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var req map[string]any
		if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
			t.Error(err)
		}
		got = append(got, req)
		switch {
		case req["max_tokens"] != nil:
			w.WriteHeader(400)
			io.WriteString(w, `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","param":"max_tokens","code":"unsupported_parameter"}}`)
		case req["stream_options"] != nil:
			w.WriteHeader(422)
			io.WriteString(w, `{"error":"unknown field \"stream_options\""}`)
		default:
			io.WriteString(w, token("ok")+done)
		}
	})
	res := h.Call("openai_chat", map[string]any{"messages": []any{map[string]any{"role": "user", "content": "x"}}, "max_tokens": 5}).OK()
	if last := got[len(got)-1]; res.Text != "ok" || len(got) != 3 || last["max_completion_tokens"] != 5.0 || last["max_tokens"] != nil {
		t.Errorf("got %q after %v", res.Text, got)
	}
}

func TestInputAndSettingsAreChecked(t *testing.T) {
	for _, in := range []string{`{}`, `{"messages":[]}`, `{"messages":[{"role":"robot","content":"x"}]}`, `{"messages":[{"role":"user"}]}`,
		`{"messages":[{"role":"user","content":"x"}],"temperature":3}`, `{"messages":[{"role":"user","content":"x"}],"max_token":3}`} {
		if res := pdktest.New(t).Call("openai_chat", json.RawMessage(in)); res.Err == nil || res.Err.Code != abi.CodeInvalidArg {
			t.Errorf("%s: got %+v", in, res.Err)
		}
	}
	h := pdktest.New(t)
	h.Config = map[string]any{"base_url": "model.test"}
	res := h.Call("openai_chat", json.RawMessage(`{"messages":[{"role":"user","content":"x"}]}`))
	if res.Err == nil || !strings.Contains(res.Err.Message+res.Err.Hint, "base_url") || !strings.Contains(res.Err.Hint, "OPENAI_BASE_URL") {
		t.Errorf("got %+v", res.Err)
	}
}

func TestReadErrorsReachTheCaller(t *testing.T) {
	err := eachEvent(io.MultiReader(strings.NewReader("data: 1\n\n"), iotest.ErrReader(io.ErrClosedPipe)), func([]byte) error { return nil })
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// FuzzEvents holds that the cut of the bytes never changes the events.
func FuzzEvents(f *testing.F) {
	f.Add([]byte(opening + ": c\n\n" + closing + done))
	f.Add([]byte("data: a\ndata:b\r\n\r\nevent: x\n\ndata"))
	f.Fuzz(func(t *testing.T, body []byte) {
		collect := func(r io.Reader) (out []string, err error) {
			err = eachEvent(r, func(d []byte) error { out = append(out, string(d)); return nil })
			return out, err
		}
		whole, err1 := collect(bytes.NewReader(body))
		pieces, err2 := collect(iotest.OneByteReader(bytes.NewReader(body)))
		if !slices.Equal(whole, pieces) || (err1 == nil) != (err2 == nil) {
			t.Fatalf("got %q (%v) whole and %q (%v) byte by byte", whole, err1, pieces, err2)
		}
	})
}
