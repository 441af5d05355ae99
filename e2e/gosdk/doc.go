// Copyright 2026 The Gantry Authors.

// Package gosdk holds the tests that run the official Go SDK's client against the real binary, in
// every version of the protocol. They need the build tag e2e; make e2e runs them.
//
// It has no code of its own.
package gosdk
