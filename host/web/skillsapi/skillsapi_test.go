// Copyright 2026 The Gantry Authors.

package skillsapi

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/webtest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// tokens knows "<tenant>-<kind>": an admin, a reader and a workspace.
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (*host.Principal, error) {
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
		return nil, host.Errorf("keys.Verify", abi.CodeBadCredential, "the token is unknown, expired or revoked")
	}
	return p, nil
}

// still is a clock that does not go on.
type still struct{}

func (still) Now() time.Time { return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC) }

func serve(t *testing.T) (*web.Server, string) {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	service, err := skills.New(skills.Config{Store: st, Clock: still{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { service.Close() })
	surface, err := New(service)
	if err != nil {
		t.Fatal(err)
	}
	s, err := web.New(web.Config{Auth: tokens{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Mount(surface); err != nil {
		t.Fatal(err)
	}
	return s, webtest.Serve(t, s)
}

func TestTalks(t *testing.T) {
	_, addr := serve(t)
	webtest.Talks(t, addr, "testdata/*.txt", *update, "Authorization", "Bearer acme-admin", "Content-Type", "application/json")
}

// do sends one request and returns the answer with its body.
func do(t *testing.T, method, url, token, contentType string, body []byte) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(data)
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
	data, err := s.OpenAPI(web.Info{Title: "t", Version: "1"})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Error(err)
	}
	var documented []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(documented)
	served := s.Routes()
	slices.Sort(served)
	if !slices.Equal(documented, served) {
		t.Errorf("documented %v, served %v", documented, served)
	}
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
