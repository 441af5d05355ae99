// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"encoding/binary"
)

// Append writes the module in its shortest form: a number takes no more bytes than it needs.
func (m *Module) Append(out []byte) []byte {
	out = append(out, header...)
	out = m.appendCustoms(out, secCustom)
	var body []byte
	for _, id := range sectionOrder {
		var there bool
		if body, there = m.appendBody(body[:0], id); there {
			out = append(out, id)
			out = AppendU32(out, uint32(len(body)))
			out = append(out, body...)
		}
		out = m.appendCustoms(out, id)
	}
	return out
}

// AppendU32 writes an unsigned LEB128 number.
func AppendU32(out []byte, v uint32) []byte { return binary.AppendUvarint(out, uint64(v)) }

// AppendSigned writes a signed LEB128 number.
func AppendSigned(out []byte, v int64) []byte {
	for {
		b := byte(v & 0x7f)
		v >>= 7
		if v == 0 && b&0x40 == 0 || v == -1 && b&0x40 != 0 {
			return append(out, b)
		}
		out = append(out, b|0x80)
	}
}

func (m *Module) appendCustoms(out []byte, after byte) []byte {
	for _, c := range m.Customs {
		if c.after != after {
			continue
		}
		name := appendName(nil, c.Name)
		out = append(out, secCustom)
		out = AppendU32(out, uint32(len(name)+len(c.Data)))
		out = append(append(out, name...), c.Data...)
	}
	return out
}

// appendBody writes what a section holds; false says that there is none.
func (m *Module) appendBody(out []byte, id byte) ([]byte, bool) {
	there := m.present&(1<<id) != 0
	switch id {
	case secType:
		return m.appendTypes(out), there || len(m.Types) > 0
	case secImport:
		return appendList(out, m.Imports, appendImport), there || len(m.Imports) > 0
	case secFunction:
		return appendList(out, m.Funcs, AppendU32), there || len(m.Funcs) > 0
	case secTable:
		return appendList(out, m.Tables, appendTable), there || len(m.Tables) > 0
	case secMemory:
		return appendList(out, m.Memories, appendExtent), there || len(m.Memories) > 0
	case secTag:
		return appendList(out, m.Tags, appendTag), there || len(m.Tags) > 0
	case secGlobal:
		return appendList(out, m.Globals, appendGlobal), there || len(m.Globals) > 0
	case secExport:
		return appendList(out, m.Exports, appendExport), there || len(m.Exports) > 0
	case secStart:
		return appendOptional(out, m.Start), m.Start != nil
	case secElement:
		return appendList(out, m.Elements, appendElement), there || len(m.Elements) > 0
	case secDataCount:
		return appendOptional(out, m.DataCount), m.DataCount != nil
	case secCode:
		return appendList(out, m.Codes, appendCode), there || len(m.Codes) > 0
	}
	return appendList(out, m.Data, appendData), there || len(m.Data) > 0
}

func appendList[T any](out []byte, items []T, one func([]byte, T) []byte) []byte {
	out = AppendU32(out, uint32(len(items)))
	for _, it := range items {
		out = one(out, it)
	}
	return out
}

func appendOptional(out []byte, v *uint32) []byte {
	if v == nil {
		return out
	}
	return AppendU32(out, *v)
}

func appendName(out []byte, name string) []byte {
	return append(AppendU32(out, uint32(len(name))), name...)
}

func (m *Module) appendTypes(out []byte) []byte {
	n := uint32(0)
	for _, t := range m.Types {
		if t.Group >= 0 {
			n++
		}
	}
	out = AppendU32(out, n)
	for _, t := range m.Types {
		if t.Group > 0 {
			out = AppendU32(append(out, 0x4e), uint32(t.Group))
		}
		out = append(out, 0x60)
		out = appendList(out, t.Params, appendValType)
		out = appendList(out, t.Results, appendValType)
	}
	return out
}

func appendValType(out []byte, v ValType) []byte {
	out = append(out, byte(v))
	if k := v.Kind(); k == RefNull || k == Ref {
		out = AppendSigned(out, v.Heap())
	}
	return out
}

func appendImport(out []byte, im Import) []byte {
	out = append(appendName(appendName(out, im.Module), im.Name), byte(im.Kind))
	switch im.Kind {
	case ExternFunc:
		return AppendU32(out, im.Index)
	case ExternTable:
		return appendTable(out, im.Table)
	case ExternMemory:
		return appendExtent(out, im.Memory)
	case ExternGlobal:
		return appendGlobalType(out, im.Global)
	}
	return appendTag(out, im.Index)
}

func appendTable(out []byte, t Table) []byte {
	if t.Init != nil {
		out = append(out, 0x40, 0)
	}
	out = appendExtent(appendValType(out, t.Type), t.Size)
	return append(out, t.Init...)
}

func appendExtent(out []byte, e Extent) []byte {
	flags := byte(0)
	if e.HasMax {
		flags |= 1
	}
	if e.Shared {
		flags |= 2
	}
	out = AppendU32(append(out, flags), e.Min)
	if e.HasMax {
		out = AppendU32(out, e.Max)
	}
	return out
}

func appendTag(out []byte, typ uint32) []byte { return AppendU32(append(out, 0), typ) }

func appendGlobalType(out []byte, g GlobalType) []byte {
	mutable := byte(0)
	if g.Mutable {
		mutable = 1
	}
	return append(appendValType(out, g.Type), mutable)
}

func appendGlobal(out []byte, g Global) []byte {
	return append(appendGlobalType(out, g.GlobalType), g.Init...)
}

func appendExport(out []byte, e Export) []byte {
	return AppendU32(append(appendName(out, e.Name), byte(e.Kind)), e.Index)
}

func appendElement(out []byte, e Element) []byte {
	out = AppendU32(out, e.Flags)
	if e.Flags&elemPassive == 0 {
		if e.Flags&elemExplicit != 0 {
			out = AppendU32(out, e.Table)
		}
		out = append(out, e.Offset...)
	}
	typed := e.Flags&(elemPassive|elemExplicit) != 0
	if e.Flags&elemExprs != 0 {
		if typed {
			out = appendValType(out, e.Type)
		}
		return appendList(out, e.Exprs, func(out []byte, x Expr) []byte { return append(out, x...) })
	}
	if typed {
		out = append(out, e.Kind)
	}
	return appendList(out, e.Funcs, AppendU32)
}

func appendCode(out []byte, c Code) []byte {
	locals := appendList(nil, c.Locals, func(out []byte, l Locals) []byte {
		return appendValType(AppendU32(out, l.N), l.Type)
	})
	out = AppendU32(out, uint32(len(locals)+len(c.Body)))
	return append(append(out, locals...), c.Body...)
}

func appendData(out []byte, d Data) []byte {
	out = AppendU32(out, d.Flags)
	if d.Flags == 2 {
		out = AppendU32(out, d.Memory)
	}
	out = append(out, d.Offset...)
	return append(AppendU32(out, uint32(len(d.Bytes))), d.Bytes...)
}
