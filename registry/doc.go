// Copyright 2026 The Gantry Authors.

// Package registry knows which plugins exist: it watches a folder, carries the plugins built into
// the program, keeps the versions that were served, and swaps a new generation in without a call
// noticing.
//
// A file that cannot be served is refused with a reason and the version before it stays. Reading
// what is served (Snapshot, Acquire) takes no lock and allocates nothing.
//
// It does not run plugins and knows no Wasm: a Loader makes a host.Guest of a file. It grants
// nothing by itself either: rights come from the operator's settings file alone, and the services
// behind a guest enforce them.
package registry
