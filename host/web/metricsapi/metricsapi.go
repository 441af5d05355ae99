// Copyright 2026 The Gantry Authors.

// Package metricsapi is GET /metrics: the host's numbers for Prometheus, for holders of the scope
// admin, since they name tenants and plugins.
//
// It counts nothing itself; the handler that it is given does.
package metricsapi

import (
	"encoding/json"
	"net/http"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// New serves h at /metrics. h must answer without waiting for the client.
func New(h http.Handler) (web.Surface, error) {
	if h == nil {
		return web.Surface{}, host.Errorf("metricsapi.New", abi.CodeInvalidArg, "the handler is nil")
	}
	return web.Surface{Name: "metrics", Prefixes: []string{"/metrics"}, Routes: []web.Route{{
		Method: "GET", Path: "/metrics", Scope: host.ScopeAdmin,
		Handler: func(c *web.Ctx) error { return web.Bridge(c.Context(), c, h) },
		Doc: web.Doc{
			ID: "metrics", Summary: "The host's numbers, for Prometheus",
			Description: "Calls by plugin, tool, surface and outcome, their time and fuel, and what the host holds. " +
				"An operator may serve the same without a key on an address of its own: --metrics-listen.",
			Answers: []web.AnswerDoc{{
				Status: 200, Description: "The numbers, in Prometheus's text format", Type: "text/plain",
				Schema:  json.RawMessage(`{"type":"string"}`),
				Example: "gantry_calls_total{code=\"ok\",plugin=\"text\",surface=\"mcp\",tool=\"text_hash\"} 3\n",
			}},
		},
	}}}, nil
}
