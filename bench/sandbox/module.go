// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The modules that stand for a guest in C: written by hand, so that the benchmark needs no compiler
// for them, and without a language's runtime, as such guests are.

// smallEcho is the echo on the contract. Its second tool turns a loop as often as turns.
func smallEcho(turns int) []byte {
	const manifestAt, bufferAt, bufferLen = 1024, 64 << 10, 300 << 10
	count := slices.Concat([]byte{getLocal, 0, ifOp, void}, i32c(turns), []byte{setLocal, 1, loopOp, void, getLocal, 1},
		i32c(1), []byte{i32Sub, teeLocal, 1, brIf, 0, end, end})
	echo := slices.Concat(i32c(bufferAt), i32c(bufferLen), call(0), []byte{setLocal, 1},
		i32c(bufferAt), []byte{getLocal, 1}, call(1), i32c(2))
	describe := slices.Concat(i32c(manifestAt), i32c(len(smallManifest)), call(1), i32c(0))
	return assemble(&module{
		types:   []string{ii + result + i, ii + result, result + i, i + result + i},
		imports: []link{{"gantry", "input", 0}, {"gantry", "output", 1}},
		funcs: []fn{
			{"gantry_describe", 2, body(nil, describe)},
			{"gantry_call", 3, body([]byte{1, 1, i32}, count, echo)},
		},
		memory: 6, data: smallManifest, dataAt: manifestAt,
	})
}

const smallManifest = `{"abi":1,"name":"bench-0000","tools":[{"name":"bench-0000_echo"},{"name":"bench-0000_count"}]}`

// smallExtism is the echo for Extism's kernel. It stores what it loads without keeping it, which
// spares it work that Extism's kits do.
func smallExtism() []byte {
	const n, off, at = 0, 1, 2
	const length, alloc, load64, store64, load8, store8, output = 0, 1, 2, 3, 4, 5, 6
	where := []byte{getLocal, off, getLocal, at, i64Add}
	copyBy := func(step int, done, load, store []byte) []byte {
		return slices.Concat([]byte{blockOp, void, loopOp, void}, done, []byte{brIf, 1},
			where, []byte{getLocal, at}, load, store,
			[]byte{getLocal, at, i64Const, byte(step), i64Add, setLocal, at, br, 0, end, end})
	}
	echo := slices.Concat(call(length), []byte{setLocal, n, getLocal, n}, call(alloc), []byte{setLocal, off},
		copyBy(8, []byte{getLocal, at, i64Const, 8, i64Add, getLocal, n, i64GtU}, call(load64), call(store64)),
		copyBy(1, []byte{getLocal, at, getLocal, n, i64GeU}, call(load8), call(store8)),
		[]byte{getLocal, off, getLocal, n}, call(output), i32c(0))
	const env = "extism:host/env"
	return assemble(&module{
		types: []string{result + l, l + result + l, ll + result, l + result + i, li + result, result + i},
		imports: []link{{env, "input_length", 0}, {env, "alloc", 1}, {env, "input_load_u64", 1}, {env, "store_u64", 2},
			{env, "input_load_u8", 3}, {env, "store_u8", 4}, {env, "output_set", 2}},
		funcs:  []fn{{"echo", 5, body([]byte{1, 3, i64}, echo)}},
		memory: 1,
	})
}

// module is what assemble writes out. A type is its parameters, result and its results.
type module struct {
	types   []string
	imports []link
	funcs   []fn
	memory  int
	data    string
	dataAt  int
}

type link struct {
	module, name string
	typ          int
}

type fn struct {
	export string
	typ    int
	body   []byte
}

const (
	i32    = 0x7f
	i64    = 0x7e
	i      = "\x7f"
	l      = "\x7e"
	ii     = i + i
	ll     = l + l
	li     = l + i
	result = ">"

	blockOp  = 0x02
	loopOp   = 0x03
	ifOp     = 0x04
	end      = 0x0b
	br       = 0x0c
	brIf     = 0x0d
	getLocal = 0x20
	setLocal = 0x21
	teeLocal = 0x22
	i64Const = 0x42
	i64GtU   = 0x56
	i64GeU   = 0x5a
	i32Sub   = 0x6b
	i64Add   = 0x7c
	void     = 0x40
)

// assemble writes a module whose functions see each other after the imports, and whose memory and
// functions are exported.
func assemble(m *module) []byte {
	var types, imports, funcs, exports, code [][]byte
	for _, t := range m.types {
		params, results, _ := bytes.Cut([]byte(t), []byte(result))
		types = append(types, slices.Concat([]byte{0x60}, vec(params), vec(results)))
	}
	for _, im := range m.imports {
		imports = append(imports, slices.Concat(vec([]byte(im.module)), vec([]byte(im.name)), []byte{0, byte(im.typ)}))
	}
	exports = append(exports, slices.Concat(vec([]byte("memory")), []byte{2, 0}))
	for n, f := range m.funcs {
		funcs = append(funcs, []byte{byte(f.typ)})
		exports = append(exports, slices.Concat(vec([]byte(f.export)), []byte{0, byte(len(m.imports) + n)}))
		code = append(code, vec(f.body))
	}
	out := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, types), section(2, imports), section(3, funcs),
		section(5, [][]byte{{0, byte(m.memory)}}), section(7, exports), section(10, code))
	if m.data != "" {
		out = append(out, section(11, [][]byte{slices.Concat([]byte{0}, i32c(m.dataAt), []byte{end}, vec([]byte(m.data)))})...)
	}
	return out
}

func section(id byte, items [][]byte) []byte {
	return append([]byte{id}, vec(append(leb(len(items)), slices.Concat(items...)...))...)
}

func vec(b []byte) []byte { return append(leb(len(b)), b...) }

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

// i32c is the instruction that pushes n, which is not negative.
func i32c(n int) []byte {
	out := []byte{0x41}
	for ; n >= 0x40; n >>= 7 {
		out = append(out, byte(n&0x7f)|0x80)
	}
	return append(out, byte(n))
}

func call(f byte) []byte { return []byte{0x10, f} }

// body is a function's: its local declarations (nil is none) and its code.
func body(locals []byte, code ...[]byte) []byte {
	if locals == nil {
		locals = []byte{0}
	}
	return slices.Concat(locals, slices.Concat(code...), []byte{end})
}
