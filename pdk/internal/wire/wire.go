// Copyright 2026 The Gantry Authors.

// Package wire is the seam between pdk and pdktest in a native build: what a Wasm host and a guest
// say to each other, as two Go interfaces. It holds no logic and is not part of a Wasm build's path.
package wire

import (
	"context"

	"github.com/gantryhost/gantry/abi"
)

// Entry is which export of a guest a call goes to.
type Entry int

// The entries, as abi names the exports.
const (
	EntryTool Entry = iota
	EntryPrompt
	EntryRead
	EntryComplete
)

// Host answers a guest. One value serves one call, from one goroutine at a time.
type Host interface {
	// Context ends when the call does; a guest sees it as its own context.
	Context() context.Context
	// Emit takes an event. Data is the guest's: copy what is kept.
	Emit(kind abi.EventKind, data []byte)
	// Log takes a line; data as in Emit.
	Log(level abi.LogLevel, line []byte)
	// Op does one operation. The error, where there is one, is an *abi.Error.
	Op(name string, req []byte) ([]byte, error)
}

// Guest is a plugin as a host calls it. Calls may run at once.
type Guest interface {
	// Describe answers the manifest with OutputStructured, or an abi.Error with OutputError.
	Describe() (abi.OutputKind, []byte)
	// Run does one call. The input must not change until it returns; the output belongs to the caller.
	Run(h Host, e Entry, index int, input []byte) (abi.OutputKind, []byte)
}
