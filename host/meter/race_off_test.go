// Copyright 2026 The Gantry Authors.

//go:build !race

package meter_test

// sampling is of how many files of the large suites one is run.
const sampling = 1
