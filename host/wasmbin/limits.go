// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"encoding/json"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const op = "wasmbin.Decode"

// Features are proposals beyond version 2 of the specification (which includes SIMD, bulk memory,
// reference types and multi-value). A module that uses one that is not on is refused.
type Features uint

// The proposals.
const (
	Threads Features = 1 << iota
	TailCalls
	ExtendedConst
	Exceptions
	TypedReferences
)

// AllFeatures is every proposal this package can read.
const AllFeatures = Threads | TailCalls | ExtendedConst | Exceptions | TypedReferences

func (f Features) String() string {
	names := map[Features]string{
		Threads: "threads", TailCalls: "tail call", ExtendedConst: "extended constant expressions",
		Exceptions: "exception handling", TypedReferences: "typed function references",
	}
	return names[f]
}

// Settings say what Decode and Walker accept.
type Settings struct {
	Limits   Limits
	Features Features
}

// Limits bound a module. They stop modules that are cheap to send and dear to compile or to
// instantiate; compilers' output stays below the defaults. A zero field means its default, which
// stands beside it.
type Limits struct {
	FileBytes      int // 50 MiB
	Types          int // 20,000
	TypeValues     int // 1,000 parameters or results in one function type
	Imports        int // 1,000
	Functions      int // 100,000, imports not counted
	Tables         int // 16, imports not counted
	TableEntries   int // 100,000 at the start, per table
	Globals        int // 20,000
	Exports        int // 20,000
	Tags           int // 1,000
	Elements       int // 10,000 element segments
	ElementEntries int // 1,000,000 in all element segments
	DataSegments   int // 100,000
	CustomSections int // 1,000
	BodyBytes      int // 1 MiB, one function
	Locals         int // 10,000, one function
	TotalLocals    int // 4,000,000, all functions
	// Nesting bounds how deep blocks lie within each other. Go's compiler opens one for every place
	// where a function may be resumed, so a long function has thousands. 5,000
	Nesting int
	// NestingSquares bounds the sum of the squares of all functions' depths, which is what the compiler's
	// time for deep functions grows with. 400,000,000
	NestingSquares int
	BranchTargets  int // 20,000 in one br_table
	// LocalBlocks bounds locals times blocks of one function, since a compiler may have to join every
	// local at every block. 20,000,000
	LocalBlocks int
}

// Filled returns the limits with the defaults in place of zeros.
func (l Limits) Filled() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.FileBytes, 50 << 20}, {&l.Types, 20_000}, {&l.TypeValues, 1_000}, {&l.Imports, 1_000},
		{&l.Functions, 100_000}, {&l.Tables, 16}, {&l.TableEntries, 100_000}, {&l.Globals, 20_000},
		{&l.Exports, 20_000}, {&l.Tags, 1_000}, {&l.Elements, 10_000}, {&l.ElementEntries, 1_000_000},
		{&l.DataSegments, 100_000}, {&l.CustomSections, 1_000}, {&l.BodyBytes, 1 << 20}, {&l.Locals, 10_000},
		{&l.TotalLocals, 4_000_000}, {&l.Nesting, 5_000}, {&l.NestingSquares, 400_000_000}, {&l.BranchTargets, 20_000}, {&l.LocalBlocks, 20_000_000},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

func malformed(at int, format string, args ...any) *host.Error {
	e := host.Errorf(op, abi.CodeContract, format, args...)
	return host.Errorf(op, abi.CodeContract, "the module is malformed at byte %d: %s", at, e.Message)
}

// LimitDetails are the Details of an error of CodeLimit.
type LimitDetails struct {
	// Limit is the name of the field of Limits that was met.
	Limit string `json:"limit"`
}

// limitOf is the field of Limits that bounds how many things of a kind there may be; memories have none.
func limitOf(what string) string {
	return map[string]string{
		"types": "Types", "values in a function type": "TypeValues", "imports": "Imports",
		"functions": "Functions", "function bodies": "Functions", "tables": "Tables", "globals": "Globals",
		"exports": "Exports", "tags": "Tags", "element segments": "Elements",
		"entries in an element segment": "ElementEntries", "data segments": "DataSegments",
		"targets in a br_table": "BranchTargets", "catch clauses": "BranchTargets",
	}[what]
}

// overLimit is the error for a module that meets the limit: the name of a field of Limits.
func overLimit(limit, format string, args ...any) *host.Error {
	e := host.Errorf(op, abi.CodeLimit, format, args...)
	e.Details, _ = json.Marshal(LimitDetails{limit}) // of a string alone it cannot fail
	return e
}
