// Copyright 2026 The Gantry Authors.

// Package web is the HTTP kit that every surface stands on: routes as data, the guards at the
// edge, authentication, strict JSON, server-sent events and the OpenAPI document. It is the home of
// Fiber and fasthttp.
//
// It knows no surface and no service: what a route does, and how a surface words its errors, comes
// in with Mount. It does not terminate TLS either; hand Serve a listener that does.
package web
