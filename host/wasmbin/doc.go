// Copyright 2026 The Gantry Authors.

// Package wasmbin reads and writes the WebAssembly binary format. Decode turns a module into a tree
// that Append writes again, byte for byte where the module was written in the shortest form; Walker
// reads the instructions of one function body.
//
// It reads more strictly than the specification where a looser reading has been seen to differ from
// that of the runtime that compiles the module: an instruction that two readers see differently is a
// place to hide code in. Each such place says so.
//
// Decode holds a module against Limits before it allocates for it, so that a file that is cheap to
// send is not dear to load. It checks form only: whether types match, and whether indices exist, is
// the validator's question. It changes nothing by itself and it does not run anything.
package wasmbin
