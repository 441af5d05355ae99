// Copyright 2026 The Gantry Authors.

// Package invoke is the one pipeline through which every surface calls plugins: resolve the name,
// permit the caller, reserve a place, check the input, run the guest, settle its answer, journal
// the call. Runs are calls that outlive their request: they are started, watched, cancelled, and
// kept for a while.
//
// It knows no HTTP and no Wasm: requests come in as Request, guests are host.Guests of the
// registry, and what a guest asks for is answered by the services' host.Ops. It grants nothing
// itself: the services enforce a plugin's rights, but for those of the operations it owns (calling
// other tools, telling of changes).
package invoke
