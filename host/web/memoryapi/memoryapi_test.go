// Copyright 2026 The Gantry Authors.

package memoryapi_test

import (
	"encoding/json"
	"flag"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/memory"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/memoryapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { webtest.Main(m) }

var _ memoryapi.Memory = (*memory.Service)(nil)

// tokens knows "<tenant>-<user>-<kind>".
func tokens(token string) *host.Principal {
	parts := strings.Split(token, "-")
	if len(parts) != 3 {
		return nil
	}
	p := &host.Principal{Tenant: host.TenantID(parts[0]), User: parts[1], Kind: host.KindOrg, Scopes: host.AllScopes()}
	switch parts[2] {
	case "reader":
		p.Scopes = []host.Scope{host.ScopeReadData, host.ScopeReadTools}
	case "tools":
		p.Scopes = []host.Scope{host.ScopeWriteTools, host.ScopeAdmin}
	case "workspace":
		p.Kind = host.KindWorkspace
	}
	return p
}

func serve(t *testing.T) (*web.Server, string) {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	service, err := memory.New(memory.Config{Store: st, Clock: webtest.Still{}})
	if err != nil {
		t.Fatal(err)
	}
	surface, err := memoryapi.New(service)
	if err != nil {
		t.Fatal(err)
	}
	s := webtest.Server(t, web.Config{Auth: webtest.Tokens(tokens)}, surface)
	return s, webtest.Serve(t, s)
}

func TestTalks(t *testing.T) {
	for _, talk := range []string{"life", "refused"} {
		_, addr := serve(t) // revisions count the writes of a store
		webtest.Talks(t, addr, "testdata/"+talk+".txt", *update, "Authorization", "Bearer acme-ann-all", "Content-Type", "application/json")
	}
}

func do(t *testing.T, method, url, contentType, body string) (int, []byte) {
	t.Helper()
	a := webtest.Do(t, &webtest.Request{Method: method, URL: url, Token: "acme-ann-all", Body: body, Headers: []string{"Content-Type", contentType}})
	return a.StatusCode, []byte(a.Body)
}

func TestTheLongestFileFits(t *testing.T) {
	_, addr := serve(t)
	url := "http://" + addr + "/api/v1/memory/file?path=long"
	text := strings.Repeat("\"\n", memory.MaxFileBytes/2) // as JSON twice as long
	body, err := json.Marshal(map[string]string{"content": text})
	if err != nil {
		t.Fatal(err)
	}
	for contentType, body := range map[string]string{"application/json": string(body), "text/plain": text} {
		if status, data := do(t, "PUT", url, contentType, body); status != 200 {
			t.Fatalf("%s: got %d %s", contentType, status, data)
		}
		var f abi.MemoryFile
		if _, data := do(t, "GET", url, "", ""); json.Unmarshal(data, &f) != nil || f.Content != text {
			t.Errorf("%s: read back %d bytes", contentType, len(f.Content))
		}
	}
	if status, data := do(t, "POST", url, "text/plain", "x"); status != 413 || !strings.Contains(string(data), "1048577 bytes; it may have 1048576") {
		t.Errorf("got %d %s", status, data)
	}
}

// TestAnswersMatchTheDocument holds real answers of every route against what the OpenAPI document
// promises for their statuses.
func TestAnswersMatchTheDocument(t *testing.T) {
	s, addr := serve(t)
	doc := webtest.Document(t, s, web.Info{Title: "t", Version: "1", Description: "d"})
	played := map[string]bool{}
	for _, c := range []struct {
		method, path, query, body string
		status                    int
	}{
		{"PUT", "/file", "?path=a", `{"content":"one two"}`, 200},
		{"POST", "/file", "?path=a", `{"content":"three","new_line":true}`, 200},
		{"GET", "/file", "?path=a", "", 200},
		{"GET", "/file", "?path=b", "", 404},
		{"GET", "", "?limit=1", "", 200},
		{"GET", "/search", "?query=two", "", 200},
		{"POST", "/read", "", `{"paths":["a","b"]}`, 200},
		{"PUT", "/file", "?path=a", `{"content":"","if_revision":0}`, 409},
		{"PUT", "/file", "?path=a", `{"content":"` + strings.Repeat("x", memory.MaxFileBytes+1) + `"}`, 413},
		{"DELETE", "/file", "", "", 422},
		{"DELETE", "/file", "?path=a", "", 204},
	} {
		status, answer := do(t, c.method, "http://"+addr+"/api/v1/memory"+c.path+c.query, "application/json", c.body)
		promised := doc.Paths.Find("/api/v1/memory" + c.path).GetOperation(c.method).Responses.Status(c.status)
		if status != c.status || promised == nil {
			t.Errorf("%s %s: got %d %.200s, want %d", c.method, c.path, status, answer, c.status)
			continue
		}
		played[c.method+" /api/v1/memory"+c.path] = true
		if status == 204 {
			continue
		}
		var v any
		if err := json.Unmarshal(answer, &v); err != nil {
			t.Fatal(err)
		}
		if err := promised.Value.Content.Get("application/json").Schema.Value.VisitJSON(v); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
	}
	for _, route := range s.Routes() {
		if !played[route] {
			t.Errorf("%s was not played", route)
		}
	}
}
