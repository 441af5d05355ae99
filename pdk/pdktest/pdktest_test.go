// Copyright 2026 The Gantry Authors.

package pdktest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type settings struct {
	URL   string `json:"url" doc:"Where to ask"`
	Tries int    `json:"tries,omitempty" default:"3" minimum:"1"`
}

type none struct{}

// The plugin of these tests offers one thing of each kind, as the MCP conformance suite needs them.
var _ = pdk.Serve(pdk.Plugin{Name: "sample", Config: settings{}, Wants: pdk.Rights{Hosts: []string{"example.com"}, KV: true}},
	pdk.Tool("content", "Every kind of content.", func(*pdk.Context, none) (pdk.Result, error) {
		r := pdk.Contents(pdk.Text("a"), pdk.Image("image/png", []byte{1}), pdk.Audio("audio/wav", []byte{2}),
			pdk.Link("note://1", "one"), pdk.Embed("note://1", "text/plain", "body"), pdk.EmbedBytes("note://2", "x/y", []byte{3}))
		return r, nil
	}),
	pdk.Tool("pointer", "A pointer to a result.", func(*pdk.Context, none) (*pdk.Result, error) {
		return &pdk.Result{IsError: true, Content: []pdk.Content{pdk.Text("no")}}, nil
	}),
	pdk.Tool("say", "Talk while it runs.", func(ctx *pdk.Context, in struct {
		Parts [][]byte `json:"parts"`
	}) (string, error) {
		for i, p := range in.Parts {
			fmt.Fprintf(ctx, "%s", p)
			ctx.Progress(float64(i+1), float64(len(in.Parts)), "going")
		}
		ctx.Warnf("said %d parts", len(in.Parts))
		return string(slices.Concat(in.Parts...)), nil
	}),
	pdk.Tool("who", "For whom it runs.", func(ctx *pdk.Context, _ none) (map[string]string, error) {
		var meta struct{ Trace string }
		err := ctx.Metadata(&meta)
		_, hasDeadline := ctx.Deadline()
		return map[string]string{"tenant": ctx.Tenant(), "user": ctx.User(), "call": ctx.CallID(), "tool": ctx.Info().Tool,
			"trace": meta.Trace, "client": ctx.Client().Name, "can": fmt.Sprint(ctx.Can(abi.ClientSampling)), "deadline": fmt.Sprint(hasDeadline)}, err
	}),
	pdk.Tool("config", "The settings.", func(ctx *pdk.Context, _ none) (settings, error) {
		var s settings
		return s, ctx.Config(&s)
	}),
	pdk.Tool("fail", "Fail in some way.", func(_ *pdk.Context, in struct {
		How string `json:"how" enum:"plain,coded,wrapped,invalid,panic,badcode"`
	}) (string, error) {
		switch in.How {
		case "plain":
			return "", errors.New("it broke")
		case "coded":
			return "", pdk.With(pdk.Errorf(abi.CodeNotFound, "no %s", "thing"), pdk.More{Hint: "look", Retry: true, Details: []int{1}})
		case "wrapped":
			return "", fmt.Errorf("asking: %w", pdk.Errorf(abi.CodeUpstream, "gone"))
		case "invalid":
			return "", pdk.Invalid("a.b", "it is odd")
		case "badcode":
			return "", pdk.Errorf("not a code", "odd")
		}
		return strings.Split(in.How, ",")[1], nil
	}, pdk.ErrorCode("SAMPLE_ERROR")),
	pdk.Tool("get", "Fetch a URL.", get, pdk.OpenWorld),
	pdk.Tool("files", "Write, read, list, delete.", files, pdk.Destructive),
	pdk.Tool("kv", "Count.", count, pdk.Idempotent),
	pdk.Tool("memory", "Remember and forget.", remember, pdk.Destructive),
	pdk.Tool("drive", "Look things up.", lookUp, pdk.ReadOnly),
	pdk.Tool("relay", "Call another tool.", func(ctx *pdk.Context, _ none) (out struct {
		Sum int `json:"sum"`
	}, err error) {
		if err := ctx.Changed("tools", "note://1"); err != nil {
			return out, err
		}
		return out, ctx.Call("add", map[string]int{"a": 1}, &out)
	}),
	pdk.Tool("greet", "Ask who is there.", greet, pdk.Needs(abi.ClientElicitation), pdk.Title("Greet")),
	pdk.Tool("rounds", "Ask twice, with a state.", rounds),
	pdk.Tool("verbatim", "A schema of its own.", func(_ *pdk.Context, in struct {
		A string `json:"a"`
	}) (string, error) {
		return in.A, nil
	}, pdk.InputSchema(`{"type":"object","$defs":{"x":{"$anchor":"y"}},"properties":{"a":{"type":"string","x-mcp-header":"A"}}}`)),
	pdk.Prompt("review", "Review a text.", func(ctx *pdk.Context, in struct {
		Text string `json:"text" doc:"The text" title:"Text"`
		Tone string `json:"tone,omitempty" default:"kind"`
	}) (pdk.PromptResult, error) {
		return pdk.Messages(pdk.User(pdk.Text(in.Tone+": "+in.Text)), pdk.Assistant(pdk.Text("ok"))), nil
	}, pdk.Title("Review")),
	pdk.Resource("note://static", "static", func(*pdk.Context) (string, error) { return "text", nil }, pdk.Description("A note")),
	pdk.Resource("note://bytes", "bytes", func(*pdk.Context) ([]byte, error) { return []byte{0, 1}, nil }, pdk.MIME("image/png")),
	pdk.Template("note://{id}/data", "note", func(_ *pdk.Context, req pdk.ReadRequest) ([]pdk.Content, error) {
		if req.Variables["id"] == "0" {
			return nil, pdk.Errorf(abi.CodeNotFound, "no note 0")
		}
		return []pdk.Content{pdk.Embed(req.URI, "text/plain", "note "+req.Variables["id"])}, nil
	}),
	pdk.Complete(func(_ *pdk.Context, req pdk.CompleteRequest) ([]string, error) {
		return slices.Repeat([]string{req.Value + "!"}, 150), nil
	}),
)

func get(ctx *pdk.Context, in struct {
	URL    string `json:"url"`
	Stream bool   `json:"stream,omitempty"`
	Check  bool   `json:"check,omitempty"`
	Post   any    `json:"post,omitempty"`
}) (string, error) {
	resp, err := ctx.Fetch(pdk.Request{URL: in.URL, Stream: in.Stream, JSON: in.Post, MaxBytes: 1000, Header: map[string]string{"X-B": "2", "X-A": "1"}})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if in.Check {
		if err := resp.Check(); err != nil {
			return "", err
		}
	}
	if in.Stream {
		_, err := io.CopyBuffer(ctx, struct{ io.Reader }{resp.Body}, make([]byte, 3))
		return "", err
	}
	text, err := resp.Text()
	return fmt.Sprintf("%d %s %s", resp.Status, resp.Header.Get("x-reply"), text), err
}

func files(ctx *pdk.Context, in struct {
	Path string `json:"path"`
}) (out struct {
	Names []string `json:"names"`
	Size  int64    `json:"size"`
}, err error) {
	f := ctx.Files()
	if err := f.Write(in.Path, []byte("hello")); err != nil {
		return out, err
	}
	data, err := f.Read(in.Path)
	if err != nil {
		return out, err
	}
	info, err := f.Stat(in.Path)
	if err != nil {
		return out, err
	}
	list, err := f.List("")
	for _, e := range list {
		out.Names = append(out.Names, e.Name)
	}
	out.Size = info.Size + int64(len(data))
	return out, cmp.Or(err, f.Delete(in.Path))
}

func count(ctx *pdk.Context, _ none) (out struct {
	Before int      `json:"before"`
	Keys   []string `json:"keys"`
}, err error) {
	kv := ctx.KV()
	if _, err := kv.GetJSON("count", &out.Before); err != nil {
		return out, err
	}
	if err := kv.PutJSON("count", out.Before+1); err != nil {
		return out, err
	}
	for i := range 120 {
		if err := kv.Put(fmt.Sprintf("k%03d", i), nil); err != nil {
			return out, err
		}
	}
	zero := uint64(0)
	if _, err := kv.PutWith(abi.KVPut{Key: "count", IfRevision: &zero}); pdk.CodeOf(err) != abi.CodeConflict {
		return out, fmt.Errorf("a stale write gave %v", err)
	}
	if err := kv.Delete("k000"); err != nil {
		return out, err
	}
	for key, err := range kv.Keys("k") {
		if err != nil {
			return out, err
		}
		out.Keys = append(out.Keys, key)
	}
	return out, nil
}

type form struct {
	Name string `json:"name" doc:"Your name"`
	Age  int    `json:"age,omitempty" default:"30"`
}

func greet(ctx *pdk.Context, _ none) (string, error) {
	var answer pdk.Elicited
	if ok, err := ctx.Answer("who", &answer); err != nil || !ok {
		return "", cmp.Or(err, pdk.Ask("", pdk.Elicit("who", "Who are you?", form{})))
	}
	var f form
	if ok, err := answer.Accepted(&f); err != nil || !ok {
		return "nobody", err
	}
	return fmt.Sprintf("%s, %d", f.Name, f.Age), nil
}

func rounds(ctx *pdk.Context, _ none) (string, error) {
	switch ctx.State() {
	case "":
		return "", pdk.Ask("one", pdk.Sample("capital", "Capital of France?", 10), pdk.Roots("roots"))
	case "one":
		var s pdk.Sampled
		var r pdk.RootList
		_, err1 := ctx.Answer("capital", &s)
		_, err2 := ctx.Answer("roots", &r)
		return "", cmp.Or(err1, err2, pdk.Ask("two "+s.Text()+" "+r.Roots[0].URI))
	}
	return ctx.State(), nil
}

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

func TestContentCrossesTheBorder(t *testing.T) {
	h := pdktest.New(t)
	res := h.Call("content", nil).OK()
	var kinds []string
	for _, c := range res.Content {
		kinds = append(kinds, string(c.Type))
	}
	if got, want := strings.Join(kinds, " "), "text image audio resource_link resource resource"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if res := h.Call("pointer", nil); !res.IsError || res.Text != "no" {
		t.Errorf("got %+v", res)
	}
}

func TestPartialsAreWholeCharacters(t *testing.T) {
	euro := []byte("€")
	in := map[string]any{"parts": [][]byte{[]byte("a"), euro[:1], euro[1:2], euro[2:], []byte("b\xe2")}}
	res := pdktest.New(t).Call("say", in).OK()
	if got, want := strings.Join(res.Partials, "|"), "a|€|b|\ufffd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(res.Progress) != 5 || res.Progress[4].Done != 5 || res.Progress[4].Total != 5 {
		t.Errorf("got %v", res.Progress)
	}
	if want := []pdktest.Line{{Level: abi.LogWarn, Text: "said 5 parts"}}; !reflect.DeepEqual(res.Logs, want) {
		t.Errorf("got %v, want %v", res.Logs, want)
	}
}

func TestContextIsToldOnce(t *testing.T) {
	h := pdktest.New(t)
	h.Context = abi.Context{Tenant: "acme", User: "ada", CallID: "c1", Metadata: json.RawMessage(`{"trace":"t1"}`),
		Client: abi.Client{Name: "cli", Can: []string{abi.ClientSampling}}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var got map[string]string
	h.CallContext(ctx, "who", nil).Decode(&got)
	want := map[string]string{"tenant": "acme", "user": "ada", "call": "c1", "tool": "who", "trace": "t1", "client": "cli", "can": "true", "deadline": "true"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestConfigIsCheckedAndFilled(t *testing.T) {
	h := pdktest.New(t)
	h.Config = map[string]any{"url": "x"}
	var got settings
	h.Call("config", nil).Decode(&got)
	if got != (settings{"x", 3}) {
		t.Errorf("got %+v", got)
	}
	h.Config = map[string]any{"url": "x", "tries": 0}
	e := h.Call("config", nil).Fails(abi.CodeInvalidArg)
	if want := "the settings of plugin sample: tries: 0 is too small; give 1 or more"; e.Message != want || !strings.Contains(e.Hint, "sample.yaml") {
		t.Errorf("got %q (%s), want %q", e.Message, e.Hint, want)
	}
}

func TestErrorsKeepTheirCode(t *testing.T) {
	h := pdktest.New(t)
	fail := func(how string, code abi.Code) *pdk.Error {
		t.Helper()
		return h.Call("fail", map[string]string{"how": how}).Fails(code)
	}
	if e := fail("plain", pdk.CodeTool); e.Message != "it broke" || e.Retryable {
		t.Errorf("plain: got %+v", e)
	}
	if e := fail("coded", abi.CodeNotFound); e.Message != "no thing" || e.Hint != "look" || !e.Retryable || string(e.Details) != "[1]" {
		t.Errorf("coded: got %+v", e)
	}
	if e := fail("wrapped", abi.CodeUpstream); e.Message != "asking: gone" || !e.Retryable {
		t.Errorf("wrapped: got %+v", e)
	}
	if e := fail("invalid", abi.CodeInvalidArg); e.Message != "a.b: it is odd" || string(e.Details) != `{"field":"a.b"}` {
		t.Errorf("invalid: got %+v", e)
	}
	fail("badcode", pdk.CodeTool)
}

func TestAPanicIsACrashWithItsStackInTheLog(t *testing.T) {
	res := pdktest.New(t).Call("fail", map[string]string{"how": "panic"})
	if e := res.Fails(abi.CodeTrap); !strings.Contains(e.Message, "index out of range") {
		t.Errorf("got %q", e.Message)
	}
	if len(res.Logs) != 1 || res.Logs[0].Level != abi.LogError || !strings.Contains(res.Logs[0].Text, "pdktest_test.go") {
		t.Errorf("got %v", res.Logs)
	}
}

func TestFetch(t *testing.T) {
	h := pdktest.New(t)
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Reply", "yes")
		if r.URL.Path == "/bad" {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s%s %s %s", r.Method, r.Host, r.Header.Get("X-A"), r.Header.Get("X-B"), r.Header.Get("Content-Type"), body)
	})
	t.Run("sends what it is given", func(t *testing.T) {
		got := h.Call("get", map[string]any{"url": "https://example.com/x", "post": map[string]int{"a": 1}}).OK().Text
		if want := `200 yes POST example.com 12 application/json {"a":1}`; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("a bad status is no error until checked", func(t *testing.T) {
		if got := h.Call("get", map[string]any{"url": "https://example.com/bad"}).OK().Text; !strings.HasPrefix(got, "429 yes GET") {
			t.Errorf("got %q", got)
		}
		e := h.Call("get", map[string]any{"url": "https://example.com/bad", "check": true}).Fails(abi.CodeUpstream)
		if !e.Retryable || !strings.Contains(string(e.Details), `"status":429`) {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("a host that is not granted is forbidden", func(t *testing.T) {
		h := pdktest.New(t)
		h.Web, h.Grants = http.NotFoundHandler(), &pdk.Rights{Hosts: []string{"*.example.com", "https://one.test:8443/v1"}}
		for url, code := range map[string]abi.Code{"https://a.b.example.com/": "", "https://example.com/": abi.CodeForbidden,
			"https://one.test:8443/": "", "http://one.test:8443/": abi.CodeForbidden, "https://one.test/": abi.CodeForbidden,
			"ftp://a.example.com/": abi.CodeInvalidArg} {
			res := h.Call("get", map[string]any{"url": url})
			if got := pdk.CodeOf(orNil(res.Err)); got != code {
				t.Errorf("%s: got %q, want %q", url, got, code)
			}
		}
	})
}

func orNil(e *pdk.Error) error {
	if e == nil {
		return nil
	}
	return e
}

// TestAStreamArrivesAsItIsWritten has a handler that waits until its first piece has been read.
func TestAStreamArrivesAsItIsWritten(t *testing.T) {
	h := pdktest.New(t)
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, part := range []string{"one ", "two ", "three"} {
			io.WriteString(w, part) // a pipe: returns when it has been read
			w.(http.Flusher).Flush()
		}
	})
	res := h.Call("get", map[string]any{"url": "https://example.com/", "stream": true}).OK()
	if got := res.Streamed(); got != "one two three" || len(res.Partials) < 3 {
		t.Errorf("got %q", res.Partials)
	}
}

// TestAnEndedCallEndsItsStreams has a handler that only its request's context can end.
func TestAnEndedCallEndsItsStreams(t *testing.T) {
	h := pdktest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	h.Web = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "x")
		time.Sleep(time.Millisecond) // most often, the guest already waits for the next piece
		cancel()
		<-r.Context().Done()
	})
	h.CallContext(ctx, "get", map[string]any{"url": "https://example.com/", "stream": true}).Fails(abi.CodeCancelled)
}

func TestFiles(t *testing.T) {
	h := pdktest.New(t)
	h.WriteFile("old.txt", []byte("x"))
	var out struct {
		Names []string
		Size  int64
	}
	h.Call("files", map[string]string{"path": "dir/new.txt"}).Decode(&out)
	if !slices.Equal(out.Names, []string{"dir", "old.txt"}) || out.Size != 10 {
		t.Errorf("got %+v", out)
	}
	if _, there := h.File("dir/new.txt"); there {
		t.Error("the deleted file is still there")
	}
	for _, path := range []string{"../x", "/etc/passwd", "a/../../x", "."} {
		h.Call("files", map[string]string{"path": path}).Fails(abi.CodeInvalidArg)
	}
	h.Grants = &pdk.Rights{Files: abi.FilesRead}
	if e := h.Call("files", map[string]string{"path": "x"}).Fails(abi.CodeForbidden); !strings.Contains(e.Hint, "files: write") {
		t.Errorf("got %q", e.Hint)
	}
}

func TestKV(t *testing.T) {
	h := pdktest.New(t)
	for want := range 2 {
		var out struct {
			Before int
			Keys   []string
		}
		h.Call("kv", nil).Decode(&out)
		if out.Before != want || len(out.Keys) != 119 || out.Keys[0] != "k001" || out.Keys[118] != "k119" {
			t.Errorf("got %d, %v", out.Before, out.Keys)
		}
	}
	h.Grants = &pdk.Rights{}
	h.Call("kv", nil).Fails(abi.CodeForbidden)
}

func TestCallsOfOtherTools(t *testing.T) {
	h := pdktest.New(t)
	h.Call("relay", nil).Fails(abi.CodeUnknownTool)
	h.Tools = map[string]func(json.RawMessage) (*pdk.Result, error){"add": func(in json.RawMessage) (*pdk.Result, error) {
		return &pdk.Result{Structured: json.RawMessage(`{"sum":3}`)}, nil
	}}
	if got := h.Call("relay", nil).OK().Text; got != `{"sum":3}` {
		t.Errorf("got %s", got)
	}
	if got := h.Changed(); !slices.Equal(got, []string{"tools", "note://1", "tools", "note://1"}) {
		t.Errorf("got %v", got)
	}
	h.Grants = &pdk.Rights{}
	h.Call("relay", nil).Fails(abi.CodeForbidden)
}

func TestAsking(t *testing.T) {
	h := pdktest.New(t)
	asked := h.Call("greet", nil).Asked
	if asked == nil || asked.Requests["who"].Method != "elicitation/create" || !strings.Contains(string(asked.Requests["who"].Params), `"description":"Your name"`) {
		t.Fatalf("got %+v", asked)
	}
	h.Answers = map[string]any{"who": pdktest.Accept(map[string]any{"name": "Ada"})}
	if got := h.Call("greet", nil).OK().Text; got != "Ada, 30" {
		t.Errorf("got %q", got)
	}
	h.Answers["who"] = pdktest.Accept(map[string]any{})
	h.Call("greet", nil).Fails(abi.CodeInvalidArg)
	h.Answers["who"] = pdktest.Decline()
	if got := h.Call("greet", nil).OK().Text; got != "nobody" {
		t.Errorf("got %q", got)
	}
}

func TestAskingInRounds(t *testing.T) {
	h := pdktest.New(t)
	h.Answers = map[string]any{"capital": pdktest.Sampled("Paris"), "roots": pdktest.Roots("file:///home")}
	if got := h.Call("rounds", nil).OK().Text; got != "two Paris file:///home" {
		t.Errorf("got %q", got)
	}
}

func TestAVerbatimSchemaIsKeptAndLenient(t *testing.T) {
	h := pdktest.New(t)
	for _, tool := range h.Manifest().Tools {
		if tool.Name == "verbatim" && !strings.Contains(string(tool.InputSchema), `"x-mcp-header":"A"`) {
			t.Errorf("got %s", tool.InputSchema)
		}
	}
	if got := h.Call("verbatim", map[string]any{"a": "x", "other": 1}).OK().Text; got != "x" {
		t.Errorf("got %q", got)
	}
}

func TestPromptsAndResources(t *testing.T) {
	h := pdktest.New(t)
	p, err := h.Prompt("review", map[string]string{"text": "hi"})
	if err != nil || len(p.Messages) != 2 || p.Messages[0].Content.Text != "kind: hi" {
		t.Errorf("got %+v, %v", p, err)
	}
	if _, err := h.Prompt("review", nil); pdk.CodeOf(err) != abi.CodeInvalidArg {
		t.Errorf("got %v", err)
	}
	c, err := h.Read("note://static", nil)
	if err != nil || c[0].Text != "text" || c[0].MIMEType != "text/plain" || c[0].URI != "note://static" {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err = h.Read("note://bytes", nil); err != nil || len(c[0].Data) != 2 || c[0].MIMEType != "image/png" {
		t.Errorf("got %+v, %v", c, err)
	}
	if c, err = h.Read("note://{id}/data", map[string]string{"id": "7"}); err != nil || c[0].Text != "note 7" || c[0].URI != "note://7/data" {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err = h.Read("note://{id}/data", map[string]string{"id": "0"}); pdk.CodeOf(err) != abi.CodeNotFound {
		t.Errorf("got %v", err)
	}
	v, err := h.Complete(abi.CompleteRequest{Prompt: "review", Argument: "tone", Value: "a"})
	if err != nil || len(v.Values) != 100 || v.Total != 150 || !v.More {
		t.Errorf("got %+v, %v", v, err)
	}
}

// TestCallsMayRunAtOnce is for the race detector.
func TestCallsMayRunAtOnce(t *testing.T) {
	h := pdktest.New(t)
	for range 4 {
		t.Run("one of four", func(t *testing.T) {
			t.Parallel()
			for range 10 {
				h.CallContext(context.Background(), "kv", nil).OK()
			}
		})
	}
}
