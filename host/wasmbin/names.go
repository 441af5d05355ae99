// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// Names is what the name section says of the module and its functions. Names of locals are not read.
type Names struct {
	// Module is the module's own name, or empty.
	Module string
	// Funcs are the names of functions by index, imported ones counted first, in order.
	Funcs []FuncNamed
}

// FuncNamed is the name of one function.
type FuncNamed struct {
	Index uint32
	Name  string
}

const nameSection = "name"

// Names reads the name section. What it cannot read is left out: names are for people, and a
// mistake in them is none in the module.
func (m *Module) Names() Names {
	var n Names
	for _, c := range m.Customs {
		if c.Name != nameSection {
			continue
		}
		set := Settings{}
		r := &reader{data: c.Data, end: len(c.Data), set: &set}
		for r.err == nil && r.at < r.end {
			id := r.byte("a part")
			part := r.bytes("a part")
			n.read(id, &reader{data: part, end: len(part), set: &set})
		}
	}
	slices.SortStableFunc(n.Funcs, func(a, b FuncNamed) int { return cmp.Compare(a.Index, b.Index) })
	n.Funcs = slices.CompactFunc(n.Funcs, func(a, b FuncNamed) bool { return a.Index == b.Index })
	return n
}

func (n *Names) read(id byte, r *reader) {
	switch id {
	case 0:
		if name := r.name("a name"); r.err == nil {
			n.Module = name
		}
	case 1:
		for range r.u32("a number of names") {
			f := FuncNamed{Index: r.u32("an index"), Name: r.name("a name")}
			if r.err != nil {
				return
			}
			n.Funcs = append(n.Funcs, f)
		}
	}
}

// SetNames replaces the name section. It comes last.
func (m *Module) SetNames(n Names) {
	m.Customs = slices.DeleteFunc(m.Customs, func(c Custom) bool { return c.Name == nameSection })
	var data []byte
	if n.Module != "" {
		data = appendPart(data, 0, appendName(nil, n.Module))
	}
	if len(n.Funcs) > 0 {
		data = appendPart(data, 1, appendList(nil, n.Funcs, func(out []byte, f FuncNamed) []byte {
			return appendName(AppendU32(out, f.Index), f.Name)
		}))
	}
	m.Customs = append(m.Customs, Custom{Name: nameSection, Data: data, after: secData})
}

func appendPart(out []byte, id byte, part []byte) []byte {
	out = AppendU32(append(out, id), uint32(len(part)))
	return append(out, part...)
}

// FuncName is how to speak of a function: by its name, or its export's, or its index alone.
func (m *Module) FuncName(index uint32) string {
	names := m.Names().Funcs
	if i, ok := slices.BinarySearchFunc(names, index, func(f FuncNamed, i uint32) int { return cmp.Compare(f.Index, i) }); ok {
		return fmt.Sprintf("function %d (%s)", index, shortened(names[i].Name))
	}
	for _, e := range m.Exports {
		if e.Kind == ExternFunc && e.Index == index {
			return fmt.Sprintf("function %d (exported as %s)", index, shortened(e.Name))
		}
	}
	return fmt.Sprintf("function %d", index)
}

// shortened keeps a name from filling the message it stands in.
func shortened(name string) string {
	const most = 120
	if len(name) <= most {
		return name
	}
	cut := most
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
