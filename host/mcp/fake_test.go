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
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type toolFunc func(ctx context.Context, r invoke.Request, s invoke.Sink) (*invoke.Answer, error)

// fakePipeline is a pipeline whose tools are Go functions, of one plugin.
type fakePipeline struct {
	mu     sync.Mutex
	plugin *registry.Plugin
	tools  map[string]fakeTool
	// waiting and ended tell when the tool "wait" began and how its context ended.
	waiting chan struct{}
	ended   chan error
}

type fakeTool struct {
	def abi.Tool
	run toolFunc
}

var _ Pipeline = (*fakePipeline)(nil)

func answer(blocks ...abi.Content) (*invoke.Answer, error) {
	return &invoke.Answer{Result: &abi.Result{Content: blocks}}, nil
}

func newFake() *fakePipeline {
	f := &fakePipeline{
		plugin: &registry.Plugin{Name: "fake"}, tools: map[string]fakeTool{},
		waiting: make(chan struct{}, 16), ended: make(chan error, 16),
	}
	f.add(abi.Tool{Name: "echo", Title: "Echo", Description: "Says what you say.",
		InputSchema:  json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}`),
		OutputSchema: json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"}}}`),
		Icons:        []abi.Icon{{Src: "data:image/png;base64,AA==", MIMEType: "image/png", Sizes: []string{"48x48"}, Theme: "dark"}},
		Annotations:  abi.Annotations{ReadOnly: true, Idempotent: true}}, echoTool)
	f.add(abi.Tool{Name: "list_out", OutputSchema: json.RawMessage(`{"type":"array"}`)},
		func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
			return &invoke.Answer{Result: &abi.Result{Structured: json.RawMessage(`[1,2]`)}}, nil
		})
	f.add(abi.Tool{Name: "fail"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		return nil, host.Errorf("fake", abi.CodeUpstream, "the weather service is asleep").WithHint("wait for the morning")
	})
	f.add(abi.Tool{Name: "broken"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		return nil, fmt.Errorf("password of the database: hunter2")
	})
	f.add(abi.Tool{Name: "panic"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		panic("a host bug")
	})
	f.add(abi.Tool{Name: "media"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		return answer(abi.Content{Type: abi.ContentAudio, Data: []byte("la"), MIMEType: "audio/wav"},
			abi.Content{Type: abi.ContentLink, URI: "note://1"},
			abi.Content{Type: abi.ContentResource, URI: "note://2", MIMEType: "text/plain", Text: "two"})
	})
	f.add(abi.Tool{Name: "count"}, countTool)
	f.add(abi.Tool{Name: "ask"}, askTool)
	f.add(abi.Tool{Name: "sample_only", Needs: []string{abi.ClientSampling}}, echoTool)
	f.add(abi.Tool{Name: "whoami"}, func(ctx context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
		p := host.PrincipalFrom(ctx)
		return answer(abi.Text(fmt.Sprintf("%s/%s %v", p.Tenant, p.User, p.Scopes)))
	})
	f.add(abi.Tool{Name: "wait"}, func(ctx context.Context, _ invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
		f.waiting <- struct{}{}
		<-ctx.Done()
		f.ended <- ctx.Err()
		return nil, host.E("fake", abi.CodeCancelled, ctx.Err())
	})
	return f
}

func (f *fakePipeline) add(t abi.Tool, run toolFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tools[t.Name] = fakeTool{t, run}
}

func (f *fakePipeline) remove(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.tools, name)
}

func echoTool(_ context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
	return &invoke.Answer{Result: &abi.Result{Content: []abi.Content{abi.Text(string(r.Input))}, Structured: r.Input}}, nil
}

func countTool(_ context.Context, _ invoke.Request, s invoke.Sink) (*invoke.Answer, error) {
	s.Partial("one ")
	s.Progress(abi.Progress{Done: 1, Total: 2, Message: "half"})
	s.Progress(abi.Progress{Done: 1, Total: 2, Message: "not further, so not told"})
	s.Log(abi.LogWarn, "careful")
	s.Partial("two")
	s.Progress(abi.Progress{Done: 2, Total: 2})
	return answer(abi.Text("one two"))
}

// askTool asks for a name, then for a color, and keeps the name in its state meanwhile.
func askTool(_ context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
	form := func(key, message string) map[string]abi.InputRequest {
		return map[string]abi.InputRequest{key: {Method: "elicitation/create", Params: json.RawMessage(
			`{"message":"` + message + `","requestedSchema":{"type":"object","properties":{"it":{"type":"string"}}}}`)}}
	}
	var got struct{ Content struct{ It string } }
	switch {
	case r.State == "tampered":
		return nil, host.Errorf(opOpenState, abi.CodeInvalidArg, "the request state is not the one that this host gave")
	case r.State == "":
		return &invoke.Answer{InputRequired: &abi.InputRequired{Requests: form("name", "Who?"), State: "first"}}, nil
	case r.State == "first":
		if err := json.Unmarshal(r.Answers["name"], &got); err != nil {
			return nil, host.Errorf("fake", abi.CodeInvalidArg, "no name: %w", err)
		}
		return &invoke.Answer{InputRequired: &abi.InputRequired{Requests: form("color", "Which?"), State: "second " + got.Content.It}}, nil
	}
	if err := json.Unmarshal(r.Answers["color"], &got); err != nil {
		return nil, host.Errorf("fake", abi.CodeInvalidArg, "no color: %w", err)
	}
	return answer(abi.Text(strings.TrimPrefix(r.State, "second ") + " likes " + got.Content.It))
}

// silent is what a nil Sink stands for.
type silent struct{}

func (silent) Partial(string)           {}
func (silent) Progress(abi.Progress)    {}
func (silent) Log(abi.LogLevel, string) {}

func (f *fakePipeline) Call(ctx context.Context, r invoke.Request, s invoke.Sink) (*invoke.Answer, error) {
	if s == nil {
		s = silent{}
	}
	f.mu.Lock()
	t, ok := f.tools[r.Tool]
	f.mu.Unlock()
	switch p := host.PrincipalFrom(ctx); {
	case !ok:
		return nil, host.Errorf("fake", abi.CodeUnknownTool, "there is no tool %q here", r.Tool).WithHint("did you mean echo?")
	case !p.Has(host.ScopeWriteTools) && !t.def.Annotations.ReadOnly:
		return nil, host.Errorf("fake", abi.CodeForbidden, "the tool %s needs the scope write:tools", r.Tool)
	}
	return t.run(ctx, r, s)
}

func (f *fakePipeline) Tools(ctx context.Context) []registry.ToolRef {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := host.PrincipalFrom(ctx)
	var out []registry.ToolRef
	for name, t := range f.tools {
		if p.Has(host.ScopeWriteTools) || t.def.Annotations.ReadOnly {
			out = append(out, registry.ToolRef{Name: name, Plugin: f.plugin, Tool: &t.def})
		}
	}
	slices.SortFunc(out, func(a, b registry.ToolRef) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (f *fakePipeline) Prompts(ctx context.Context) []registry.PromptRef {
	if host.PrincipalFrom(ctx).Kind == host.KindWorkspace {
		return nil
	}
	return []registry.PromptRef{{Name: "greet", Plugin: f.plugin, Prompt: &abi.Prompt{
		Name: "greet", Description: "Greets.", Arguments: []abi.PromptArgument{{Name: "who", Required: true}}}}}
}

func (f *fakePipeline) Resources(ctx context.Context) []registry.ResourceRef {
	if host.PrincipalFrom(ctx).Kind == host.KindWorkspace {
		return nil
	}
	return []registry.ResourceRef{{Plugin: f.plugin, Resource: &abi.Resource{URI: "note://readme", Name: "readme", MIMEType: "text/plain"}}}
}

func (f *fakePipeline) Templates(ctx context.Context) []registry.TemplateRef {
	if host.PrincipalFrom(ctx).Kind == host.KindWorkspace {
		return nil
	}
	return []registry.TemplateRef{{Plugin: f.plugin, Template: &abi.Template{URITemplate: "note://{id}/text", Name: "note"}}}
}

func (f *fakePipeline) Prompt(_ context.Context, r invoke.Request) (*abi.PromptResult, *abi.InputRequired, error) {
	var args struct{ Who string }
	if err := json.Unmarshal(r.Input, &args); err != nil || args.Who == "" {
		return nil, nil, host.Errorf("fake", abi.CodeInvalidArg, "/who is missing; send it, a string")
	}
	return &abi.PromptResult{Messages: []abi.PromptMessage{{Role: "user", Content: abi.Text("Hello " + args.Who)}}}, nil, nil
}

func (f *fakePipeline) Read(_ context.Context, uri string) (*abi.ReadResult, error) {
	if uri == "note://gone/text" {
		return nil, host.Errorf("fake", abi.CodeNotFound, "no such note")
	}
	return &abi.ReadResult{Contents: []abi.Content{{Type: abi.ContentResource, URI: uri, MIMEType: "text/plain", Text: "note"}}}, nil
}

func (f *fakePipeline) Complete(_ context.Context, r *abi.CompleteRequest) (*abi.CompleteResult, error) {
	return &abi.CompleteResult{Values: []string{r.Value + "dam"}, Total: 1}, nil
}

// principalFor makes a principal of "Bearer tenant:user[:kind[:meta]]". The user "reader" may only read.
func principalFor(r *http.Request) *host.Principal {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := strings.Split(token+":::", ":")
	if !ok || parts[0] == "" {
		return nil
	}
	p := &host.Principal{Tenant: host.TenantID(parts[0]), User: parts[1], Kind: host.KindOrg,
		Scopes: host.AllScopes(), CredentialID: token, MetaTools: parts[3] == "meta"}
	if parts[2] != "" {
		p.Kind = host.Kind(parts[2])
	}
	if p.User == "reader" {
		p.Scopes = []host.Scope{host.ScopeReadTools}
	}
	return p
}

// peek reads a net/http header as Hot reads one.
type peek http.Header

func (h peek) Peek(name string) []byte {
	v := http.Header(h).Get(name)
	if v == "" {
		return nil
	}
	return []byte(v)
}

// copyOut answers with a stream, as the goroutine of a connection does.
func copyOut(w http.ResponseWriter, r *http.Request, st *Standing) {
	defer st.Leave()
	stop := context.AfterFunc(r.Context(), st.Leave)
	defer stop()
	for p := make([]byte, 100); ; {
		n, err := st.Take(p)
		_, _ = w.Write(p[:n]) // a client that is gone has left
		if err != nil {
			return
		}
		if n == 0 {
			w.(http.Flusher).Flush()
			<-st.Wake()
		}
	}
}

// watching watches a client that net/http watches already.
func watching(client context.Context) func(func()) func() {
	return func(gone func()) func() {
		stop := context.AfterFunc(client, gone)
		return func() { stop() }
	}
}

// surfaceOf asks Hot first, as the surface of the protocol does.
func surfaceOf(s *Server) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			if st := s.Standing(r.Context(), peek(r.Header)); st != nil {
				w.Header().Set("Content-Type", "text/event-stream")
				copyOut(w, r, st)
				return
			}
		}
		if r.Method != http.MethodPost {
			s.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has gone
		}
		reply, ctx := s.Hot(r.Context(), Ask{peek(r.Header), body, watching(r.Context())})
		if reply == nil {
			r = r.WithContext(ctx)
			r.Body = io.NopCloser(bytes.NewReader(body))
			s.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", reply.ContentType)
		_, _ = w.Write(reply.Body) // a client that is gone needs no answer
	})
}

// up serves the protocol over net/http until the test ends.
func up(t testing.TB, f *fakePipeline, change func(*Config)) (*Server, string) {
	t.Helper()
	cfg := Config{Pipeline: f, Version: "test", Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := principalFor(r); p != nil {
			r = r.WithContext(host.WithPrincipal(r.Context(), p))
		}
		surfaceOf(s).ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Error(err)
		}
		srv.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s, srv.URL
}
