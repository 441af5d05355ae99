// Copyright 2026 The Gantry Authors.

// Package pdk is what the author of a plugin imports. A plugin is a main package with typed Go
// functions and one package variable that offers them:
//
//	var _ = pdk.Serve(pdk.Plugin{Name: "text", Summary: "Small things to do with text"},
//		pdk.Tool("hash", "Hash a text.", hash, pdk.ReadOnly))
//
//	func hash(ctx *pdk.Context, in hashIn) (hashOut, error) { … }
//
//	func main() {}
//
// The package makes the manifest and its JSON Schemas from the types and their tags (see Tool),
// checks and decodes what comes in, and encodes what goes out. Whatever a plugin wants of the world
// it asks of its Context: outbound HTTP, files, a key-value space, the user's memory, the tenant's
// knowledge base, other tools, settings. Each needs a right that the operator grants; without one
// the answer is an error with abi.CodeForbidden.
//
// A host may serve each call from the same clean state, so package variables that a call changes
// may be as they were at the next one. What has to last goes into Files, KV or Memory.
//
// The package opens nothing by itself, reads no environment and starts no goroutine. It imports the
// standard library (not net/http, which would make every plugin several megabytes larger) and abi.
// Its tests' host is in pdktest.
package pdk
