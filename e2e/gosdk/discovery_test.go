// Copyright 2026 The Gantry Authors.

//go:build e2e

package gosdk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// eras are a version with sessions and the one without.
var eras = []string{"2025-11-25", newest}

// newFailing serves the shipped plugins and one whose tools fail.
func newFailing(t *testing.T, extra ...string) *gantrytest.Host {
	h := gantrytest.New(t)
	h.Extra = extra
	gantrytest.BuildPlugin(t, "e2e/gosdk/testdata/failing", filepath.Join(h.Plugins, "failing.wasm"), "-s -w")
	h.Put("failing.yaml", []byte("limits:\n  wall: 500ms\n"))
	h.Start()
	return h
}

func orgKey(h *gantrytest.Host, more ...string) string {
	return h.Token(append([]string{"--kind", "org", "--tenant", "acme", "--user", "ann", "--scopes", "read:tools,write:tools"}, more...)...)
}

func callTool(t *testing.T, cs *sdk.ClientSession, tool string, args any) (string, *sdk.CallToolResult) {
	t.Helper()
	r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	return text(t, r, err), r
}

type object = map[string]any

func TestSearchAndCall(t *testing.T) {
	t.Parallel()
	h := newFailing(t, "--page-size", "3")
	all, lean := orgKey(h), orgKey(h, "--tools", "meta")
	for _, era := range versions {
		t.Run(era, func(t *testing.T) {
			cs, meta := dial(t, h, all, era, nil), dial(t, h, lean, era, nil)
			t.Run("lists every tool once over the pages", func(t *testing.T) {
				var seen []string
				for tool, err := range cs.Tools(t.Context(), nil) {
					if err != nil {
						t.Fatal(err)
					}
					seen = append(seen, tool.Name)
				}
				if first := names(t, cs); len(first) != 3 {
					t.Errorf("a page has %v", first)
				}
				if !slices.IsSorted(seen) || len(slices.Compact(slices.Clone(seen))) != len(seen) || !slices.Contains(seen, "text_hash") || !slices.Contains(seen, "search_tools") {
					t.Errorf("the tools are %v", seen)
				}
			})
			t.Run("lists the host's own tools alone for a key that says so", func(t *testing.T) {
				if got := names(t, meta); !slices.Equal(got, []string{"call_tool", "search_tools"}) {
					t.Errorf("the tools are %v", got)
				}
			})
			t.Run("finds a tool and calls it", func(t *testing.T) {
				var page struct {
					Tools []struct{ Name string }
				}
				said, _ := callTool(t, meta, "search_tools", object{"query": "hashing some text", "limit": 1})
				if err := json.Unmarshal([]byte(said), &page); err != nil || len(page.Tools) != 1 || page.Tools[0].Name != "text_hash" {
					t.Fatalf("got %s (%v)", said, err)
				}
				got, _ := callTool(t, meta, "call_tool", object{"name": page.Tools[0].Name, "arguments": object{"text": "gantry"}})
				if want, _ := callTool(t, cs, "text_hash", object{"text": "gantry"}); got != want || !hash.MatchString(got) {
					t.Errorf("got %s, want %s", got, want)
				}
			})
			t.Run("fails as the tool does", func(t *testing.T) {
				got, r := callTool(t, meta, "call_tool", object{"name": "text_hash", "arguments": object{"txt": 1}})
				if want, _ := callTool(t, cs, "text_hash", object{"txt": 1}); got != want || !r.IsError {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		})
	}
}

// TestRealFailures holds what real plugins fail with to the form of a ToolError.
func TestRealFailures(t *testing.T) {
	t.Parallel()
	h := newFailing(t)
	for _, extra := range []string{"", "--no-hot-path"} {
		if extra != "" {
			h.Stop()
			h.Extra = []string{extra}
			h.Start()
		}
		key := orgKey(h)
		for _, era := range eras {
			t.Run(era+" "+extra, func(t *testing.T) { failures(t, dial(t, h, key, era, nil)) })
		}
	}
}

func failures(t *testing.T, cs *sdk.ClientSession) {
	toolError := func(t *testing.T, tool string, args any) (e abi.Error) {
		t.Helper()
		said, r := callTool(t, cs, tool, args)
		dec := json.NewDecoder(strings.NewReader(said))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil || !r.IsError || e.Message == "" {
			t.Fatalf("%s of %s is no ToolError (isError %t): %v", said, tool, r.IsError, err)
		}
		return e
	}
	for _, code := range []abi.Code{"UNAUTHENTICATED", "UNKNOWN_SERVICE", "INVALID_ARG", "NOT_FOUND", "UPSTREAM_ERROR", "UNKNOWN_TOOL"} {
		for _, retry := range []bool{false, true} {
			e := toolError(t, "fail_with", object{"code": code, "retry": retry})
			if e.Code != code || e.Retryable != retry || e.Message != "what went wrong" || e.Hint != "what to do" || string(e.Details) != `{"field":"code"}` {
				t.Errorf("%s: got %+v with details %s", code, e, e.Details)
			}
		}
	}
	for tool, want := range map[string]abi.Code{"fail_plainly": "TOOL_ERROR", "fail_by_panic": abi.CodeTrap, "fail_by_time": abi.CodeDeadline} {
		if e := toolError(t, tool, object{}); e.Code != want {
			t.Errorf("%s: got %+v, want %s", tool, e, want)
		}
	}
	if e := toolError(t, "text_hash", object{"algo": "crc"}); e.Code != abi.CodeInvalidArg || len(e.Details) == 0 {
		t.Errorf("got %+v with details %s", e, e.Details)
	}
	if e := toolError(t, "fetch", object{"url": "http://127.0.0.1:1/"}); e.Code != abi.CodeForbidden {
		t.Errorf("got %+v", e)
	}
}

// post sends a tools/list, or what else is given, as a client of the era does before it has a session.
func post(t *testing.T, h *gantrytest.Host, era, authorization, method, params string) (*http.Response, string) {
	t.Helper()
	body := fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, params)
	header := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if era == newest {
		meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
		if params != "" {
			meta = params + "," + meta
		}
		body = fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":{%s}}`, method, meta)
		header.Set("Mcp-Protocol-Version", newest)
		header.Set("Mcp-Method", method)
		var named struct{ Name string }
		if json.Unmarshal([]byte("{"+params+"}"), &named) == nil && named.Name != "" {
			header.Set("Mcp-Name", named.Name)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", h.URL+"/mcp/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if req.Header = header; authorization != "" {
		header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if method == "subscriptions/listen" && resp.StatusCode == http.StatusOK {
		return resp, ""
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
}

// TestCredentials is what no conformance suite tests: what a server says to whom it does not let in.
func TestCredentials(t *testing.T) {
	t.Parallel()
	h := newFailing(t)
	revoked, revokedID := orgKey(h), ""
	var listed []struct{ ID string }
	out, err := h.CLI("token", "list", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &listed)
	}
	if err != nil || len(listed) != 1 {
		t.Fatalf("%s (%v)", out, err)
	}
	revokedID = listed[0].ID
	if _, err := h.CLI("token", "revoke", revokedID); err != nil {
		t.Fatal(err)
	}
	expired := orgKey(h, "--expires", "1s")
	time.Sleep(1500 * time.Millisecond) // the shortest that a key can be good for, and a little
	good := orgKey(h)
	t.Run("answers 403 to a page of elsewhere, and to a name that is not this host's", func(t *testing.T) {
		for header, value := range map[string]string{"Origin": "https://evil.example", "Host": "evil.example"} {
			status, body, err := from(h.URL, good, header, value)
			if err != nil || status != http.StatusForbidden || !strings.Contains(body, `"FORBIDDEN"`) || !strings.Contains(body, "evil.example") {
				t.Errorf("%s: got %d %s (%v)", header, status, body, err)
			}
		}
	})
	for _, era := range eras {
		for name, authorization := range map[string]string{
			"a missing key":         "",
			"another scheme":        "Basic YTpi",
			"a scheme and no key":   "Bearer",
			"a key with a blank":    "Bearer sk-org-a b",
			"a key of another form": "Bearer whatever",
			"an unknown key":        "Bearer sk-org-" + strings.Repeat("a", len(good)-len("sk-org-")),
			"a key that was cut":    "Bearer " + good[:len(good)-1],
			"an expired key":        "Bearer " + expired,
			"a revoked key":         "Bearer " + revoked,
		} {
			t.Run(era+" answers 401 to "+name, func(t *testing.T) {
				method := map[bool]string{true: "tools/list", false: "initialize"}[era == newest]
				resp, body := post(t, h, era, authorization, method, "")
				var e struct {
					Error struct{ Data abi.Error }
				}
				if err := json.Unmarshal([]byte(body), &e); err != nil || resp.StatusCode != http.StatusUnauthorized ||
					e.Error.Data.Code != abi.CodeUnauthenticated || e.Error.Data.Hint == "" || e.Error.Data.Retryable {
					t.Errorf("got %d %s (%v)", resp.StatusCode, body, err)
				}
				if got := resp.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, "Bearer") {
					t.Errorf("got WWW-Authenticate %q", got)
				}
				if secret := strings.TrimPrefix(authorization, "Bearer "); len(secret) > 20 && strings.Contains(body, secret) {
					t.Errorf("the answer repeats the key: %s", body)
				}
			})
		}
		t.Run(era+" names the scope that is missing", func(t *testing.T) {
			for scopes, missing := range map[string]string{"read:tools": "write:tools", "chat": "read:tools"} {
				cs := dial(t, h, h.Token("--tenant", "acme", "--scopes", scopes), era, nil)
				said, r := callTool(t, cs, "http_request", object{"method": "GET", "url": "https://example.com"})
				var e abi.Error
				if err := json.Unmarshal([]byte(said), &e); err != nil || !r.IsError || e.Code != abi.CodeForbidden || !strings.Contains(e.Message, missing) {
					t.Errorf("%s: got %s (%v)", scopes, said, err)
				}
			}
		})
		t.Run(era+" shows an admin key without tool scopes nothing", func(t *testing.T) {
			if got := names(t, dial(t, h, h.Token("--kind", "admin"), era, nil)); len(got) != 0 {
				t.Errorf("it sees %v", got)
			}
		})
		t.Run(era+" shows a workspace none of the organisation's own tools", func(t *testing.T) {
			if got := names(t, dial(t, h, h.Token("--kind", "workspace", "--workspace", "w"), era, nil)); slices.Contains(got, "search_tools") {
				t.Errorf("it sees %v", got)
			}
		})
	}
}

// from asks for the tools with a header that a browser would send.
func from(url, key, header, value string) (int, string, error) {
	req, err := http.NewRequest("POST", url+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err != nil {
		return 0, "", err
	}
	req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}, "Accept": {"application/json, text/event-stream"}}
	if req.Header.Set(header, value); header == "Host" {
		req.Host = value
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body), err
}

func TestRevokedKeyEndsItsStreams(t *testing.T) {
	t.Parallel()
	h := newFailing(t)
	key := orgKey(h)
	var listed []struct{ ID string }
	out, err := h.CLI("token", "list", "--json")
	if err == nil {
		err = json.Unmarshal([]byte(out), &listed)
	}
	if err != nil || len(listed) != 1 {
		t.Fatalf("%s (%v)", out, err)
	}
	hello, _ := post(t, h, "2025-11-25", "Bearer "+key, "initialize", `"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"e2e","version":"1"}`)
	req, err := http.NewRequest("GET", h.URL+"/mcp", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"Bearer " + key}, "Accept": {"text/event-stream"}, "Mcp-Session-Id": {hello.Header.Get("Mcp-Session-Id")}}
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	changes, _ := post(t, h, newest, "Bearer "+key, "subscriptions/listen", `"notifications":{"toolsListChanged":true}`)
	if line, err := bufio.NewReader(changes.Body).ReadString('\n'); err != nil {
		t.Fatalf("%q (%v)", line, err)
	}
	if stream.StatusCode != http.StatusOK || changes.StatusCode != http.StatusOK {
		t.Fatalf("got %d and %d", stream.StatusCode, changes.StatusCode)
	}
	if _, err := h.CLI("token", "revoke", listed[0].ID); err != nil {
		t.Fatal(err)
	}
	for name, resp := range map[string]*http.Response{"the session's stream": stream, "the change stream": changes} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, resp.Body) // that it ends is what counts
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Errorf("%s stays open", name)
		}
	}
}

// TestClientsOutliveARestart: neither an operator's restart nor kill -9 costs a client its session.
func TestClientsOutliveARestart(t *testing.T) {
	t.Parallel()
	h := newFailing(t)
	key := orgKey(h)
	clients := map[string]*sdk.ClientSession{}
	for _, version := range versions {
		clients[version] = dial(t, h, key, version, nil)
	}
	for name, end := range map[string]func(){"a restart": func() { h.Stop() }, "kill -9": h.Kill} {
		end()
		h.Start()
		for _, version := range versions {
			t.Run(version+" calls and lists after "+name, func(t *testing.T) {
				for range 2 {
					if got, _ := callTool(t, clients[version], "text_hash", object{"text": "gantry"}); !hash.MatchString(got) {
						t.Errorf("got %s", got)
					}
				}
				if got := names(t, clients[version]); !slices.Contains(got, "text_hash") {
					t.Errorf("the tools are %v", got)
				}
			})
		}
	}
}

func TestInfoForSnippets(t *testing.T) {
	t.Parallel()
	h := newFailing(t, "--public-url", "https://gantry.example/host", "--server-name", "acme-coworker")
	resp, err := http.Get(h.URL + "/api/v1/mcp/info")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got struct {
		URL        string `json:"url"`
		ServerName string `json:"server_name"`
		Example    struct {
			Servers map[string]struct{ URL string } `json:"mcpServers"`
		} `json:"example_config"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	const want = "https://gantry.example/host/mcp/"
	if got.URL != want || got.ServerName != "acme-coworker" || got.Example.Servers["acme-coworker"].URL != want {
		t.Errorf("got %+v", got)
	}
	cs := dial(t, h, orgKey(h), newest, nil)
	if info := cs.InitializeResult().ServerInfo; info.Name != "acme-coworker" {
		t.Errorf("the server calls itself %+v", info)
	}
}
