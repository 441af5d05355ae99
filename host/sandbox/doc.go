// Copyright 2026 The Gantry Authors.

// Package sandbox runs plugins: it is the Wasm runner, and the only package that knows wazero. It
// speaks the contract of package abi with a guest and host.Guest with the pipeline.
//
// A module goes through five steps. It is admitted (admit.go: its sections are read, its shape
// bounded, its imports and exports compared with the contract), prepared (prepare.go: changed where
// the host needs it changed before it is compiled), compiled (code.go: once per digest, at the first
// call where its manifest is known from before), pooled (pool.go: an instance serves one call at a
// time) and, after each call, kept or thrown away (recycle.go).
//
// What holds between calls, exactly: an instance that has served a tenant never serves another one,
// so nothing of a tenant's data reaches the next tenant through guest memory, globals or tables.
// Within one tenant an instance is reused and its guest may find what an earlier call left behind.
// An instance is dropped after a crash, a limit, a deadline, a cancellation, a breach of the
// contract, and after a call that grew its memory by more than recycleGrowth.
//
// What interruption promises, exactly: a guest that loops, sleeps or waits in an operation is ended
// at its deadline or when its caller gives up. A guest that runs long without a loop and without
// calling out (exponential recursion) is not: it runs to its own end, and as compiled code cannot be
// pre-empted by Go's scheduler, it holds up the next garbage collection of the whole process. An
// operation of the host that ignores its context holds its call in the same way.
//
// What a guest gets beside the contract: wasi_snapshot_preview1 with the real clock, real randomness
// and standard output and error that are lines of the plugin's log; no files, no environment, no
// arguments but its name. A tool that calls tools of its own plugin takes a slot of the same pool for
// each level, and waits for one no longer than its own deadline.
//
// It decides no rights, checks no input against a schema and knows no tenant's data: it hands every
// operation to the call's host.Border. It keeps no journal, and it does not look for plugins.
package sandbox
