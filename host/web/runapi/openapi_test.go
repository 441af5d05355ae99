// Copyright 2026 The Gantry Authors.

package runapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/gantryhost/gantry/host/web/webtest"
)

func TestOpenAPI(t *testing.T) {
	s := newServer(t, newFake(), Config{})
	got, err := s.OpenAPI(info)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("the document is as it was agreed", func(t *testing.T) {
		if *update {
			if err := os.WriteFile("testdata/openapi.json", got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/openapi.json")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Error("testdata/openapi.json is stale; run with -update and look at the difference")
		}
	})
	doc := webtest.Document(t, s, info)
	t.Run("it has every route and no other", func(t *testing.T) { webtest.SameRoutes(t, doc, s) })
	t.Run("no operation has two names or none", func(t *testing.T) {
		seen := map[string]bool{}
		for _, item := range doc.Paths.Map() {
			for _, op := range item.Operations() {
				if op.OperationID == "" || seen[op.OperationID] {
					t.Errorf("operationId %q", op.OperationID)
				}
				seen[op.OperationID] = true
			}
		}
	})
}

// TestAnswersMatchTheDocument holds real answers of every JSON route, good and bad, against the
// schemas that the document promises for their statuses.
func TestAnswersMatchTheDocument(t *testing.T) {
	s := newServer(t, newFake(), Config{})
	data, err := s.OpenAPI(info)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	addr := webtest.Serve(t, s)
	good, bad := start(t, addr, "count"), start(t, addr, "provider_fails")
	for _, c := range []struct {
		method, path, id, body, token string
		status                        int
	}{
		{"GET", "/mcp/manifest", "", "", "acme-token", 200},
		{"GET", "/mcp/manifest", "", "", "", 401},
		{"GET", "/mcp/manifest", "", "", "nobody", 403},
		{"POST", "/mcp/execute", "", `{"tool":"count"}`, "acme-token", 200},
		{"POST", "/mcp/execute", "", `{"tool":"none"}`, "acme-token", 404},
		{"POST", "/mcp/execute", "", `{"tool":1}`, "acme-token", 422},
		{"POST", "/mcp/execute", "", `{"tool":"` + strings.Repeat("x", 1<<20) + `"}`, "acme-token", 413},
		{"GET", "/mcp/calls/{call_id}", good, "", "acme-token", 200},
		{"GET", "/mcp/calls/{call_id}", bad, "", "acme-token", 200},
		{"GET", "/mcp/calls/{call_id}", "none", "", "acme-token", 404},
		{"GET", "/mcp/stream/{call_id}", "none", "", "acme-token", 404},
		{"POST", "/mcp/cancel/{call_id}", good, "", "acme-token", 200},
		{"POST", "/mcp/cancel_all", "", "", "acme-token", 200},
		{"GET", "/healthz", "", "", "", 200},
		{"GET", "/readyz", "", "", "", 200},
	} {
		t.Run(fmt.Sprintf("%s %s %d", c.method, c.path, c.status), func(t *testing.T) {
			resp := call(t, addr, c.method, strings.Replace(c.path, "{call_id}", c.id, 1), c.token, c.body)
			var answer any
			if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != c.status {
				t.Fatalf("got %d, want %d; %v", resp.StatusCode, c.status, err)
			}
			promised := doc.Paths.Find(c.path).GetOperation(c.method).Responses.Status(c.status)
			if promised == nil {
				t.Fatal("the document does not know the status")
			}
			if err := promised.Value.Content.Get("application/json").Schema.Value.VisitJSON(answer); err != nil {
				t.Error(err)
			}
		})
	}
}
