// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"bytes"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The sections of a module by their ids.
const (
	secCustom = iota
	secType
	secImport
	secFunction
	secTable
	secMemory
	secGlobal
	secExport
	secStart
	secElement
	secCode
	secData
	secDataCount
	secTag
)

// sectionOrder is the order in which sections stand in a module.
var sectionOrder = [...]byte{
	secType, secImport, secFunction, secTable, secMemory, secTag, secGlobal, secExport, secStart,
	secElement, secDataCount, secCode, secData,
}

const header = "\x00asm\x01\x00\x00\x00"

// rank is a section's place in the order, from 1; 0 is none.
func rank(id byte) int { return bytes.IndexByte(sectionOrder[:], id) + 1 }

// Decode reads a module. The result holds parts of data, which must not be changed while it is used.
//
// Errors are of CodeContract, or CodeLimit where a limit was met; their text is for the author of
// the module. Instructions are not looked at: that is Walker's part.
func Decode(data []byte, set Settings) (*Module, error) {
	set.Limits = set.Limits.Filled()
	switch {
	case len(data) > set.Limits.FileBytes:
		return nil, overLimit("FileBytes", "the module is %d bytes long; at most %d are allowed", len(data), set.Limits.FileBytes)
	case bytes.HasPrefix(data, []byte("\x00asm\x0d\x00\x01\x00")):
		return nil, host.Errorf(op, abi.CodeContract, "the file is a Wasm component; this host takes core modules: build for wasip1")
	case !bytes.HasPrefix(data, []byte(header)):
		return nil, host.Errorf(op, abi.CodeContract, "the file is not a Wasm module: it does not begin with the magic number and version 1")
	}
	m := &Module{}
	r := &reader{data: data, at: len(header), end: len(data), set: &set}
	for last := byte(secCustom); r.at < r.end; {
		id := r.byte("a section")
		size := int(r.u32("a section's size"))
		if r.err == nil && size > r.end-r.at {
			r.fail("a section reaches past the end of the file")
		}
		if r.err != nil {
			return nil, r.err
		}
		if id != secCustom {
			if rank(id) <= rank(last) {
				r.fail("section %d is unknown, out of order or there twice", id)
				return nil, r.err
			}
			last = id
			m.present |= 1 << id
		}
		in := &reader{data: data, at: r.at, end: r.at + size, set: &set}
		if m.section(id, last, in); in.err == nil && in.at < in.end {
			in.fail("section %d is longer than what it holds", id)
		}
		if in.err != nil {
			return nil, in.err
		}
		r.at = in.end
	}
	if err := m.consistent(len(data)); err != nil {
		return nil, err
	}
	return m, m.checkCodes(set.Limits)
}

// consistent checks what one section says of another.
func (m *Module) consistent(end int) error {
	if len(m.Funcs) != len(m.Codes) {
		return malformed(end, "it declares %d functions and has %d bodies", len(m.Funcs), len(m.Codes))
	}
	if m.DataCount != nil && uint64(*m.DataCount) != uint64(len(m.Data)) {
		return malformed(end, "it announces %d data segments and has %d", *m.DataCount, len(m.Data))
	}
	return nil
}

func (m *Module) section(id, last byte, r *reader) {
	switch id {
	case secCustom:
		m.customSection(last, r)
	case secType:
		m.typeSection(r)
	case secImport:
		m.Imports = list(r, "imports", r.set.Limits.Imports, 4, (*reader).importEntry)
	case secFunction:
		m.Funcs = list(r, "functions", r.set.Limits.Functions, 1, func(r *reader) uint32 { return r.u32("a function's type") })
	case secTable:
		m.Tables = list(r, "tables", r.set.Limits.Tables, 3, (*reader).table)
		m.checkTables(r)
	case secMemory:
		m.Memories = list(r, "memories", 1, 2, func(r *reader) Extent { return r.extent("a memory") })
	case secTag:
		r.need(Exceptions)
		m.Tags = list(r, "tags", r.set.Limits.Tags, 2, (*reader).tag)
	case secGlobal:
		m.Globals = list(r, "globals", r.set.Limits.Globals, 3, func(r *reader) Global {
			return Global{GlobalType: r.globalType(), Init: r.expr()}
		})
	case secExport:
		m.Exports = list(r, "exports", r.set.Limits.Exports, 3, (*reader).export)
	case secStart:
		start := r.u32("the start function")
		m.Start = &start
	case secElement:
		entries := 0
		m.Elements = list(r, "element segments", r.set.Limits.Elements, 2, func(r *reader) Element { return r.element(&entries) })
	case secDataCount:
		n := r.u32("the number of data segments")
		m.DataCount = &n
	case secCode:
		m.Codes = list(r, "function bodies", r.set.Limits.Functions, 3, (*reader).code)
	case secData:
		m.Data = list(r, "data segments", r.set.Limits.DataSegments, 2, (*reader).segment)
	}
}

// list reads a vector. After a mistake it is cut short.
func list[T any](r *reader, what string, limit, least int, one func(*reader) T) []T {
	n := r.count(what, limit, least)
	if n == 0 {
		return nil
	}
	out := make([]T, 0, n)
	for range n {
		if r.err != nil {
			break
		}
		out = append(out, one(r))
	}
	return out
}

func (m *Module) customSection(last byte, r *reader) {
	if len(m.Customs) == r.set.Limits.CustomSections {
		r.err = overLimit("CustomSections", "the module has more than %d custom sections", r.set.Limits.CustomSections)
		return
	}
	c := Custom{Name: r.name("a custom section's name"), after: last}
	if r.err == nil {
		c.Data = r.data[r.at:r.end:r.end]
		r.at = r.end
	}
	m.Customs = append(m.Customs, c)
}

func (m *Module) typeSection(r *reader) {
	limit := r.set.Limits.Types
	for range r.count("types", limit, 1) {
		if r.err != nil {
			return
		}
		if r.at >= r.end || r.data[r.at] != 0x4e {
			m.Types = append(m.Types, r.funcType(0))
			continue
		}
		r.need(TypedReferences)
		r.at++
		n := r.count("types", limit, 1)
		if n == 0 {
			r.fail("a recursion group has no types")
		}
		for i := range n {
			group := -1
			if i == 0 {
				group = n
			}
			m.Types = append(m.Types, r.funcType(group))
		}
		if len(m.Types) > limit && r.err == nil {
			r.err = overLimit("Types", "the module has more than %d types", limit)
		}
	}
}

func (m *Module) checkTables(r *reader) {
	for i, t := range m.Tables {
		if limit := r.set.Limits.TableEntries; r.err == nil && uint64(t.Size.Min) > uint64(limit) {
			r.err = overLimit("TableEntries", "table %d of the module has %d entries; at most %d are allowed", i, t.Size.Min, limit)
		}
	}
}
