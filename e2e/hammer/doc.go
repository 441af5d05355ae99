// Copyright 2026 The Gantry Authors.

// Package hammer holds the long proofs against the real binary: hot reload under load, tenants that
// never see each other, and kill -9 while writing. They run with the build tag hammer, by make hammer.
//
// GANTRY_HAMMER scales them: 1 is what CI runs, 4 the full length.
package hammer
