// Copyright 2026 The Gantry Authors.

//go:build race

package extismrun

// raceDetector says that the test was built with it, under which compiling a module is slow.
const raceDetector = true
