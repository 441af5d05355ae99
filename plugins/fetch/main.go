// Copyright 2026 The Gantry Authors.

// Fetch reads pages and calls APIs over HTTP, as far as its grants reach: fetch gets a page as
// Markdown or text, http_request sends any request. It runs no scripts, keeps no cookies, and
// has no rights of its own: the operator names the hosts in fetch.yaml.
package main

import "github.com/gantryhost/gantry/pdk"

var _ = pdk.Serve(
	pdk.Plugin{Name: "fetch", Version: "1.0.0", Summary: "Read web pages and call HTTP APIs"},
	pdk.Tool("fetch", fetchDoc, fetch, pdk.Title("Fetch a URL"), pdk.ReadOnly, pdk.OpenWorld, pdk.OutputSchema(outSchema)),
	pdk.Tool("http_request", requestDoc, request, pdk.Title("Send an HTTP request"), pdk.Destructive, pdk.OpenWorld, pdk.OutputSchema(outSchema)),
)

func main() {}
