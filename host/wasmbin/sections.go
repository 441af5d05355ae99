// Copyright 2026 The Gantry Authors.

package wasmbin

func (r *reader) funcType(group int) FuncType {
	if form := r.byte("a type"); r.err == nil && form != 0x60 {
		r.fail("a type is not a plain function type; build without the garbage collection proposal")
	}
	return FuncType{Params: r.valTypes(), Results: r.valTypes(), Group: group}
}

func (r *reader) importEntry() Import {
	im := Import{Module: r.name("an import's module"), Name: r.name("an import's name"), Kind: ExternKind(r.byte("an import's kind"))}
	switch im.Kind {
	case ExternFunc:
		im.Index = r.u32("an import's type")
	case ExternTable:
		im.Table = r.table()
	case ExternMemory:
		im.Memory = r.extent("a memory")
	case ExternGlobal:
		im.Global = r.globalType()
	case ExternTag:
		r.need(Exceptions)
		im.Index = r.tag()
	default:
		r.fail("the import %s.%s is of the unknown kind %d", im.Module, im.Name, im.Kind)
	}
	return im
}

func (r *reader) table() Table {
	var t Table
	withInit := r.err == nil && r.at < r.end && r.data[r.at] == 0x40
	if withInit {
		r.need(TypedReferences)
		r.at++
		if r.byte("a table's type") != 0 {
			r.fail("a table has a reserved byte that is not zero")
		}
	}
	t.Type = r.valType("a table's type")
	switch t.Type.Kind() {
	case FuncRef, ExternRef, ExnRef, RefNull, Ref:
	default:
		r.fail("a table of %s; tables hold references", t.Type)
	}
	if t.Size = r.extent("a table"); t.Size.Shared {
		r.fail("a table is marked as shared")
	}
	if withInit {
		t.Init = r.expr()
	}
	return t
}

func (r *reader) tag() uint32 {
	if r.byte("a tag") != 0 {
		r.fail("a tag has an attribute that is not zero")
	}
	return r.u32("a tag's type")
}

func (r *reader) globalType() GlobalType {
	g := GlobalType{Type: r.valType("a global's type")}
	switch r.byte("a global's mutability") {
	case 0:
	case 1:
		g.Mutable = true
	default:
		r.fail("a global's mutability is neither 0 nor 1")
	}
	return g
}

func (r *reader) export() Export {
	e := Export{Name: r.name("an export's name"), Kind: ExternKind(r.byte("an export's kind")), Index: r.u32("an export's index")}
	if e.Kind > ExternTag {
		r.fail("the export %s is of the unknown kind %d", e.Name, e.Kind)
	}
	return e
}

// element reads an element segment. Entries counts those of all segments.
func (r *reader) element(entries *int) Element {
	e := Element{Flags: r.u32("an element segment's flags")}
	if e.Flags > elemPassive|elemExplicit|elemExprs {
		r.fail("an element segment has the unknown flags %#x", e.Flags)
		return e
	}
	if e.Flags&elemPassive == 0 {
		if e.Flags&elemExplicit != 0 {
			e.Table = r.u32("an element segment's table")
		}
		e.Offset = r.expr()
	}
	typed := e.Flags&(elemPassive|elemExplicit) != 0
	if e.Flags&elemExprs != 0 {
		if typed {
			e.Type = r.valType("an element segment's type")
		}
		e.Exprs = list(r, "entries in an element segment", r.set.Limits.ElementEntries, 1, (*reader).expr)
	} else {
		if typed {
			if e.Kind = r.byte("an element segment's kind"); e.Kind != 0 {
				r.fail("an element segment is of the unknown kind %d", e.Kind)
			}
		}
		e.Funcs = list(r, "entries in an element segment", r.set.Limits.ElementEntries, 1,
			func(r *reader) uint32 { return r.u32("an element") })
	}
	*entries += len(e.Exprs) + len(e.Funcs)
	if limit := r.set.Limits.ElementEntries; *entries > limit && r.err == nil {
		r.err = overLimit("ElementEntries", "the element segments of the module have more than %d entries", limit)
	}
	return e
}

func (r *reader) segment() Data {
	d := Data{Flags: r.u32("a data segment's flags")}
	switch d.Flags {
	case 0:
		d.Offset = r.expr()
	case 1:
	case 2:
		d.Memory = r.u32("a data segment's memory")
		d.Offset = r.expr()
	default:
		r.fail("a data segment has the unknown flags %#x", d.Flags)
	}
	d.Bytes = r.bytes("a data segment")
	return d
}

// code reads the frame of one function: its size and its locals.
func (r *reader) code() Code {
	size := int(r.u32("a function's size"))
	if r.err == nil && size > r.end-r.at {
		r.fail("a function is cut short")
	}
	if r.err != nil {
		return Code{}
	}
	in := &reader{data: r.data, at: r.at, end: r.at + size, set: r.set}
	c := Code{Locals: list(in, "groups of locals in a function", r.set.Limits.Locals, 2, func(r *reader) Locals {
		return Locals{N: r.u32("a number of locals"), Type: r.valType("a local's type")}
	})}
	c.At, c.Body = in.at, r.data[min(in.at, in.end):in.end:in.end]
	r.at, r.err = in.end, in.err
	return c
}

// checkCodes holds the bodies against the limits, when all sections are read: the names that the
// messages give come after the code.
func (m *Module) checkCodes(lim Limits) error {
	var total uint64
	first := m.ImportedFuncs()
	for i := range m.Codes {
		c := &m.Codes[i]
		n := c.Count()
		total += n
		switch {
		case len(c.Body) > lim.BodyBytes:
			return overLimit("BodyBytes", "%s has %d bytes of code; at most %d are allowed", m.FuncName(first+uint32(i)), len(c.Body), lim.BodyBytes)
		case n > uint64(lim.Locals):
			return overLimit("Locals", "%s has %d locals; at most %d are allowed", m.FuncName(first+uint32(i)), n, lim.Locals)
		case total > uint64(lim.TotalLocals):
			return overLimit("TotalLocals", "the functions of the module have more than %d locals together", lim.TotalLocals)
		}
	}
	return nil
}
