// Copyright 2026 The Gantry Authors.

package driveapi_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/driveapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// keyring makes a principal of a token: its tenant and its scopes, such as "acme;read:data".
func keyring(token string) *host.Principal {
	tenant, scopes, _ := strings.Cut(token, ";")
	p := &host.Principal{Tenant: host.TenantID(tenant), Kind: host.KindOrg}
	var err error
	if p.Scopes, err = host.ParseScopes(scopes); err != nil {
		return nil
	}
	if tenant == "space" {
		p.Kind = host.KindWorkspace
	}
	return p
}

const (
	all    = "acme;read:data,write:tools"
	reads  = "acme;read:data"
	writes = "acme;write:tools"
	other  = "other;read:data"
)

func serve(t *testing.T) string {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	docs, err := drive.New(drive.Config{Store: st, Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docs.Close() })
	surface, err := driveapi.New(docs)
	if err != nil {
		t.Fatal(err)
	}
	s := webtest.Server(t, web.Config{Auth: webtest.Tokens(keyring), Logger: slog.New(slog.DiscardHandler)}, surface)
	if err := s.MountOpenAPI("/openapi.json", web.Info{Title: "t", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	return "http://" + webtest.Serve(t, s)
}

// answer is what came back.
type answer struct{ webtest.Answer }

func do(t *testing.T, token, method, url, body string, headers ...string) answer {
	t.Helper()
	return answer{webtest.Do(t, &webtest.Request{Method: method, URL: url, Token: token, Body: body, Headers: headers})}
}

func (a answer) want(t *testing.T, status int, holds ...string) answer {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%s %s: got %d, want %d: %s", a.Request.Method, a.Request.URL, a.StatusCode, status, a.Body)
	}
	for _, h := range holds {
		if !strings.Contains(a.Body, h) {
			t.Errorf("%s %s: %q is not in %s", a.Request.Method, a.Request.URL, h, a.Body)
		}
	}
	return a
}

func TestADocumentsLife(t *testing.T) {
	base := serve(t) + "/api/v1/drive"
	url := base + "/documents/policies/2026/refund%20policy.md"
	first := do(t, all, "PUT", url+"?tags=policy,Money", "# Refunds\nTen days.\n", "Content-Type", "text/markdown", "If-None-Match", "*").
		want(t, 200, `"path":"policies/2026/refund policy.md"`, `"title":"Refunds"`, `"tags":["money","policy"]`)
	etag := first.Header.Get("ETag")
	do(t, all, "PUT", url, "x", "If-None-Match", "*").want(t, 409, "CONFLICT", "revision")
	do(t, all, "PUT", url, "x", "If-Match", `"999999999"`).want(t, 409, "CONFLICT")
	do(t, reads, "GET", url, "").want(t, 200, `"text":"# Refunds\nTen days.\n"`, `"line":1`)
	do(t, reads, "GET", strings.ReplaceAll(url, "policies/2026/", "policies%2F2026%2F")+"?offset=10&limit=3", "").want(t, 200, `"text":"Ten"`, `"line":2`, `"next":13`)
	src := do(t, reads, "GET", url+"?form=source", "").want(t, 200)
	if src.Body != "# Refunds\nTen days.\n" || src.Header.Get("ETag") != etag || !strings.HasPrefix(src.Header.Get("Content-Type"), "text/markdown") {
		t.Errorf("got %q, %v", src.Body, src.Header)
	}
	do(t, reads, "GET", base+"/search?q=refunding&under=policies&tags=money", "").want(t, 200, `"total":1`, `"snippets":[{`)
	do(t, other, "GET", base+"/search?q=refund", "").want(t, 200, `"hits":[],"total":0`)
	do(t, other, "GET", url, "").want(t, 404, "NOT_FOUND")
	do(t, reads, "GET", base+"/documents?prefix=policies/", "").want(t, 200, `"documents":[{"path":"policies/2026/refund policy.md"`)
	do(t, all, "DELETE", url, "", "If-Match", etag).want(t, 204)
	do(t, all, "DELETE", url, "").want(t, 404, "NOT_FOUND")
	do(t, reads, "GET", base+"/documents", "").want(t, 200, `{"documents":[]}`)
}

func TestAJSONBodyIsADocument(t *testing.T) {
	base := serve(t) + "/api/v1/drive"
	body := func(v map[string]any) string { data, _ := json.Marshal(v); return string(data) }
	do(t, all, "POST", base+"/documents", body(map[string]any{"path": "a.html", "text": "<h1>Hi</h1>", "title": "T", "tags": []string{"x"}}),
		"Content-Type", "application/json").want(t, 200, `"media_type":"text/html"`, `"title":"T"`, `"size":4`)
	do(t, all, "POST", base+"/documents", body(map[string]any{"path": "long", "text": strings.Repeat("long ", 400_000)}),
		"Content-Type", "application/json").want(t, 200, `"size":2000000`)
	do(t, all, "POST", base+"/documents", `{"path":"a","body":"x"}`, "Content-Type", "application/json").want(t, 422, "body: is not a field")
	do(t, all, "POST", base+"/documents", `{"path":"../a","text":"x"}`, "Content-Type", "application/json").want(t, 422, "has .. in it")
	do(t, all, "POST", base+"/documents", "x", "Content-Type", "text/plain").want(t, 422, "application/json")
}

func TestScopes(t *testing.T) {
	base := serve(t) + "/api/v1/drive"
	do(t, reads, "PUT", base+"/documents/a", "x").want(t, 403, "lacks the scope write:tools")
	do(t, reads, "DELETE", base+"/documents/a", "").want(t, 403, "lacks the scope write:tools")
	do(t, writes, "GET", base+"/documents", "").want(t, 403, "lacks the scope read:data")
	do(t, writes, "PUT", base+"/documents/a", "x").want(t, 403, "lacks the scope read:data")
	do(t, "space;read:data,write:tools", "GET", base+"/documents", "").want(t, 403, "workspace")
	for name, c := range map[string]struct{ method, path, says string }{
		"a number that is none":  {"GET", "/documents?limit=x", "limit: has to be a whole number"},
		"a form that is none":    {"GET", "/documents/a?form=x", "not text or source"},
		"a query without words":  {"GET", "/search?q=", "query has no words"},
		"a media type of images": {"PUT", "/documents/a.png", "image/png is not text"},
	} {
		t.Run(name, func(t *testing.T) {
			do(t, all, c.method, base+c.path, "x", "Content-Type", "image/png").want(t, 422, "INVALID_ARG", c.says)
		})
	}
}

// TestOpenAPISaysWhatComes holds real answers against the schemas of the document.
func TestOpenAPISaysWhatComes(t *testing.T) {
	base := serve(t)
	do(t, all, "PUT", base+"/api/v1/drive/documents/a/b.md", "# Hello\nworld\n").want(t, 200)
	var doc struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Content map[string]struct{ Schema json.RawMessage }
			}
		}
	}
	raw := do(t, reads, "GET", base+"/openapi.json", "").want(t, 200)
	if err := json.Unmarshal([]byte(raw.Body), &doc); err != nil {
		t.Fatal(err)
	}
	for path, get := range map[string]string{
		"/api/v1/drive/documents": "/api/v1/drive/documents", "/api/v1/drive/documents/{path}": "/api/v1/drive/documents/a/b.md",
		"/api/v1/drive/search": "/api/v1/drive/search?q=world",
	} {
		s := doc.Paths[path]["get"].Responses["200"].Content["application/json"].Schema
		check, err := schema.Compile(s)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		got := do(t, reads, "GET", base+get, "").want(t, 200)
		if err := check.Check([]byte(got.Body)); err != nil {
			t.Errorf("%s: %v: %s", path, err, got.Body)
		}
	}
}
