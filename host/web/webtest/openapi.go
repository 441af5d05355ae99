// Copyright 2026 The Gantry Authors.

package webtest

import (
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/gantryhost/gantry/host/web"
)

// Document is the OpenAPI document of a server, read and held to be valid.
func Document(t testing.TB, s *web.Server, info web.Info) *openapi3.T {
	t.Helper()
	data, err := s.OpenAPI(info)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	return doc
}

// SameRoutes holds that a document has every route of the server and no other.
func SameRoutes(t testing.TB, doc *openapi3.T, s *web.Server) {
	t.Helper()
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
