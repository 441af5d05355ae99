// Copyright 2026 The Gantry Authors.

// Package rest holds the end-to-end tests of the REST surface against the real binary: the lines of
// the quick reference (seed 004) as they stand there, with curl, jq and Python's requests. They run
// with the build tag e2e, by make e2e.
//
// The language model is a fake that speaks OpenAI's wire format on loopback: the real one cannot be
// had in a test.
package rest
