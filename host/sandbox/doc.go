// Copyright 2026 The Gantry Authors.

// Package sandbox runs plugins: it is the Wasm runner, and the only package that knows wazero. It
// speaks the contract of package abi with a guest and host.Guest with the pipeline.
//
// A module goes through five steps. It is admitted (admit.go: its sections are read, its shape bounded,
// its imports and exports compared with the contract), prepared (prepare.go: rewritten so that it can be
// interrupted and its globals put back, and its tables bounded), compiled (code.go: once per digest, at
// the first call where its manifest is known from before), pooled (pool.go: an instance serves one call
// at a time) and, after each call, reset (reset.go) or thrown away (recycle.go).
//
// What holds between calls, exactly. Under host.IsolationCall every call starts from one state: the
// guest's linear memory and mutable globals as they were when its first instance had run its _initialize.
// After a call the pages it wrote are put back from that image (image_linux.go), and its globals set; a
// new instance starts from the image too, without running _initialize again. A module whose state cannot
// be put back (it changes a table, drops a segment, or has a mutable global of a reference or vector)
// gets a new instance for every call. A memory that grew is as long again as it was, with zeros beyond.
// How the call ended does not matter: a crash, a limit or a deadline changes nothing that an ordinary end
// could not, so the instance serves on, with a new stack. What a guest drew at random while it was
// initialised, such as the seed of math/rand, is part of the image and so the same for every call; random
// bytes it asks the host for are not. Under host.IsolationTenant an instance that has served a tenant
// never serves another; under host.IsolationShared it serves anybody; under these, and where a module
// cannot be put back, an instance is dropped after a crash, a limit, a deadline, a cancellation, a breach
// of the contract, and after its memory has grown by more than recycleGrowth.
//
// What interruption promises, exactly: a guest is ended at its deadline or when its caller gives up,
// whatever it does: loops, recursion, start functions, sleeping, waiting in an operation. Its code is
// rewritten (package meter) to call the host every 0.1 to 1 ms or so; there the garbage collector gets
// its turn too. The longest it can be away is one memory.init of a long segment, or one operation of the
// host that ignores its context. Usage.Fuel is the rewriting's count: the same for
// the same module and input, whatever the machine.
//
// What a guest gets beside the contract: wasi_snapshot_preview1 with the real clock, real randomness
// and standard output and error that are lines of the plugin's log; no files, no environment, no
// arguments but its name. A tool that calls tools of its own plugin takes a slot of the same pool for
// each level, and waits for one no longer than its own deadline.
//
// It decides no rights, checks no input against a schema and knows no tenant's data: it hands every
// operation to the call's host.Border. It keeps no journal, and it does not look for plugins.
package sandbox
