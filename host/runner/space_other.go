// Copyright 2026 The Gantry Authors.

//go:build !unix

package runner

// Reserve takes the whole memory at once where there is no way to take address space alone.
func Reserve(n int64) ([]byte, error) { return make([]byte, n), nil }

// Commit has nothing to do.
func Commit([]byte) error { return nil }

// Unreserve leaves it to the collector.
func Unreserve([]byte) error { return nil }
