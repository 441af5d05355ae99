// Copyright 2026 The Gantry Authors.

// Package runner is what the runners of plugins do alike, whatever a plugin was built with: the limits
// of a call and how they are told, the memory that all instances share and the address space it comes
// from, which idle instances go, and the lines that a plugin prints.
//
// It runs nothing and knows no runtime. How instances are kept and put back is each runner's own.
package runner
