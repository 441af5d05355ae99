// Copyright 2026 The Gantry Authors.

package metricsapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
	"github.com/gantryhost/gantry/host/web/metricsapi"
	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
	)
}

// keys knows the token "admin" and the token "reader".
type keys struct{}

func (keys) Verify(_ context.Context, token string) (*host.Principal, error) {
	scopes := map[string]host.Scope{"admin": host.ScopeAdmin, "reader": host.ScopeReadTools}
	if s, ok := scopes[token]; ok {
		return &host.Principal{Tenant: "acme", Scopes: []host.Scope{s}}, nil
	}
	return nil, host.Errorf("keys", abi.CodeBadCredential, "unknown")
}

func TestMetrics(t *testing.T) {
	surface, err := metricsapi.New(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = io.WriteString(w, "gantry_x 1\n")
	}))
	if err != nil {
		t.Fatal(err)
	}
	server, err := web.New(web.Config{Auth: keys{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Mount(surface); err != nil {
		t.Fatal(err)
	}
	addr := webtest.Serve(t, server)
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
			req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/metrics", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || !strings.Contains(string(body), c.body) {
				t.Errorf("got %d %s, %v; want %d with %q", resp.StatusCode, body, err, c.status, c.body)
			}
		})
	}
	t.Run("a handler is needed", func(t *testing.T) {
		if _, err := metricsapi.New(nil); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("got %v", err)
		}
	})
}
