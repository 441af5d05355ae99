// Copyright 2026 The Gantry Authors.

package infoapi_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/infoapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

func serve(t *testing.T, cfg infoapi.Config) string {
	t.Helper()
	sf, err := infoapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := webtest.Server(t, web.Config{AllowedOrigins: []string{"https://app.example.com"}}, sf)
	if err := s.MountOpenAPI("/openapi.json", web.Info{Title: "test", Version: "1"}); err != nil {
		t.Fatal(err)
	}
	return "http://" + webtest.Serve(t, s)
}

func get(t *testing.T, url, origin string) (*http.Response, []byte) {
	t.Helper()
	r := &webtest.Request{URL: url}
	if origin != "" {
		r.Headers = []string{"Origin", origin}
	}
	a := webtest.Do(t, r)
	return a.Response, []byte(a.Body)
}

func TestInfo(t *testing.T) {
	// The seed's own document, with its names.
	const want = `{
	  "url": "https://api.example.com/mcp/",
	  "server_name": "acme-coworker",
	  "protocol_version": "2025-06-18",
	  "supported_scopes": ["read:tools", "write:tools", "read:data", "admin", "chat"],
	  "example_config": { "mcpServers": { "acme-coworker": { "url": "https://api.example.com/mcp/",
	    "headers": { "Authorization": "Bearer sk-org-<your-key>" } } } }
	}`
	url := serve(t, infoapi.Config{BaseURL: "https://api.example.com/", ServerName: "acme-coworker"})
	t.Run("has exactly the seed's fields, without a credential", func(t *testing.T) {
		resp, data := get(t, url+infoapi.Path, "")
		var got, seed any
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(want), &seed); err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || !reflect.DeepEqual(got, seed) {
			t.Errorf("got %d\n%s\nwant\n%s", resp.StatusCode, data, want)
		}
		if got := resp.Header.Get("Cache-Control"); got != "public, max-age=60" {
			t.Errorf("got Cache-Control %q", got)
		}
	})
	t.Run("can be read by an allowed page, and says that answers differ by origin", func(t *testing.T) {
		resp, _ := get(t, url+infoapi.Path, "https://app.example.com")
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "https://app.example.com" {
			t.Errorf("got %q", got)
		}
		if got := resp.Header.Get("Vary"); got != "Origin" {
			t.Errorf("got Vary %q", got)
		}
	})
	t.Run("is in the OpenAPI document", func(t *testing.T) {
		_, data := get(t, url+"/openapi.json", "")
		var doc struct {
			Paths map[string]map[string]struct{ OperationID string }
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		if got := doc.Paths[infoapi.Path]["get"].OperationID; got != "mcpInfo" {
			t.Errorf("got operation %q in %s", got, data)
		}
	})
	t.Run("answers other methods with 405", func(t *testing.T) {
		resp, err := http.Post(url+infoapi.Path, "application/json", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("got %d", resp.StatusCode)
		}
	})
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, base := range []string{"", "api.example.com", "ftp://x", "https://"} {
		if _, err := infoapi.New(infoapi.Config{BaseURL: base, ServerName: "x"}); err == nil {
			t.Errorf("%q was taken", base)
		}
	}
	if _, err := infoapi.New(infoapi.Config{BaseURL: "https://x"}); err == nil {
		t.Error("no name was taken")
	}
}
