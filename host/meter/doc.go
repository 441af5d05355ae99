// Copyright 2026 The Gantry Authors.

// Package meter rewrites a module before it is compiled, so that its host can interrupt it anywhere
// and count what it does.
//
// Compiled code cannot be pre-empted by Go's scheduler: a guest that runs long without calling out
// holds up the next garbage collection of the whole process. A rewritten guest counts down at every
// function's entry and every turn of a loop, and calls the imported function gantry_meter.tick when
// the count is used up. There the host looks at the deadline, lets others run now and then (the collector
// gets its turn in any call of a Go function), and hands out the next count; Counter does the arithmetic.
//
// Code that jumps through one loop around a table, as Go's compiler writes it, is made quicker on the
// way: only jumps up are checked, and those that are seen to go down go there without the table.
//
// What is counted is the same for the same module and input on every machine: it is fuel. One unit
// stands for up to 16 instructions, a call of an import for 16 units more, and memory or table
// instructions that work on many bytes at once for a unit in 64 of what they are asked to do (tables:
// entries). To copy or fill much memory is done in pieces of a mebibyte, with a tick after each. So the
// time between two ticks is bounded whatever the code is; what takes longest is memory.init, which ends
// with its segment, and table instructions, which end with their table.
//
// The guest cannot see any of it: memory, tables and its own globals stay as they are, the count is a
// global of a new index that no instruction of its own can name, and functions keep their names in
// stack traces. What it can notice is time, and that a recursion without end overflows the stack a
// little earlier.
//
// It does not validate: a module that would not compile does not compile afterwards either. It knows
// no clock and no runtime.
package meter
