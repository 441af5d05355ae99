// Copyright 2026 The Gantry Authors.

// Package hostile has plugins that run away, each in its own way: in their code, in what they ask of
// the host, in what they take, and in what compiling them would take. Each says what is to come of it.
// They are written by hand, instruction by instruction, since compilers make few of these shapes.
//
// The sandbox's tests, bench/hostile and the end-to-end tests run the same ones. The package runs
// nothing itself.
package hostile
