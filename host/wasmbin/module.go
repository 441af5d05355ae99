// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"bytes"
)

// Module is a module as a tree. Bytes and expressions lie in the file that was decoded: who changes
// one gives it a new slice.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Funcs     []uint32 // the type of each function that is not imported
	Tables    []Table
	Memories  []Extent
	Tags      []uint32
	Globals   []Global
	Exports   []Export
	Start     *uint32
	Elements  []Element
	DataCount *uint32
	Codes     []Code
	Data      []Data
	Customs   []Custom

	// present has a bit for each section that was there, since an empty one is written again.
	present uint16
}

// ValType is the type of a value: the byte of the format, and for the kinds RefNull and Ref the heap
// type in the bits above it.
type ValType int64

// The kinds of ValType.
const (
	I32       ValType = 0x7f
	I64       ValType = 0x7e
	F32       ValType = 0x7d
	F64       ValType = 0x7c
	V128      ValType = 0x7b
	FuncRef   ValType = 0x70
	ExternRef ValType = 0x6f
	ExnRef    ValType = 0x69
	RefNull   ValType = 0x63
	Ref       ValType = 0x64
)

// Kind is the type without its heap type.
func (v ValType) Kind() ValType { return v & 0xff }

// Heap is the heap type of a RefNull or Ref: the index of a type, or below 0 an abstract one.
func (v ValType) Heap() int64 { return int64(v >> 8) }

// String is the type's name in the text format.
func (v ValType) String() string {
	names := map[ValType]string{
		I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128", FuncRef: "funcref",
		ExternRef: "externref", ExnRef: "exnref", RefNull: "(ref null)", Ref: "(ref)",
	}
	return names[v.Kind()]
}

// FuncType is the type of a function.
type FuncType struct {
	Params, Results []ValType
	// Group is 0 for a type that stands alone, n for the first of a recursion group of n, and -1 for
	// the others of the group.
	Group int
}

// ExternKind is what an import or export is.
type ExternKind byte

// The kinds of imports and exports.
const (
	ExternFunc ExternKind = iota
	ExternTable
	ExternMemory
	ExternGlobal
	ExternTag
)

// Import is one import; the field of its kind is set. Index is the type of a function or tag.
type Import struct {
	Module, Name string
	Kind         ExternKind
	Index        uint32
	Table        Table
	Memory       Extent
	Global       GlobalType
}

// Extent is the size of a memory in pages or of a table in entries.
type Extent struct {
	Min, Max uint32
	// HasMax says that Max is set, Shared that threads share the memory.
	HasMax, Shared bool
}

// Table is a table; Init is nil where entries begin as null.
type Table struct {
	Type ValType
	Size Extent
	Init Expr
}

// GlobalType is the type of a global.
type GlobalType struct {
	Type    ValType
	Mutable bool
}

// Global is a global of the module's own.
type Global struct {
	GlobalType
	Init Expr
}

// Export is one export.
type Export struct {
	Name  string
	Kind  ExternKind
	Index uint32
}

// Element is an element segment. Flags are those of the format: they say which fields there are.
type Element struct {
	Flags  uint32
	Table  uint32
	Offset Expr
	Kind   byte
	Type   ValType
	Funcs  []uint32
	Exprs  []Expr
}

// The flags of Element.
const (
	elemPassive  = 1 // or declarative, together with elemExplicit
	elemExplicit = 2
	elemExprs    = 4
)

// Code is the body of a function.
type Code struct {
	Locals []Locals
	// Body is the instructions with the last end.
	Body []byte
	// At is where the body begins in the file.
	At int
}

// Locals are N locals of one type.
type Locals struct {
	N    uint32
	Type ValType
}

// Count is how many locals the function declares, parameters not counted.
func (c *Code) Count() uint64 {
	var n uint64
	for _, l := range c.Locals {
		n += uint64(l.N)
	}
	return n
}

// Data is a data segment. Flags are those of the format: 0 active, 1 passive, 2 active with Memory.
type Data struct {
	Flags  uint32
	Memory uint32
	Offset Expr
	Bytes  []byte
}

// Custom is a custom section.
type Custom struct {
	Name string
	Data []byte
	// after is the id of the section it follows.
	after byte
}

// Expr is a constant expression with its end.
type Expr []byte

// ImportedFuncs is how many functions are imported. They come before the module's own.
func (m *Module) ImportedFuncs() uint32 { return m.imported(ExternFunc) }

func (m *Module) imported(kind ExternKind) uint32 {
	n := uint32(0)
	for i := range m.Imports {
		if m.Imports[i].Kind == kind {
			n++
		}
	}
	return n
}

// ImportedGlobals is how many globals are imported, and ImportedTables how many tables.
func (m *Module) ImportedGlobals() uint32 { return m.imported(ExternGlobal) }

// ImportedTables is how many tables are imported.
func (m *Module) ImportedTables() uint32 { return m.imported(ExternTable) }

// FuncType returns the type of a function, imported ones counted first.
func (m *Module) FuncType(index uint32) (FuncType, bool) {
	n := uint32(0)
	for i := range m.Imports {
		if m.Imports[i].Kind != ExternFunc {
			continue
		}
		if n == index {
			return m.Type(m.Imports[i].Index)
		}
		n++
	}
	if uint64(index-n) >= uint64(len(m.Funcs)) {
		return FuncType{}, false
	}
	return m.Type(m.Funcs[index-n])
}

// Type returns the type with the index.
func (m *Module) Type(index uint32) (FuncType, bool) {
	if uint64(index) >= uint64(len(m.Types)) {
		return FuncType{}, false
	}
	return m.Types[index], true
}

// MapFuncs gives every function that the module names outside of its code the index that moved
// returns for its own.
func (m *Module) MapFuncs(moved func(uint32) uint32) {
	for i := range m.Globals {
		m.Globals[i].Init = m.Globals[i].Init.mapFuncs(moved)
	}
	for i := range m.Tables {
		m.Tables[i].Init = m.Tables[i].Init.mapFuncs(moved)
	}
	for i := range m.Exports {
		if m.Exports[i].Kind == ExternFunc {
			m.Exports[i].Index = moved(m.Exports[i].Index)
		}
	}
	if m.Start != nil {
		start := moved(*m.Start)
		m.Start = &start
	}
	for i := range m.Elements {
		e := &m.Elements[i]
		for j := range e.Funcs {
			e.Funcs[j] = moved(e.Funcs[j])
		}
		for j := range e.Exprs {
			e.Exprs[j] = e.Exprs[j].mapFuncs(moved)
		}
	}
}

// mapFuncs rewrites the ref.func instructions of an expression. Offsets hold none.
func (x Expr) mapFuncs(moved func(uint32) uint32) Expr {
	const refFunc = byte(OpRefFunc)
	if bytes.IndexByte(x, refFunc) < 0 {
		return x
	}
	var out Expr
	w := NewWalker(&Code{Body: x}, 0, Settings{Features: AllFeatures})
	var in Instr
	for w.Next(&in) {
		if in.Op == OpRefFunc {
			out = AppendU32(append(out, refFunc), moved(in.Index))
		} else {
			out = append(out, x[in.Start:in.End]...)
		}
	}
	return out
}

// SizeHint is about how many bytes Append will write, or somewhat more.
func (m *Module) SizeHint() int {
	n := 1 << 10
	for i := range m.Codes {
		n += len(m.Codes[i].Body) + 16
	}
	for i := range m.Data {
		n += len(m.Data[i].Bytes) + 16
	}
	return n + 16*len(m.Types) + 64*len(m.Exports)
}
