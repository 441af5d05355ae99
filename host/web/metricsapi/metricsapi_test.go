// Copyright 2026 The Gantry Authors.

package metricsapi_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/metricsapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestMain(m *testing.M) { webtest.Main(m) }

// keys knows the token "admin" and the token "reader".
func keys(token string) *host.Principal {
	scopes := map[string]host.Scope{"admin": host.ScopeAdmin, "reader": host.ScopeReadTools}
	if s, ok := scopes[token]; ok {
		return &host.Principal{Tenant: "acme", Scopes: []host.Scope{s}}
	}
	return nil
}

func TestMetrics(t *testing.T) {
	surface, err := metricsapi.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "gantry_x 1\n")
	}))
	if err != nil {
		t.Fatal(err)
	}
	addr := webtest.Serve(t, webtest.Server(t, web.Config{Auth: webtest.Tokens(keys)}, surface))
	for _, c := range []struct {
		name, token string
		status      int
		body        string
	}{
		{"an admin reads the numbers", "admin", 200, "gantry_x 1\n"},
		{"without a key nobody does", "", 401, "UNAUTHENTICATED"},
		{"a key of another scope is not enough", "reader", 403, "admin"},
		{"nor is one that is none", "strange", 403, "BAD_CREDENTIAL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := webtest.Do(t, &webtest.Request{URL: "http://" + addr + "/metrics", Token: c.token})
			if a.StatusCode != c.status || !strings.Contains(a.Body, c.body) {
				t.Errorf("got %d %s, want %d with %q", a.StatusCode, a.Body, c.status, c.body)
			}
		})
	}
	t.Run("a handler is needed", func(t *testing.T) {
		if _, err := metricsapi.New(nil); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("got %v", err)
		}
	})
}
