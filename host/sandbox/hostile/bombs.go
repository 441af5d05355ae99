// Copyright 2026 The Gantry Authors.

package hostile

import (
	"bytes"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// bombs are cheap to send and dear to compile or to instantiate: admission refuses them.
func bombs() []Shape {
	bomb := func(name, said string, p func() *program) Shape {
		return Shape{Name: name, AtLoad: true, Code: abi.CodeLimit, Text: said, program: p}
	}
	return []Shape{
		bomb("50,000 blocks within each other", "blocks are nested deeper", func() *program { return nested(50_000) }),
		bomb("a br_table of 200,000", "200000 targets in a br_table", func() *program { return branching(200_000) }),
		bomb("2,000 functions of 50,000 locals", "50000 locals", func() *program { return locals(2_000, 50_000) }),
		bomb("9,000 locals in 5,000 ifs", "their product may be at most", func() *program { return joining(9_000, 5_000) }),
		bomb("300,000 functions", "functions; at most 100000", func() *program { return functions(300_000) }),
		bomb("a function of 2 MiB", "bytes of code", func() *program { return adding(1 << 19) }),
		bomb("a table of 100 M entries", "table 0", func() *program { return &program{call: text, tables: []uint32{100_000_000}} }),
		bomb("1,000 tables", "1000 tables", func() *program { return &program{call: text, tables: make([]uint32, 1000)} }),
		bomb("a memory of 4 GiB at its start", "of memory at its start", func() *program { return &program{call: text, pages: 65_536} }),
	}
}

// Heaviest are modules that come close to what admission lets in. They compile and do nothing: what
// they cost to compile is the question.
func Heaviest() []Shape {
	heavy := func(name string, p func() *program) Shape { return Shape{Name: name, program: p} }
	return []Shape{
		heavy("4,900 blocks within each other", func() *program { return nested(4_900) }),
		heavy("a br_table of 20,000", func() *program { return branching(20_000) }),
		heavy("390 functions of 10,000 locals", func() *program { return locals(390, 10_000) }),
		heavy("500 locals in 5,000 ifs", func() *program { return joining(500, 5_000) }),
		heavy("3,900 locals in 5,000 ifs", func() *program { return joining(3_900, 5_000) }),
		heavy("99,000 functions", func() *program { return functions(99_000) }),
		heavy("a function of 1 MiB", func() *program { return adding(1<<18 - 16) }),
	}
}

// nested is a function of n blocks within each other.
func nested(n int) *program {
	return &program{call: code(bytes.Repeat([]byte{0x02, 0x40}, n), bytes.Repeat([]byte{opEnd}, n), text)}
}

// branching is a br_table of n targets, all the same.
func branching(n int) *program {
	return &program{call: code(block(num(0), wasmbin.AppendU32([]byte{0x0e}, uint32(n)), make([]byte, n+1)), text)}
}

// locals is n functions of so many locals each.
func locals(n int, each uint32) *program {
	return &program{call: text, helpers: slices.Repeat([]helper{{0, each, []byte{0x01}}}, n)}
}

// joining sets a local in each of n ifs, so that a compiler has to join all of them at each end.
func joining(locals uint32, n int) *program {
	var body []byte
	for i := range n {
		set := wasmbin.AppendU32([]byte{0x21}, uint32(i)%locals)
		body = append(body, code(wasmbin.AppendU32([]byte{0x20}, uint32(i+1)%locals), when(num(i), set))...)
	}
	return &program{call: text, helpers: []helper{{0, locals, body}}}
}

// functions is n functions that do nothing.
func functions(n int) *program {
	return &program{call: text, helpers: slices.Repeat([]helper{{0, 0, []byte{0x01}}}, n)}
}

// adding is one function of n additions, of four bytes each.
func adding(n int) *program {
	body := code(num(0), bytes.Repeat([]byte{0x41, 1, 0x6a, 0x01}, n), drop)
	return &program{call: text, helpers: []helper{{0, 0, body}}}
}
