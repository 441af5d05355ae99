// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/host/bearer/bearertest"
	"github.com/gantryhost/gantry/host/web/healthapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

// serveSettings are those of a serve command with a settings file and flags.
func serveSettings(t *testing.T, file string, args ...string) (*settings, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "g.yaml")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &settings{}
	cmd := newServe(s)
	root := newRoot(stdio{strings.NewReader(""), io.Discard, io.Discard})
	old, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	root.RemoveCommand(old)
	root.AddCommand(cmd)
	s.bind(cmd.Flags())
	if err := cmd.ParseFlags(append([]string{"--config", path, "--data", filepath.Join(dir, "data")}, args...)); err != nil {
		return nil, err
	}
	return s, s.fill(cmd, func(string) (string, bool) { return "", false })
}

func TestIssuersInSettings(t *testing.T) {
	t.Run("the short form has every default", func(t *testing.T) {
		s, err := serveSettings(t, "issuers: [https://a.example, https://b.example]\n")
		if err != nil || len(s.Issuers) != 2 || s.Issuers[1].URL != "https://b.example" || s.Issuers.String() != "https://a.example,https://b.example" {
			t.Errorf("got %+v %v", s, err)
		}
	})
	t.Run("the file says what tokens mean", func(t *testing.T) {
		s, err := serveSettings(t, "issuers:\n  - issuer: https://a.example\n    tenant: acme\n    scopes: {use: [read:tools, chat]}\n")
		if err != nil || len(s.Issuers) != 1 || s.Issuers[0].Tenant != "acme" || len(s.Issuers[0].Scopes["use"]) != 2 {
			t.Errorf("got %+v %v", s.Issuers, err)
		}
	})
	for name, c := range map[string]struct {
		file, words string
		args        []string
	}{
		"a field that is none":                    {"issuers:\n  - issuer: https://a.example\n    tennant: acme\n", "issuers[0].tennant", nil},
		"a list of what is no list":               {"issuers:\n  - issuer: https://a.example\n    scopes: {use: 7}\n", "issuers[0].scopes.use", nil},
		"an issuer without knowing our name":      {"", "name it with --public-url", []string{"--listen", "0.0.0.0:0", "--issuers", "https://a.example"}},
		"an issuer of JSON that is none of flags": {"", "issuers", []string{"--issuers", "[{]"}},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if _, err := serveSettings(t, c.file, c.args...); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v, want %q", err, c.words)
			}
		})
	}
}

// TestHostWithIssuers wires the whole host, one issuer being up and one down.
func TestHostWithIssuers(t *testing.T) {
	up := bearertest.New(t)
	const base = "https://gantry.example"
	s, err := serveSettings(t, "issuers:\n  - {issuer: "+up.URL+", tenant: acme}\n  - {issuer: 'http://127.0.0.1:1', tenant: beta}\n",
		"--public-url", base)
	if err != nil {
		t.Fatal(err)
	}
	if cache := os.Getenv("GANTRY_TEST_CACHE"); cache != "" {
		s.Cache = cache
	}
	dir, err := holdDataDir(s.Data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(dir.release)
	a, err := openApp(t.Context(), s, dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.close(context.WithoutCancel(t.Context())) })
	server, err := a.surfaces()
	if err != nil {
		t.Fatal(err)
	}
	addr := webtest.Serve(t, server)

	get := func(path, token string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.Header.Set("Authorization", "Bearer "+token)
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
		return resp.StatusCode, resp.Header, string(body)
	}

	t.Run("a token is good for the REST surface too", func(t *testing.T) {
		status, _, body := get("/mcp/manifest", up.Token(t, bearertest.Claims{"aud": base + "/mcp", "scope": "read:tools"}))
		if status != 200 || !strings.Contains(body, "text_hash") || strings.Contains(body, "http_request") {
			t.Errorf("got %d %s", status, body)
		}
	})
	t.Run("a refusal names the metadata under the public name", func(t *testing.T) {
		status, header, _ := get("/mcp/manifest", "")
		if got := header.Get("WWW-Authenticate"); status != 401 || !strings.Contains(got, `resource_metadata="`+base+`/.well-known/oauth-protected-resource/mcp"`) {
			t.Errorf("got %d %q", status, got)
		}
	})
	t.Run("the metadata names both issuers", func(t *testing.T) {
		_, _, body := get("/.well-known/oauth-protected-resource/mcp", "")
		var doc struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
		}
		if err := json.Unmarshal([]byte(body), &doc); err != nil || doc.Resource != base+"/mcp" || len(doc.Servers) != 2 {
			t.Errorf("got %s %v", body, err)
		}
	})
	t.Run("tokens of the issuer that is down are told to come again", func(t *testing.T) {
		status, header, body := get("/mcp/manifest", up.Token(t, bearertest.Claims{"iss": "http://127.0.0.1:1", "aud": base + "/mcp"}))
		if status != 503 || header.Get("Retry-After") == "" {
			t.Errorf("got %d %v %s", status, header, body)
		}
	})
	t.Run("readiness and doctor tell of the issuer that is down, and the host serves", func(t *testing.T) {
		status, _, body := get("/readyz", "")
		if status != 200 || !strings.Contains(body, `"issuers":{"state":"`+healthapi.Degraded) || strings.Contains(body, "refused\"") {
			t.Errorf("got %d %s", status, body)
		}
		states := map[string]int{}
		for _, c := range a.checks(t.Context()) {
			if c.Name == "issuer" {
				states[c.State]++
			}
		}
		if states[checkOK] != 1 || states[checkWarn] != 1 {
			t.Errorf("got %v", states)
		}
	})
}
