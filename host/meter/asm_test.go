// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"slices"

	"github.com/gantryhost/gantry/host/wasmbin"
)

// asm puts a module together. Function n of fns has the index n; all are exported by their name.
type asm struct {
	fns     []fn
	imports []wasmbin.Import
	tables  []wasmbin.Table
	elems   []uint32
	start   bool // function 0 is the start function
	tag     bool // there is a tag 0 without values
}

type fn struct {
	name            string
	params, results int // of i32
	locals          int // of i32
	body            []byte
}

func (a asm) module() *wasmbin.Module {
	m := &wasmbin.Module{
		Imports:  a.imports,
		Memories: []wasmbin.Extent{{Min: 1, Max: 300, HasMax: true}},
		Tables:   a.tables,
		Globals:  []wasmbin.Global{{GlobalType: wasmbin.GlobalType{Type: wasmbin.I32, Mutable: true}, Init: cat(i32c(7), end)}},
		Types:    []wasmbin.FuncType{{}},
	}
	for i, f := range a.fns {
		m.Types = append(m.Types, wasmbin.FuncType{
			Params: slices.Repeat([]wasmbin.ValType{wasmbin.I32}, f.params), Results: slices.Repeat([]wasmbin.ValType{wasmbin.I32}, f.results),
		})
		m.Funcs = append(m.Funcs, uint32(i+1))
		c := wasmbin.Code{Body: cat(f.body, end)}
		if f.locals > 0 {
			c.Locals = []wasmbin.Locals{{N: uint32(f.locals), Type: wasmbin.I32}}
		}
		m.Codes = append(m.Codes, c)
		m.Exports = append(m.Exports, wasmbin.Export{Name: f.name, Index: uint32(len(a.imports) + i)})
	}
	if a.elems != nil {
		m.Elements = []wasmbin.Element{{Offset: cat(i32c(0), end), Funcs: a.elems}}
	}
	if a.tag {
		m.Tags = []uint32{0}
	}
	if a.start {
		start := uint32(len(a.imports))
		m.Start = &start
	}
	return m
}

func (a asm) bytes() []byte { return a.module().Append(nil) }

// The instructions.

func cat(parts ...[]byte) []byte { return slices.Concat(parts...) }

func i32c(v int) []byte { return wasmbin.AppendSigned([]byte{0x41}, int64(int32(v))) }

func with(code byte, index int) []byte { return wasmbin.AppendU32([]byte{code}, uint32(index)) }

func get(n int) []byte        { return with(0x20, n) }
func set(n int) []byte        { return with(0x21, n) }
func call(n int) []byte       { return with(0x10, n) }
func returnCall(n int) []byte { return with(0x12, n) }
func br(n int) []byte         { return with(0x0c, n) }
func brIf(n int) []byte       { return with(0x0d, n) }

func loop(body ...[]byte) []byte { return cat([]byte{0x03, 0x40}, cat(body...), end) }

// dispatch is a loop that chooses by a local which of the parts to go on with: value i leads to part
// i, and values that no part has to the last.
func dispatch(pc int, parts ...[]byte) []byte {
	n := len(parts)
	body := slices.Repeat([]byte{0x02, 0x40}, n)
	body = cat(body, get(pc), wasmbin.AppendU32([]byte{0x0e}, uint32(n-1)))
	for i := range n {
		body = wasmbin.AppendU32(body, uint32(i))
	}
	for _, part := range parts {
		body = cat(body, end, part)
	}
	return loop(body)
}

// jump goes on with part to of a dispatch whose head is that many labels away.
func jump(pc, to, depth int) []byte { return cat(i32c(to), set(pc), br(depth)) }

var (
	end        = []byte{0x0b}
	drop       = []byte{0x1a}
	add        = []byte{0x6a}
	sub        = []byte{0x6b}
	ltU        = []byte{0x49}
	nop        = []byte{0x01}
	memoryFill = []byte{0xfc, 0x0b, 0}
	memoryCopy = []byte{0xfc, 0x0a, 0, 0}
)

// counting is a loop of n turns that leaves how many it made.
func counting(n int) []byte {
	return cat(loop(get(0), i32c(1), add, set(0), get(0), i32c(n), ltU, brIf(0)), get(0))
}
