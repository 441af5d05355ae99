// Copyright 2026 The Gantry Authors.

package mcpapi

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/bearer"
	"github.com/gantryhost/gantry/host/bearer/bearertest"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/mcp"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/authapi"
	"github.com/gantryhost/gantry/registry"
)

var change = abi.Tool{Name: "change"}

// twoTools is a pipeline with whoami, which reads, and change, which does not.
type twoTools struct{ pipeline }

func (twoTools) Tools(ctx context.Context) []registry.ToolRef {
	ref := registry.ToolRef{Name: change.Name, Plugin: &registry.Plugin{Name: "fake"}, Tool: &change}
	return append([]registry.ToolRef{ref}, pipeline{}.Tools(ctx)...)
}

func (twoTools) Call(ctx context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
	if r.Tool == change.Name && !host.PrincipalFrom(ctx).Has(host.ScopeWriteTools) {
		return nil, host.Errorf("fake", abi.CodeForbidden, "the credential lacks the scope write:tools")
	}
	tenant := abi.Text(string(host.PrincipalFrom(ctx).Tenant))
	return &invoke.Answer{Result: &abi.Result{Content: []abi.Content{tenant}}}, nil
}

// both hands keys and tokens to whom they belong.
type both struct{ issued *bearer.Service }

func (b both) Verify(ctx context.Context, token string) (*host.Principal, error) {
	if bearer.Looks(token) {
		return b.issued.Verify(ctx, token)
	}
	return tokens{}.Verify(ctx, token)
}

// upWith serves the surface to callers with tokens of the issuers.
func upWith(t *testing.T, issuers ...bearer.Issuer) string {
	t.Helper()
	protocol, err := mcp.New(mcp.Config{Pipeline: twoTools{}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0") // what tokens are made out to has to be known before
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + ln.Addr().String()
	issued, err := bearer.New(bearer.Config{Issuers: issuers, Resource: base + "/mcp"})
	if err != nil {
		t.Fatal(err)
	}
	signIn, err := authapi.New(authapi.Config{BaseURL: base, Issuers: issued})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := signIn.Surface()
	if err != nil {
		t.Fatal(err)
	}
	s := Surface(Config{Handler: protocol, Insufficient: signIn.Insufficient, ToolScopes: func(_ context.Context, tool string) []host.Scope {
		if tool == change.Name {
			return []host.Scope{host.ScopeWriteTools}
		}
		return []host.Scope{host.ScopeReadTools}
	}})
	s.Challenges = signIn.Challenge
	server, err := web.New(web.Config{Auth: both{issued}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []web.Surface{metadata, s} {
		if err := server.Mount(x); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	t.Cleanup(func() {
		end, free := context.WithTimeout(context.Background(), 8*time.Second)
		defer free()
		http.DefaultClient.CloseIdleConnections()
		err := protocol.Close(end)
		cancel()
		if err := errors.Join(err, <-done, issued.Close()); err != nil {
			t.Error(err)
		}
	})
	return base
}

// post sends one message and returns status, challenge and body.
func post(t *testing.T, url, token, body string, header ...string) (int, string, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for n := 0; n+1 < len(header); n += 2 {
		req.Header.Set(header[n], header[n+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate"), string(text)
}

// challenge reads a WWW-Authenticate header as the official SDK does.
func challenge(t *testing.T, header string) map[string]string {
	t.Helper()
	all, err := oauthex.ParseWWWAuthenticate([]string{header})
	if err != nil || len(all) != 1 || all[0].Scheme != "bearer" {
		t.Fatalf("got %v %v of %q", all, err, header)
	}
	return all[0].Params
}

func TestClientsAreToldWhereToSignIn(t *testing.T) {
	i := bearertest.New(t)
	base := upWith(t, bearer.Issuer{URL: i.URL})
	const list = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	for _, path := range []string{"/mcp", "/mcp/"} {
		t.Run(path+" names its metadata, and the metadata names it", func(t *testing.T) {
			status, header, _ := post(t, base+path, "", list)
			c := challenge(t, header)
			if status != 401 || c["error"] != "" || c["scope"] != "read:tools write:tools read:data" {
				t.Errorf("got %d %v", status, c)
			}
			// The SDK holds the document against RFC 9728, section 3.3.
			prm, err := oauthex.GetProtectedResourceMetadata(t.Context(), c["resource_metadata"], base+path, http.DefaultClient)
			if err != nil {
				t.Fatal(err)
			}
			if prm.Resource != base+path || len(prm.AuthorizationServers) != 1 || prm.AuthorizationServers[0] != i.URL ||
				strings.Join(prm.ScopesSupported, " ") != "read:tools write:tools read:data chat" || strings.Join(prm.BearerMethodsSupported, " ") != "header" {
				t.Errorf("got %+v", prm)
			}
		})
	}
	t.Run("a client that looks at the root only finds it too", func(t *testing.T) {
		resp, err := http.Get(base + "/.well-known/oauth-protected-resource")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var doc map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != 200 || doc["resource"] != base+"/mcp" {
			t.Errorf("got %d %v %v", resp.StatusCode, doc, err)
		}
	})
	for name, token := range map[string]string{
		"expired":             i.Token(t, bearertest.Claims{"aud": base + "/mcp", "exp": 1}),
		"for somebody else":   i.Token(t, bearertest.Claims{"aud": "https://other.example"}),
		"of another issuer":   bearertest.New(t).Token(t, bearertest.Claims{"aud": base + "/mcp"}),
		"a key that is wrong": "sk-org-nobody",
	} {
		t.Run("a credential that is "+name+" is 401 invalid_token", func(t *testing.T) {
			status, header, body := post(t, base+"/mcp", token, list)
			if c := challenge(t, header); status != 401 || c["error"] != "invalid_token" || !strings.Contains(body, `"UNAUTHENTICATED"`) {
				t.Errorf("got %d %v %s", status, c, body)
			}
		})
	}
	t.Run("a good token in the query string is 401", func(t *testing.T) {
		good := i.Token(t, bearertest.Claims{"aud": base + "/mcp", "scope": "read:tools"})
		for _, token := range []string{"", good} {
			status, _, body := post(t, base+"/mcp?access_token="+good, token, list)
			if status != 401 || !strings.Contains(body, "query string") {
				t.Errorf("got %d %s", status, body)
			}
		}
	})
	t.Run("without issuers there is no metadata, and the challenge names none", func(t *testing.T) {
		plain, _ := up(t)
		status, header, _ := post(t, plain+"/mcp", "", list)
		if status != 401 || strings.Contains(header, "resource_metadata") {
			t.Errorf("got %d %q", status, header)
		}
		resp, err := http.Get(plain + "/.well-known/oauth-protected-resource/mcp")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 404 {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
}

func TestTooLittleScope(t *testing.T) {
	i := bearertest.New(t)
	base := upWith(t, bearer.Issuer{URL: i.URL})
	with := func(scope string) string {
		return i.Token(t, bearertest.Claims{"aud": base + "/mcp", "scope": scope})
	}
	call := func(tool string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","_meta":{` +
			`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	}
	modern := func(method, name string) []string {
		return []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method, "Mcp-Name", name}
	}
	for _, c := range []struct {
		name, scope, body string
		header            []string
		want              string // of the challenge; empty where there is none
	}{
		{"a tool that changes things, from the headers", "read:tools", call("change"), modern("tools/call", "change"), "read:tools write:tools"},
		{"a tool that changes things, from a name that is encoded", "read:tools", call("change"), modern("tools/call", "=?base64?Y2hhbmdl?="), "read:tools write:tools"},
		{"a tool that changes things, from the body", "read:tools read:data", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"change"}}`, nil, "read:tools read:data write:tools"},
		{"a tool that reads, without any scope", "", call("whoami"), modern("tools/call", "whoami"), "read:tools"},
		{"a list, with nothing that could be on it", "chat", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil, "chat read:tools read:data"},
		{"a prompt, with data only", "read:data", `{"jsonrpc":"2.0","id":1,"method":"prompts/get","params":{"name":"x"}}`, nil, "read:data read:tools"},
		{"a tool that reads", "read:tools", call("whoami"), modern("tools/call", "whoami"), ""},
		{"a tool that changes things, with the scope", "write:tools read:data", call("change"), modern("tools/call", "change"), ""},
		{"a list, with data only", "read:data", `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, header, body := post(t, base+"/mcp", with(c.scope), c.body, c.header...)
			if c.want == "" {
				if status != 200 || header != "" || strings.Contains(body, "isError") {
					t.Errorf("got %d %q %s", status, header, body)
				}
				return
			}
			got := challenge(t, header)
			if status != 403 || got["error"] != "insufficient_scope" || got["resource_metadata"] != base+"/.well-known/oauth-protected-resource/mcp" ||
				!sameWords(got["scope"], c.want) || !strings.Contains(body, `"FORBIDDEN"`) {
				t.Errorf("got %d %v %s", status, got, body)
			}
		})
	}
	t.Run("a header that lies about the tool gains nothing", func(t *testing.T) {
		status, _, body := post(t, base+"/mcp", with("read:tools"), call("change"), modern("tools/call", "whoami")...)
		if status != 400 || !strings.Contains(body, "-32020") {
			t.Errorf("got %d %s", status, body)
		}
	})
	t.Run("what the issuer cannot give is not asked for", func(t *testing.T) {
		narrow := upWith(t, bearer.Issuer{URL: i.URL, Scopes: map[string][]host.Scope{"look": {host.ScopeReadTools}}})
		token := i.Token(t, bearertest.Claims{"aud": narrow + "/mcp", "scope": "look"})
		status, header, body := post(t, narrow+"/mcp", token, call("change"), modern("tools/call", "change")...)
		if status != 200 || header != "" || !strings.Contains(body, "FORBIDDEN") {
			t.Errorf("got %d %q %s", status, header, body)
		}
	})
}

func sameWords(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// authorizer is the rest of an issuer: it agrees to everything that it is asked for.
type authorizer struct {
	issuer *bearertest.Issuer
	t      *testing.T

	mu    sync.Mutex
	asked []url.Values // at the authorization endpoint
}

// fetch stands for the person and the browser.
func (a *authorizer) fetch(_ context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	u, err := url.Parse(args.URL)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, u.Query())
	return &auth.AuthorizationResult{Code: "code", State: u.Query().Get("state")}, nil
}

// token is the token endpoint: what was agreed to, made out to the resource that the client named.
func (a *authorizer) token(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	last := a.asked[len(a.asked)-1]
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"token_type": "Bearer", "expires_in": 3600, "scope": last.Get("scope"),
		"access_token": a.issuer.Token(a.t, bearertest.Claims{"aud": r.FormValue("resource"), "scope": last.Get("scope")})})
}

// TestOfficialClientSignsIn is the whole way of the official client, from the first 401 to the tool,
// and up to more scopes; only the person is played.
func TestOfficialClientSignsIn(t *testing.T) {
	for _, path := range []string{"/mcp", "/mcp/"} {
		for _, version := range []string{"2025-11-25", "2026-07-28"} {
			t.Run(version+" at "+path, func(t *testing.T) {
				i := bearertest.New(t)
				a := &authorizer{issuer: i, t: t}
				i.Handle("POST /token", a.token)
				base := upWith(t, bearer.Issuer{URL: i.URL})
				own := &http.Client{Transport: &http.Transport{}}
				t.Cleanup(own.CloseIdleConnections)
				h, err := auth.NewAuthorizationCodeHandler(&auth.AuthorizationCodeHandlerConfig{
					PreregisteredClient: &oauthex.ClientCredentials{ClientID: "client"}, Client: own,
					RedirectURL: "http://127.0.0.1:1/callback", AuthorizationCodeFetcher: a.fetch,
					// At first it asks for less than it is told, to be told again.
					ScopeFilter: func(told []string) []string {
						if len(told) == 3 {
							return []string{"read:tools"}
						}
						return told
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
				cs, err := c.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: base + path, OAuthHandler: h, HTTPClient: own, MaxRetries: -1},
					&sdk.ClientSessionOptions{ProtocolVersion: version})
				if err != nil {
					t.Fatal(err)
				}
				defer cs.Close()
				for n, tool := range []string{whoami.Name, change.Name} {
					r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: tool})
					if err != nil {
						t.Fatalf("%s: %v", tool, err)
					}
					if got := r.Content[0].(*sdk.TextContent).Text; r.IsError || got != "default" {
						t.Fatalf("%s: got %s", tool, got)
					}
					if len(a.asked) != n+1 || a.asked[n].Get("resource") != base+path || a.asked[n].Get("code_challenge_method") != "S256" {
						t.Fatalf("%s: asked %v", tool, a.asked)
					}
				}
				if got := a.asked[1].Get("scope"); !sameWords(got, "read:tools write:tools") {
					t.Errorf("asked for %q", got)
				}
			})
		}
	}
}
