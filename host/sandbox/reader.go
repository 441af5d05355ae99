// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// reader reads a stretch of a module. After the first mistake it returns zeros, and err says what
// was wrong where.
type reader struct {
	data    []byte
	at, end int
	err     error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = contractf("the module is malformed at byte %d: %s", r.at, what)
	}
}

func (r *reader) byte(what string) byte {
	if r.err != nil || r.at >= r.end {
		r.fail(what + " is missing")
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

// leb reads an unsigned LEB128 number of at most bits bits.
func (r *reader) leb(what string, bits int) uint64 {
	var v uint64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if bits < 64 && v >= 1<<bits {
				break
			}
			return v
		}
	}
	r.fail(what + " is too large a number")
	return 0
}

func (r *reader) u32(what string) uint32 { return uint32(r.leb(what, 32)) }

// count reads how many things follow. Each takes a byte or more, so a count that the rest of the
// section cannot hold is refused before anything is allocated for it.
func (r *reader) count(what string, limit uint32) uint32 {
	n := r.u32("the number of " + what)
	switch {
	case r.err != nil:
		return 0
	case n > limit:
		r.err = host.Errorf(opLoad, abi.CodeLimit, "the module has %d %s; at most %d are allowed", n, what, limit)
		return 0
	case int(n) > r.end-r.at:
		r.fail("there are fewer " + what + " than the section says")
		return 0
	}
	return n
}

func (r *reader) bytes(what string) []byte {
	n := int(r.u32(what))
	if r.err != nil || n > r.end-r.at {
		r.fail(what + " is cut short")
		return nil
	}
	b := r.data[r.at : r.at+n]
	r.at += n
	return b
}

func (r *reader) name() string { return string(r.bytes("a name")) }

func (r *reader) values() string {
	n := r.count("values in a function's type", maxSignatureVals)
	if r.err != nil {
		return ""
	}
	v := string(r.data[r.at : r.at+int(n)])
	r.at += int(n)
	return v
}

func (r *reader) signature() signature {
	if form := r.byte("a type"); r.err == nil && form != 0x60 {
		r.fail("a type is not a plain function type; build without the GC and reference proposals")
	}
	return signature{params: r.values(), results: r.values()}
}

func (r *reader) imported() imported {
	im := imported{module: r.name(), name: r.name(), kind: importKind(r.byte("an import's kind"))}
	switch im.kind {
	case kindFunc:
		im.typ = r.u32("an import's type")
	case 1:
		r.byte("a table's type")
		r.limits()
	case kindMemory:
		r.limits()
	case 3:
		r.byte("a global's type")
		r.byte("a global's mutability")
	default:
		r.fail("an import is of an unknown kind")
	}
	return im
}

func (r *reader) limits() limits {
	flags := r.byte("limits")
	if r.err == nil && flags > 1 {
		r.fail("shared and 64-bit memories and tables are not supported")
	}
	l := limits{min: uint64(r.u32("a minimum"))}
	if flags == 1 {
		l.hasMax, l.max = true, uint64(r.u32("a maximum"))
	}
	return l
}

// body reads one function's frame: its size and its locals. The code itself is skipped.
func (r *reader) body() {
	start := r.at
	code := r.bytes("a function's body")
	if r.err != nil {
		return
	}
	if len(code) > maxBodyBytes {
		r.err = host.Errorf(opLoad, abi.CodeLimit, "the function at byte %d of the module has %d bytes of code; at most %d are allowed", start, len(code), maxBodyBytes)
		return
	}
	in := &reader{data: r.data, at: r.at - len(code), end: r.at}
	var locals uint64
	for range in.count("groups of locals in a function", maxLocals) {
		locals += uint64(in.u32("a number of locals"))
		in.byte("a local's type")
	}
	if in.err == nil && locals > maxLocals {
		in.err = host.Errorf(opLoad, abi.CodeLimit, "the function at byte %d of the module has %d locals; at most %d are allowed", start, locals, maxLocals)
	}
	r.err = in.err
}
