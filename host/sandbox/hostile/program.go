// Copyright 2026 The Gantry Authors.

package hostile

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// program is a plugin that is put together by hand.
type program struct {
	// call is the body of gantry_call without its end; it leaves an i32. It has one parameter.
	call []byte
	// describe, init and start are the bodies of gantry_describe, _initialize and the start function.
	// Where describe is nil it answers with the manifest; the other two are then missing.
	describe, init, start []byte
	// helpers are further functions: their indices begin at firstHelper.
	helpers []helper
	// pages is the memory at the start, 1 where 0. The manifest lies at its beginning.
	pages uint32
	// tables have so many entries at their start, each helper's reference in turn.
	tables []uint32
}

type helper struct {
	params int
	locals uint32
	body   []byte
}

// The functions every program imports, by index.
const (
	fnInput = iota
	fnOutput
	fnEmit
	fnLog
	fnOp
	fnRandom
	fnPoll
	fnWrite
	fnClock
	fnYield
	fnExit
	imported
)

// The program's own functions follow.
const (
	fnCall = imported + iota
	fnDescribe
	firstHelper
)

const (
	i32 = wasmbin.I32
	i64 = wasmbin.I64
)

var imports = [imported]struct {
	module, name    string
	params, results []wasmbin.ValType
}{
	fnInput:  {abi.Module, abi.ImportInput, vals(2), vals(1)},
	fnOutput: {abi.Module, abi.ImportOutput, vals(2), nil},
	fnEmit:   {abi.Module, abi.ImportEmit, vals(3), nil},
	fnLog:    {abi.Module, abi.ImportLog, vals(3), nil},
	fnOp:     {abi.Module, abi.ImportOp, vals(4), []wasmbin.ValType{i64}},
	fnRandom: {wasi, "random_get", vals(2), vals(1)},
	fnPoll:   {wasi, "poll_oneoff", vals(4), vals(1)},
	fnWrite:  {wasi, "fd_write", vals(4), vals(1)},
	fnClock:  {wasi, "clock_time_get", []wasmbin.ValType{i32, i64, i32}, vals(1)},
	fnYield:  {wasi, "sched_yield", nil, vals(1)},
	fnExit:   {wasi, "proc_exit", vals(1), nil},
}

const wasi = "wasi_snapshot_preview1"

func vals(n int) []wasmbin.ValType { return slices.Repeat([]wasmbin.ValType{i32}, n) }

// builder collects a module's functions.
type builder struct{ m wasmbin.Module }

func (b *builder) typeOf(params, results []wasmbin.ValType) uint32 {
	at := slices.IndexFunc(b.m.Types, func(t wasmbin.FuncType) bool {
		return slices.Equal(t.Params, params) && slices.Equal(t.Results, results)
	})
	if at < 0 {
		at = len(b.m.Types)
		b.m.Types = append(b.m.Types, wasmbin.FuncType{Params: params, Results: results})
	}
	return uint32(at)
}

// function adds one and returns its index.
func (b *builder) function(params, results []wasmbin.ValType, locals uint32, body []byte) uint32 {
	b.m.Funcs = append(b.m.Funcs, b.typeOf(params, results))
	code := wasmbin.Code{Body: append(slices.Clone(body), opEnd)}
	if locals > 0 {
		code.Locals = []wasmbin.Locals{{N: locals, Type: i32}}
	}
	b.m.Codes = append(b.m.Codes, code)
	return imported + uint32(len(b.m.Funcs)) - 1
}

func (b *builder) export(name string, kind wasmbin.ExternKind, index uint32) {
	b.m.Exports = append(b.m.Exports, wasmbin.Export{Name: name, Kind: kind, Index: index})
}

// module writes the program as a plugin of the name, with one tool, "run".
func (p *program) module(name string) []byte {
	b := &builder{}
	for _, im := range imports {
		b.m.Imports = append(b.m.Imports, wasmbin.Import{Module: im.module, Name: im.name, Index: b.typeOf(im.params, im.results)})
	}
	manifest := fmt.Appendf(nil, `{"abi":%d,"name":%q,"tools":[{"name":"run"}]}`, abi.Version, name)
	describe := p.describe
	if describe == nil {
		describe = code(num(0), num(len(manifest)), call(fnOutput), num(0))
	}
	b.export(abi.ExportCall, wasmbin.ExternFunc, b.function(vals(1), vals(1), 0, p.call))
	b.export(abi.ExportDescribe, wasmbin.ExternFunc, b.function(nil, vals(1), 0, describe))
	for _, h := range p.helpers {
		b.function(vals(h.params), nil, h.locals, h.body)
	}
	if p.init != nil {
		b.export("_initialize", wasmbin.ExternFunc, b.function(nil, nil, 0, p.init))
	}
	if p.start != nil {
		start := b.function(nil, nil, 0, p.start)
		b.m.Start = &start
	}
	b.m.Memories = []wasmbin.Extent{{Min: max(p.pages, 1)}}
	b.export("memory", wasmbin.ExternMemory, 0)
	for _, n := range p.tables {
		b.m.Tables = append(b.m.Tables, wasmbin.Table{Type: wasmbin.FuncRef, Size: wasmbin.Extent{Min: n}})
	}
	b.m.Data = []wasmbin.Data{{Offset: append(num(0), opEnd), Bytes: manifest}}
	return b.m.Append(nil)
}

// The instructions.

const opEnd = 0x0b

func code(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func num(n int) []byte { return wasmbin.AppendSigned([]byte{0x41}, int64(int32(uint32(n)))) }

func call(fn uint32) []byte { return wasmbin.AppendU32([]byte{0x10}, fn) }

func local(n byte) []byte { return []byte{0x20, n} }

// forever repeats the body without end, and leaves whatever type is asked for.
func forever(body ...[]byte) []byte {
	return code([]byte{0x03, 0x40}, code(body...), []byte{0x0c, 0, opEnd, 0x00})
}

// when runs the body where what lies on the stack is not 0.
func when(body ...[]byte) []byte { return code([]byte{0x04, 0x40}, code(body...), []byte{opEnd}) }

// block is the bytes of a block around the body.
func block(body ...[]byte) []byte { return code([]byte{0x02, 0x40}, code(body...), []byte{opEnd}) }

// count adds one to the number in memory at the address.
func count(at int) []byte {
	return code(num(at), num(at), []byte{0x28, 2, 0}, num(1), []byte{0x6a, 0x36, 2, 0})
}

// thousand repeats the body a thousand times, with its count in memory at the address.
func thousand(at int, body ...[]byte) []byte {
	left := code(num(at), []byte{0x28, 2, 0}, num(1000), []byte{0x70}) // count mod 1000
	return code([]byte{0x03, 0x40}, code(body...), count(at), left, []byte{0x0d, 0, opEnd})
}

var (
	drop        = []byte{0x1a}
	add         = []byte{0x6a}
	load        = []byte{0x28, 2, 0}
	load8       = []byte{0x2d, 0, 0}
	store       = []byte{0x36, 2, 0}
	store8      = []byte{0x3a, 0, 0}
	unreachable = []byte{0x00}
	minusOne    = code(num(1), []byte{0x6b}) // subtract one
	text        = num(int(abi.OutputText))
)
