// Copyright 2026 The Gantry Authors.

// Package languages holds the tests that serve the examples in C, Rust and AssemblyScript, and those
// with Extism's kits, by the real binary. They run with the build tag languages, by make languages,
// which installs the compilers and builds the examples to the folder that GANTRY_LANGUAGES names.
//
// It has no code of its own.
package languages
