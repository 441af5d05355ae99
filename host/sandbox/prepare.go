// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"encoding/binary"
)

// preparation names what prepare does to a module. It is part of the key under which compiled code
// and manifests are kept: change it with every change of what prepare writes.
const preparation = "t1"

// prepare returns the module as it will be compiled. Today that is the module with every table
// bounded, because table.grow takes host memory that no memory limit counts: a table without a
// maximum, or with a large one, gets maxTableEntries, at which table.grow answers -1 as it does at
// any maximum. A module without such a table comes back as it is.
func prepare(wasm []byte, s *shape) []byte {
	for _, sec := range s.sections {
		if sec.id != 4 || !s.growsTables() {
			continue
		}
		body := boundTables(wasm[sec.body:sec.end])
		out := make([]byte, 0, len(wasm)+len(body))
		out = append(out, wasm[:sec.start]...)
		out = append(out, sec.id)
		out = binary.AppendUvarint(out, uint64(len(body)))
		out = append(out, body...)
		return append(out, wasm[sec.end:]...)
	}
	return wasm
}

func (s *shape) growsTables() bool {
	for _, t := range s.tables {
		if !t.hasMax || t.max > maxTableEntries {
			return true
		}
	}
	return false
}

// boundTables writes a table section anew; admission has read it without error before.
func boundTables(body []byte) []byte {
	r := &reader{data: body, end: len(body)}
	n := r.count("tables", maxTables)
	out := binary.AppendUvarint(nil, uint64(n))
	for range n {
		out = append(out, r.byte("a table's type"), 1)
		t := r.limits()
		if !t.hasMax || t.max > maxTableEntries {
			t.max = maxTableEntries
		}
		out = binary.AppendUvarint(out, t.min)
		out = binary.AppendUvarint(out, t.max)
	}
	return out
}
