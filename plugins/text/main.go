// Copyright 2026 The Gantry Authors.

// Text is a family of small tools that need no key and no network: hash a text, encode and decode
// it, compare two texts, and pick values out of JSON. It reads and writes nothing outside its
// answers.
package main

import "github.com/gantryhost/gantry/pdk"

var _ = pdk.Serve(pdk.Plugin{Name: "text", Version: "1.0.0", Summary: "Hash, encode, compare text, and select from JSON"},
	pdk.Tool("text_hash", hashDoc, hashText, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Hash a text")),
	pdk.Tool("text_encode", encodeDoc, encodeText, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Encode or decode a text")),
	pdk.Tool("text_diff", diffDoc, diffTexts, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Compare two texts")),
	pdk.Tool("text_select", selectDoc, selectJSON, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Select from JSON")),
)

func main() {}
