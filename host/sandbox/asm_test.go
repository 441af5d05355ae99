// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"encoding/binary"
	"slices"
)

// module is a Wasm module put together by hand, for shapes that no compiler makes. Every one imports
// the whole contract, so that a function of its own has the index of its place plus len(contract).
type module struct {
	imports []asmImport
	// memory and tables are minimum and maximum; a maximum below 0 is none.
	memory [2]int
	tables [][2]int
	// globals is how many mutable i32 globals of 0 there are.
	globals int
	funcs   []asmFunc
	start   int // place in funcs plus 1
	data    string
	exports []asmExport // further ones
	bare    bool        // no gantry_describe, no memory export
}

type asmImport struct {
	module, name string
	typ          signature
}

type asmFunc struct {
	export string
	typ    signature
	body   []byte
}

type asmExport struct {
	name  string
	kind  byte
	index int
}

var contract = []asmImport{
	{"gantry", "input", signature{i32 + i32, i32}},
	{"gantry", "output", signature{i32 + i32, ""}},
	{"gantry", "emit", signature{i32 + i32 + i32, ""}},
	{"gantry", "log", signature{i32 + i32 + i32, ""}},
	{"gantry", "op", signature{i32 + i32 + i32 + i32, i64}},
	{"gantry", "op_read", signature{i32 + i32, i32}},
}

const (
	fnInput = iota
	fnOutput
	fnEmit
	fnLog
	fnOp
	fnOpRead
)

// manifestAt is where a module's manifest lies in its memory.
const manifestAt = 32 << 10

const asmManifest = `{"abi":1,"name":"asm","tools":[{"name":"a"},{"name":"b"}]}`

// tool is the usual module: a gantry_call with the body, which leaves an i32.
func tool(body ...[]byte) *module {
	return &module{
		memory: [2]int{1, -1},
		funcs:  []asmFunc{{"gantry_call", signature{i32, i32}, slices.Concat(body...)}},
		data:   asmManifest,
	}
}

func (m *module) bytes() []byte {
	imports := append(slices.Clone(contract), m.imports...)
	funcs := slices.Clone(m.funcs)
	exports := slices.Clone(m.exports)
	if !m.bare {
		funcs = append(funcs, asmFunc{"gantry_describe", signature{"", i32}, slices.Concat(
			i32c(manifestAt), i32c(len(m.data)), call(fnOutput), i32c(0))})
		exports = append(exports, asmExport{"memory", 2, 0})
	}
	var types, imps, fns, codes, exps [][]byte
	typeOf := func(s signature) []byte {
		types = append(types, slices.Concat([]byte{0x60}, str(s.params), str(s.results)))
		return leb(len(types) - 1)
	}
	for _, im := range imports {
		imps = append(imps, slices.Concat(str(im.module), str(im.name), []byte{0}, typeOf(im.typ)))
	}
	for i, f := range funcs {
		fns = append(fns, typeOf(f.typ))
		body := slices.Concat(f.body, []byte{0x0b})
		if !slices.Equal(f.body[:1], []byte{localsMark}) {
			body = slices.Concat([]byte{0}, body)
		} else {
			body = body[1:]
		}
		codes = append(codes, slices.Concat(leb(len(body)), body))
		if f.export != "" {
			exports = append(exports, asmExport{f.export, 0, i + len(imports)})
		}
	}
	for _, e := range exports {
		exps = append(exps, slices.Concat(str(e.name), []byte{e.kind}, leb(e.index)))
	}
	out := []byte("\x00asm\x01\x00\x00\x00")
	out = append(out, asmSection(1, vec(types))...)
	out = append(out, asmSection(2, vec(imps))...)
	out = append(out, asmSection(3, vec(fns))...)
	if m.tables != nil {
		var ts [][]byte
		for _, t := range m.tables {
			ts = append(ts, append([]byte{0x70}, asmLimits(t)...))
		}
		out = append(out, asmSection(4, vec(ts))...)
	}
	out = append(out, asmSection(5, vec([][]byte{asmLimits(m.memory)}))...)
	if m.globals > 0 {
		out = append(out, asmSection(6, vec(slices.Repeat([][]byte{{0x7f, 1, 0x41, 0, 0x0b}}, m.globals)))...)
	}
	out = append(out, asmSection(7, vec(exps))...)
	if m.start > 0 {
		out = append(out, asmSection(8, leb(m.start-1+len(imports)))...)
	}
	out = append(out, asmSection(10, vec(codes))...)
	if m.data != "" {
		seg := slices.Concat([]byte{0}, i32c(manifestAt), []byte{0x0b}, str(m.data))
		out = append(out, asmSection(11, vec([][]byte{seg}))...)
	}
	return out
}

// localsMark as a body's first byte says that the body brings its own local declarations.
const localsMark = 0xff

func leb(n int) []byte    { return binary.AppendUvarint(nil, uint64(n)) }
func str(s string) []byte { return append(leb(len(s)), s...) }

func asmSection(id byte, body []byte) []byte { return slices.Concat([]byte{id}, leb(len(body)), body) }

func vec(items [][]byte) []byte { return append(leb(len(items)), slices.Concat(items...)...) }

func asmLimits(l [2]int) []byte {
	if l[1] < 0 {
		return append([]byte{0}, leb(l[0])...)
	}
	return slices.Concat([]byte{1}, leb(l[0]), leb(l[1]))
}

// The instructions.

func i32c(n int) []byte {
	out := []byte{0x41}
	for v := int64(int32(uint32(n))); ; {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func call(fn int) []byte { return append([]byte{0x10}, leb(fn)...) }

// load32 loads the i32 at the address.
func load32(at int) []byte { return append(i32c(at), 0x28, 2, 0) }

var (
	drop        = []byte{0x1a}
	unreachable = []byte{0x00}
	forever     = []byte{0x03, 0x40, 0x0c, 0x00, 0x0b} // loop br 0 end
)
