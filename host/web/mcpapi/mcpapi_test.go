// Copyright 2026 The Gantry Authors.

package mcpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/mcp"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/webtest"
	"github.com/gantryhost/gantry/registry"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// tokens is an authenticator of the tokens "<tenant>-token".
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (*host.Principal, error) {
	tenant, ok := strings.CutSuffix(token, "-token")
	if !ok {
		return nil, host.Errorf("keys.Verify", abi.CodeBadCredential, "the key is unknown, expired or revoked")
	}
	return &host.Principal{Tenant: host.TenantID(tenant), User: "ann", Kind: host.KindOrg, Scopes: host.AllScopes()}, nil
}

// pipeline has one tool, which says for whom it runs and how far it is.
type pipeline struct{}

var whoami = abi.Tool{Name: "whoami", Annotations: abi.Annotations{ReadOnly: true}}

func (pipeline) Call(ctx context.Context, _ invoke.Request, s invoke.Sink) (*invoke.Answer, error) {
	p := host.PrincipalFrom(ctx)
	s.Progress(abi.Progress{Done: 1, Message: string(p.Tenant)})
	time.Sleep(time.Millisecond)
	s.Progress(abi.Progress{Done: 2, Message: string(host.PrincipalFrom(ctx).Tenant)})
	return &invoke.Answer{Result: &abi.Result{Content: []abi.Content{abi.Text(string(p.Tenant))}}}, nil
}

func (pipeline) Tools(context.Context) []registry.ToolRef {
	return []registry.ToolRef{{Name: whoami.Name, Plugin: &registry.Plugin{Name: "fake"}, Tool: &whoami}}
}

func (pipeline) Prompts(context.Context) []registry.PromptRef     { return nil }
func (pipeline) Resources(context.Context) []registry.ResourceRef { return nil }
func (pipeline) Templates(context.Context) []registry.TemplateRef { return nil }

func (pipeline) Prompt(context.Context, invoke.Request) (*abi.PromptResult, *abi.InputRequired, error) {
	return nil, nil, host.E("fake", abi.CodeNotFound, nil)
}

func (pipeline) Read(context.Context, string) (*abi.ReadResult, error) {
	return nil, host.E("fake", abi.CodeNotFound, nil)
}

func (pipeline) Complete(context.Context, *abi.CompleteRequest) (*abi.CompleteResult, error) {
	return nil, host.E("fake", abi.CodeNotFound, nil)
}

// up serves the surface over Fiber; stop ends it as an operator does.
func up(t *testing.T) (url string, stop func()) {
	t.Helper()
	protocol, err := mcp.New(mcp.Config{Pipeline: pipeline{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := web.New(web.Config{Auth: tokens{}, AllowedHosts: []string{"gantry.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Mount(Surface(Config{Handler: protocol})); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, ln) }()
	stop = sync.OnceFunc(func() {
		end, free := context.WithTimeout(context.Background(), 8*time.Second)
		defer free()
		if err := protocol.Close(end); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return "http://" + ln.Addr().String(), stop
}

type withToken string

func (b withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func dial(t *testing.T, endpoint, token, version string, o *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, o)
	cs, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: endpoint, HTTPClient: &http.Client{Transport: withToken(token)}, MaxRetries: -1,
	}, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		t.Fatal(err)
	}
	return cs
}

func TestCredential(t *testing.T) {
	url, _ := up(t)
	for name, header := range map[string]string{"none": "", "of another scheme": "Basic YTpi", "unknown": "Bearer sk-org-nobody"} {
		for _, path := range []string{"/mcp", "/mcp/"} {
			t.Run(path+" answers 401 where the credential is "+name, func(t *testing.T) {
				req, err := http.NewRequest("POST", url+path, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
				if err != nil {
					t.Fatal(err)
				}
				if header != "" {
					req.Header.Set("Authorization", header)
				}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != 401 || !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer") ||
					!strings.Contains(string(body), `"code":"UNAUTHENTICATED"`) || !strings.Contains(string(body), `"hint"`) {
					t.Errorf("got %d %v %s", resp.StatusCode, resp.Header, body)
				}
			})
		}
	}
}

// TestNamesOfTheHost: what is in front of a host on loopback passes on the name that it was asked by.
func TestNamesOfTheHost(t *testing.T) {
	url, _ := up(t)
	for name, want := range map[string]int{"gantry.example": 200, "localhost": 200, "evil.example": 403} {
		for _, method := range []string{"tools/call", "tools/list"} {
			t.Run(name+" "+method, func(t *testing.T) {
				body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":{"name":"whoami","_meta":{` +
					`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
				req, err := http.NewRequest("POST", url+"/mcp", strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Host = name
				req.Header = http.Header{"Authorization": {"Bearer acme-token"}, "Content-Type": {"application/json"},
					"Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {"2026-07-28"},
					"Mcp-Method": {method}, "Mcp-Name": {"whoami"}}
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				if err != nil || resp.StatusCode != want {
					t.Errorf("got %d %s %v, want %d", resp.StatusCode, got, err, want)
				}
			})
		}
	}
}

// TestTenantsHammer is why there is a bridge: with fasthttp's own adaptor most of these answers
// were another tenant's.
func TestTenantsHammer(t *testing.T) {
	const tenants, calls = 12, 20
	url, _ := up(t)
	var all sync.WaitGroup
	for i := range tenants {
		for path, version := range map[string]string{"/mcp": "2025-11-25", "/mcp/": "2026-07-28"} {
			tenant := fmt.Sprintf("t%d", i)
			said := make(chan string, 4*calls)
			cs := dial(t, url+path, tenant+"-token", version, &sdk.ClientOptions{
				ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
					said <- r.Params.Message
				},
			})
			all.Go(func() {
				defer cs.Close()
				for range calls {
					p := &sdk.CallToolParams{Name: "whoami"}
					p.SetProgressToken(tenant)
					r, err := cs.CallTool(t.Context(), p)
					if err != nil {
						t.Errorf("%s: %v", tenant, err)
						return
					}
					if got := r.Content[0].(*sdk.TextContent).Text; got != tenant {
						t.Errorf("%s was taken for %s", tenant, got)
					}
				}
				for range 2 * calls {
					select {
					case got := <-said:
						if got != tenant {
							t.Errorf("%s heard what was meant for %s", tenant, got)
						}
					case <-time.After(10 * time.Second):
						t.Errorf("%s did not hear of its progress", tenant)
						return
					}
				}
			})
		}
	}
	all.Wait()
}

func TestStopEndsOpenStreams(t *testing.T) {
	url, stop := up(t)
	options := &sdk.ClientOptions{ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {}}
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		cs := dial(t, url+"/mcp", "acme-token", version, options)
		if _, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: "whoami"}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cs.Close() })
	}
	stop() // fails where streams hold it up
}

func TestChangeStream(t *testing.T) {
	url, stop := up(t)
	req, err := http.NewRequest("POST", url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},`+
		`"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer acme-token", "Content-Type": "application/json", "Mcp-Protocol-Version": "2026-07-28",
		"Accept": "application/json, text/event-stream", "Mcp-Method": "subscriptions/listen"} {
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	const ack = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\""
	first := make([]byte, len(ack))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != ack ||
		resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-cache, no-transform" {
		t.Fatalf("it began with %q, %v (%v)", first, resp.Header, err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		stop()
	}()
	rest, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(rest), `"id":"s","result":{"resultType":"complete"`) {
		t.Errorf("it ended with %q (%v)", rest, err)
	}
	<-ended
}

// TestStandingStream: a session's own stream, over the wire.
func TestStandingStream(t *testing.T) {
	url, stop := up(t)
	ask := func(method, session, body string) *http.Response {
		t.Helper()
		req, err := http.NewRequest(method, url+"/mcp", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{"Authorization": "Bearer acme-token", "Content-Type": "application/json",
			"Accept": "application/json, text/event-stream", "Mcp-Session-Id": session} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	hello := ask("POST", "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if _, err := io.ReadAll(hello.Body); err != nil {
		t.Fatal(err)
	}
	session := hello.Header.Get("Mcp-Session-Id")
	stream := ask("GET", session, "")
	first := make([]byte, len(": ok\n\n"))
	if _, err := io.ReadFull(stream.Body, first); err != nil || string(first) != ": ok\n\n" || !stream.Close ||
		stream.Header.Get("Content-Type") != "text/event-stream" || stream.Header.Get("Cache-Control") != "no-cache, no-transform" {
		t.Fatalf("it began with %q, %v (%v)", first, stream.Header, err)
	}
	if second := ask("GET", session, ""); second.StatusCode != http.StatusConflict {
		t.Errorf("a second stream is answered %d", second.StatusCode)
	}
	if nobodys := ask("GET", session+"A", ""); nobodys.StatusCode != http.StatusNotFound {
		t.Errorf("the stream of no session is answered %d", nobodys.StatusCode)
	}
	if end := ask("DELETE", session, ""); end.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE is answered %d", end.StatusCode)
	}
	if rest, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("it ended with %q (%v)", rest, err)
	}
	stop()
}

// stopped is a protocol that is closed while the server still serves.
type stopped struct{ *mcp.Server }

// TestAStreamOfAHostThatStopsIsHungUpOn: some clients take an error for the end of their session.
func TestAStreamOfAHostThatStopsIsHungUpOn(t *testing.T) {
	protocol, err := mcp.New(mcp.Config{Pipeline: pipeline{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	srv := webtest.Server(t, web.Config{Auth: tokens{}}, Surface(Config{Handler: stopped{protocol}}))
	url := "http://" + webtest.Serve(t, srv) + "/mcp"
	if err := protocol.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	ask := func(method string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer acme-token")
		r.Header.Set("Accept", "application/json, text/event-stream")
		r.Header.Set("Content-Type", "application/json")
		return http.DefaultClient.Do(r)
	}
	if resp, err := ask(http.MethodGet); err == nil {
		resp.Body.Close()
		t.Errorf("a stream is answered with %s", resp.Status)
	}
	resp, err := ask(http.MethodPost)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a call is answered with %s", resp.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}
