// Copyright 2026 The Gantry Authors.

package skillsapi

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/webtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { webtest.Main(m) }

// tokens knows "<tenant>-<kind>": an admin, a reader and a workspace.
func tokens(token string) *host.Principal {
	tenant, kind, _ := strings.Cut(token, "-")
	p := &host.Principal{Tenant: host.TenantID(tenant), Kind: host.KindOrg, Scopes: []host.Scope{host.ScopeReadData}}
	switch kind {
	case "admin":
		p.Scopes = host.AllScopes()
	case "workspace":
		p.Kind, p.Scopes = host.KindWorkspace, host.AllScopes()
	case "tools":
		p.Scopes = []host.Scope{host.ScopeReadTools, host.ScopeWriteTools}
	case "reader":
	default:
		return nil
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
	service, err := skills.New(skills.Config{Store: st, Clock: webtest.Still{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	surface, err := New(service)
	if err != nil {
		t.Fatal(err)
	}
	s := webtest.Server(t, web.Config{Auth: webtest.Tokens(tokens)}, surface)
	return s, webtest.Serve(t, s)
}

func TestTalks(t *testing.T) {
	_, addr := serve(t)
	webtest.Talks(t, addr, "testdata/*.txt", *update, "Authorization", "Bearer acme-admin", "Content-Type", "application/json")
}

// do sends one request and returns the answer with its body.
func do(t *testing.T, method, url, token, contentType string, body []byte) (*http.Response, string) {
	t.Helper()
	a := webtest.Do(t, &webtest.Request{Method: method, URL: url, Token: token, Body: string(body), Headers: []string{"Content-Type", contentType}})
	return a.Response, a.Body
}

func TestArchives(t *testing.T) {
	_, addr := serve(t)
	base := "http://" + addr + "/api/v1/skills"
	folder := &skills.Folder{Manifest: "---\nname: forms\ndescription: Fills forms.\n---\n\nFill.\n",
		Files: []skills.Body{{Path: "scripts/fill.py", Data: []byte("print(1)\n"), Executable: true}}}
	archive, err := folder.Zip("forms", time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("an archive becomes a skill, and the same archive comes back", func(t *testing.T) {
		if resp, body := do(t, "POST", base+"/import", "acme-admin", "application/zip", archive); resp.StatusCode != 201 || !strings.Contains(body, `"uri":"skill://forms"`) {
			t.Fatalf("import answered %d: %s", resp.StatusCode, body)
		}
		resp, body := do(t, "GET", base+"/forms/export", "acme-reader", "", nil)
		if resp.StatusCode != 200 || resp.Header.Get("Content-Disposition") != "attachment; filename=forms.zip" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("export answered %d, %v", resp.StatusCode, resp.Header)
		}
		got, err := skills.ReadZip([]byte(body))
		if err != nil || got.Manifest != folder.Manifest || len(got.Files) != 1 || !bytes.Equal(got.Files[0].Data, folder.Files[0].Data) || !got.Files[0].Executable {
			t.Errorf("got %+v, %v", got, err)
		}
	})
	for name, c := range map[string]struct {
		query, contentType string
		body               []byte
		status             int
		words              string
	}{
		"twice is a conflict":              {"", "application/zip", archive, 409, "already"},
		"replace takes its place":          {"?replace=true", "application/zip", archive, 201, `"id":"forms"`},
		"replace is a truth value":         {"?replace=yes", "application/zip", archive, 422, "replace:"},
		"another type is refused":          {"", "text/plain", archive, 415, "application/zip"},
		"what is no archive is told so":    {"", "application/zip", []byte("hello"), 422, "not a zip file"},
		"more than the body limit is told": {"", "application/zip", make([]byte, 5<<20), 413, "PAYLOAD_TOO_LARGE"},
	} {
		t.Run(name, func(t *testing.T) {
			if resp, body := do(t, "POST", base+"/import"+c.query, "acme-admin", c.contentType, c.body); resp.StatusCode != c.status || !strings.Contains(body, c.words) {
				t.Errorf("got %d: %s", resp.StatusCode, body)
			}
		})
	}
}

func TestOpenAPI(t *testing.T) {
	s, _ := serve(t)
	webtest.SameRoutes(t, webtest.Document(t, s, web.Info{Title: "t", Version: "1"}), s)
}

func FuzzCreate(f *testing.F) {
	f.Add([]byte(`{"id":"a","description":"b","system_prompt":"c","files":[{"path":"x","text":"y"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var r createRequest
		if web.DecodeJSON(body, &r) != nil {
			return
		}
		d, err := r.draft()
		if err == nil && len(d.Bodies) != len(r.Files) {
			t.Fatalf("%s lost files", body)
		}
		if _, err := json.Marshal(d); err != nil {
			t.Fatal(err)
		}
	})
}
