// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

const (
	sessionEra = "2025-11-25"
	singleEra  = firstModern
)

// bearer puts a token into every request.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

// dial connects the official client. Without options, and so without anybody to tell of
// announcements, it opens no stream for them, which would use its session at a time of its own.
func dial(t testing.TB, url, token, era string, o *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	return connect(t, c, url, token, era, o == nil)
}

// dialWith is dial for a client that knows more than its options say.
func dialWith(t testing.TB, c *sdk.Client, url, token, era string) *sdk.ClientSession {
	t.Helper()
	return connect(t, c, url, token, era, true)
}

func connect(t testing.TB, c *sdk.Client, url, token, era string, quiet bool) *sdk.ClientSession {
	t.Helper()
	cs, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: url, HTTPClient: &http.Client{Transport: bearer(token)}, DisableStandaloneSSE: quiet,
	}, &sdk.ClientSessionOptions{ProtocolVersion: era})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	if got := cs.InitializeResult().ProtocolVersion; got != era {
		t.Fatalf("the client speaks %s, want %s", got, era)
	}
	return cs
}

func text(t testing.TB, r *sdk.CallToolResult, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, c := range r.Content {
		if tc, ok := c.(*sdk.TextContent); ok {
			b.WriteString(tc.Text)
		}
	}
	return b.String()
}

func toolNames(t testing.TB, cs *sdk.ClientSession) []string {
	t.Helper()
	list, err := cs.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func eras(t *testing.T, f func(t *testing.T, era string)) {
	for _, era := range []string{"2024-11-05", "2025-03-26", "2025-06-18", sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) { f(t, era) })
	}
}

func TestEveryVersionListsAndCalls(t *testing.T) {
	eras(t, func(t *testing.T, era string) {
		_, url := up(t, newFake(), nil)
		cs := dial(t, url, "acme:ann", era, nil)
		if names := toolNames(t, cs); !slices.Contains(names, "echo") || len(names) != 13 || !slices.IsSorted(names) {
			t.Errorf("the tools are %v", names)
		}
		r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "media"})
		text(t, r, err)
		_, isAudio := r.Content[0].(*sdk.AudioContent)
		_, isLink := r.Content[1].(*sdk.ResourceLink)
		if isAudio != (era >= firstAudio) || isLink != (era >= firstLink) {
			t.Errorf("%s got content of types %T and %T", era, r.Content[0], r.Content[1])
		}
	})
}

func TestScopesDecideTheView(t *testing.T) {
	_, url := up(t, newFake(), nil)
	cs := dial(t, url, "acme:reader", singleEra, nil)
	if got, want := toolNames(t, cs), []string{"call_tool", "echo", "search_tools"}; !slices.Equal(got, want) {
		t.Errorf("a reader sees %v, want %v", got, want)
	}
}

func TestToolsMayAskInRounds(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			_, url := up(t, newFake(), nil)
			answers := map[string]string{"Who?": "Ann", "Which?": "blue"}
			cs := dial(t, url, "acme:ann", era, &sdk.ClientOptions{
				ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
					return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"it": answers[r.Params.Message]}}, nil
				},
			})
			r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "ask"})
			if got, want := text(t, r, err), "Ann likes blue"; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestToolThatNeverStopsAsking(t *testing.T) {
	f := newFake()
	f.add(abi.Tool{Name: "nag"}, func(context.Context, invoke.Request, invoke.Sink) (*invoke.Answer, error) {
		return &invoke.Answer{InputRequired: &abi.InputRequired{Requests: map[string]abi.InputRequest{
			"k": {Method: "elicitation/create", Params: json.RawMessage(`{"message":"?","requestedSchema":{"type":"object","properties":{}}}`)}}}}, nil
	})
	_, url := up(t, f, nil)
	cs := dial(t, url, "acme:ann", sessionEra, &sdk.ClientOptions{
		ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			return &sdk.ElicitResult{Action: "decline"}, nil
		},
	})
	r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "nag"})
	if got := text(t, r, err); !r.IsError || !strings.Contains(got, string(abi.CodeLimit)) {
		t.Errorf("got %q, want an error with %s", got, abi.CodeLimit)
	}
}

func TestClientThatDoesNotAnswer(t *testing.T) {
	_, url := up(t, newFake(), func(c *Config) { c.AskTimeout = 50 * time.Millisecond })
	enough := make(chan struct{})
	cs := dial(t, url, "acme:ann", sessionEra, &sdk.ClientOptions{
		ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			<-enough
			return &sdk.ElicitResult{Action: "cancel"}, nil
		},
	})
	r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "ask"})
	close(enough)
	if got := text(t, r, err); !r.IsError || !strings.Contains(got, string(abi.CodeDeadline)) {
		t.Errorf("got %q, want an error with %s", got, abi.CodeDeadline)
	}
}

func TestCancelEndsTheCall(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			f := newFake()
			_, url := up(t, f, nil)
			cs := dial(t, url, "acme:ann", era, nil)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() {
				if _, err := cs.CallTool(ctx, &sdk.CallToolParams{Name: "wait"}); err == nil {
					t.Error("a cancelled call succeeded")
				}
			})
			<-f.waiting
			cancel()
			select {
			case <-f.ended:
			case <-time.After(10 * time.Second):
				t.Error("the call goes on")
			}
			all.Wait()
		})
	}
}

func TestCloseEndsCallsAndStreams(t *testing.T) {
	f := newFake()
	s, url := up(t, f, nil)
	old, single := dial(t, url, "acme:ann", sessionEra, nil), dial(t, url, "acme:ann", singleEra, nil)
	var all sync.WaitGroup
	for _, cs := range []*sdk.ClientSession{old, single} {
		all.Go(func() { _, _ = cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "wait"}) })
		<-f.waiting
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-f.ended
	<-f.ended
	all.Wait()
	if n := s.sessions.count(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// news counts the announcements that reach a client.
func news(into chan string) *sdk.ClientOptions {
	tell := func(s string) {
		select {
		case into <- s:
		default:
		}
	}
	return &sdk.ClientOptions{
		ToolListChangedHandler:     func(context.Context, *sdk.ToolListChangedRequest) { tell("tools") },
		PromptListChangedHandler:   func(context.Context, *sdk.PromptListChangedRequest) { tell("prompts") },
		ResourceListChangedHandler: func(context.Context, *sdk.ResourceListChangedRequest) { tell("resources") },
		ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) {
			tell(r.Params.URI)
		},
	}
}

func expect(t *testing.T, from chan string, want string) {
	t.Helper()
	select {
	case got := <-from:
		if got != want {
			t.Errorf("the client was told of %q, want %q", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("the client was never told of %q", want)
	}
}

func TestChangesReachClients(t *testing.T) {
	f := newFake()
	s, url := up(t, f, nil)
	told, other := make(chan string, 16), make(chan string, 16)
	cs := dial(t, url, "acme:ann", sessionEra, news(told))
	quiet := news(other)
	quiet.ToolListChangedHandler, quiet.PromptListChangedHandler = nil, nil
	far := dial(t, url, "umbrella:bob", sessionEra, quiet)
	for _, c := range []*sdk.ClientSession{cs, far} {
		if err := c.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "note://readme"}); err != nil {
			t.Fatal(err)
		}
		// The session's stream for announcements opens beside the handshake; a call that comes
		// back through it would be better proof, but the protocol has none.
		toolNames(t, c)
	}
	t.Run("a tool that comes and one that goes", func(t *testing.T) {
		f.add(abi.Tool{Name: "fresh"}, echoTool)
		f.remove("fail")
		s.Refresh()
		expect(t, told, "tools")
		names := toolNames(t, cs)
		if !slices.Contains(names, "fresh") || slices.Contains(names, "fail") {
			t.Errorf("the tools are %v", names)
		}
	})
	t.Run("a refresh without a change is silent", func(t *testing.T) {
		s.Refresh()
		s.Changed("", "fake", abi.Changed{Lists: []string{"prompts"}})
		expect(t, told, "prompts")
	})
	t.Run("an update stays within its tenant", func(t *testing.T) {
		s.Changed("acme", "fake", abi.Changed{URIs: []string{"note://readme"}})
		expect(t, told, "note://readme")
		s.Changed("umbrella", "fake", abi.Changed{Lists: []string{"resources"}})
		expect(t, other, "resources") // and not the update before it
		s.ResourceUpdated("umbrella", "note://readme")
		expect(t, other, "note://readme")
	})
	t.Run("a plugin does not speak for another's resource", func(t *testing.T) {
		s.Changed("acme", "stranger", abi.Changed{URIs: []string{"note://readme"}})
		s.Changed("acme", "fake", abi.Changed{Lists: []string{"resources"}})
		expect(t, told, "resources")
	})
}

func TestOfferThatTheSDKRefuses(t *testing.T) {
	f := newFake()
	f.add(abi.Tool{Name: "bad_header", InputSchema: json.RawMessage(
		`{"type":"object","properties":{"a":{"type":"string","x-mcp-header":"no header"}}}`)}, echoTool)
	f.add(abi.Tool{Name: "bad_schema", InputSchema: json.RawMessage(`{"type":"string"}`)}, echoTool)
	_, url := up(t, f, nil)
	names := toolNames(t, dial(t, url, "acme:ann", singleEra, nil))
	if slices.Contains(names, "bad_header") || slices.Contains(names, "bad_schema") || !slices.Contains(names, "echo") {
		t.Errorf("the tools are %v", names)
	}
}

func TestSessionsPerOwner(t *testing.T) {
	s, url := up(t, newFake(), func(c *Config) { c.SessionsPerOwner = 2 })
	busy, idle := dial(t, url, "acme:ann", sessionEra, nil), dial(t, url, "acme:ann", sessionEra, nil)
	toolNames(t, busy)
	other := dial(t, url, "acme:bob", sessionEra, nil)
	toolNames(t, dial(t, url, "acme:ann", sessionEra, nil))
	if _, err := idle.ListTools(t.Context(), nil); err == nil {
		t.Error("the session that was not used for longest goes on")
	}
	toolNames(t, busy)
	toolNames(t, other)
	if n := s.sessions.count(); n != 3 {
		t.Errorf("there are %d sessions, want 3", n)
	}
}

func TestSessionsOfAll(t *testing.T) {
	_, url := up(t, newFake(), func(c *Config) { c.MaxSessions = 1 })
	dial(t, url, "acme:ann", sessionEra, nil)
	got, _ := say(t, url, "POST\n\n"+`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if !strings.HasPrefix(got, "503") {
		t.Errorf("got %s, want 503", got)
	}
}

func TestIdleSessionEnds(t *testing.T) {
	s, url := up(t, newFake(), func(c *Config) { c.SessionTimeout = 50 * time.Millisecond })
	dial(t, url, "acme:ann", sessionEra, nil)
	for end := time.Now().Add(10 * time.Second); s.sessions.count() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("an idle session goes on")
		}
	}
}

func TestViewsAreBounded(t *testing.T) {
	s, url := up(t, newFake(), func(c *Config) { c.MaxViews = 4 })
	keep := dial(t, url, "kept:ann", sessionEra, nil)
	for i := range 10 {
		toolNames(t, dial(t, url, fmt.Sprintf("t%d:ann", i), singleEra, nil))
	}
	if n := len(s.views.all()); n > 5 {
		t.Errorf("%d views are kept", n)
	}
	if !slices.ContainsFunc(s.views.all(), func(v *view) bool { return v.who.Tenant == "kept" }) {
		t.Error("a view with a session was forgotten")
	}
	toolNames(t, keep)
}

// TestTenantsHammer is where goroutines meet: clients of twelve tenants in both eras, while the
// registry changes under them.
func TestTenantsHammer(t *testing.T) {
	const tenants, calls = 12, 15
	f := newFake()
	s, url := up(t, f, nil)
	stop := make(chan struct{})
	var change, all sync.WaitGroup
	change.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
			f.add(abi.Tool{Name: "fresh", Description: fmt.Sprint(i)}, echoTool)
			s.Refresh()
			s.Changed("", "fake", abi.Changed{Lists: []string{"prompts"}, URIs: []string{"note://readme"}})
		}
	})
	for i := range tenants {
		for _, era := range []string{sessionEra, singleEra} {
			token := fmt.Sprintf("t%d:u%d", i, i)
			want := fmt.Sprintf("t%d/u%d %v", i, i, host.AllScopes())
			cs := dial(t, url, token, era, nil)
			all.Go(func() {
				for range calls {
					r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "whoami"})
					if err != nil {
						t.Errorf("%s: %v", token, err)
						return
					}
					if got := r.Content[0].(*sdk.TextContent).Text; got != want {
						t.Errorf("%s was taken for %s", want, got)
					}
				}
			})
		}
	}
	all.Wait()
	close(stop)
	change.Wait()
}
