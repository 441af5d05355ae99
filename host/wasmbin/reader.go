// Copyright 2026 The Gantry Authors.

package wasmbin

import (
	"unicode/utf8"
)

// reader reads a stretch of the file, from at to end. After the first mistake it returns zeros, and
// err says what was wrong where.
type reader struct {
	data    []byte
	at, end int
	// base is where data begins in the file, for messages.
	base int
	set  *Settings
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = malformed(r.base+r.at, format, args...)
	}
}

// need refuses what belongs to a proposal that is not on.
func (r *reader) need(f Features) {
	if r.set.Features&f == 0 {
		r.fail("it uses the %s proposal, which is not supported; build without it", f)
	}
}

func (r *reader) byte(what string) byte {
	if r.err != nil || r.at >= r.end {
		r.fail("%s is missing", what)
		return 0
	}
	b := r.data[r.at]
	r.at++
	return b
}

// u32 reads an unsigned LEB128 number: at most five bytes, unused bits zero.
func (r *reader) u32(what string) uint32 {
	var v uint32
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			if shift == 28 && b > 0x0f {
				break
			}
			return v
		}
	}
	r.fail("%s is too large a number", what)
	return 0
}

// signed reads a signed LEB128 number of so many bits: unused bits repeat the sign.
func (r *reader) signed(what string, bits int) int64 {
	var v int64
	for shift := 0; shift < bits; shift += 7 {
		b := r.byte(what)
		if r.err != nil {
			return 0
		}
		v |= int64(b&0x7f) << shift
		if b >= 0x80 {
			continue
		}
		if left := 64 - shift - 7; left > 0 {
			v = v << left >> left
		}
		if rest := bits - shift; rest < 7 {
			if top := int8(b<<1) >> rest; top != 0 && top != -1 {
				break
			}
		}
		return v
	}
	r.fail("%s is too large a number", what)
	return 0
}

// count reads how many things follow. Each takes least bytes or more, so a count that the rest of
// the section cannot hold is refused before anything is allocated for it.
func (r *reader) count(what string, limit, least int) int {
	n := int(r.u32("the number of " + what))
	switch {
	case r.err != nil:
		return 0
	case n > limit:
		r.err = overLimit(limitOf(what), "the module has %d %s; at most %d are allowed", n, what, limit)
		return 0
	case n > (r.end-r.at)/least:
		r.fail("there are fewer %s than the section says", what)
		return 0
	}
	return n
}

func (r *reader) bytes(what string) []byte {
	n := int(r.u32("the length of " + what))
	if r.err != nil || n > r.end-r.at {
		r.fail("%s is cut short", what)
		return nil
	}
	r.at += n
	return r.data[r.at-n : r.at : r.at]
}

func (r *reader) name(what string) string {
	b := r.bytes(what)
	if !utf8.Valid(b) {
		r.fail("%s is not UTF-8", what)
	}
	return string(b)
}

func (r *reader) valType(what string) ValType {
	kind := ValType(r.byte(what))
	switch kind {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	case ExnRef:
		r.need(Exceptions)
	case RefNull, Ref:
		r.need(TypedReferences)
		return kind | ValType(r.signed("a heap type", 33))<<8
	default:
		r.fail("%s is %#x, which is no type", what, byte(kind))
	}
	return kind
}

func (r *reader) valTypes() []ValType {
	n := r.count("values in a function type", r.set.Limits.TypeValues, 1)
	if n == 0 {
		return nil
	}
	out := make([]ValType, 0, n)
	for range n {
		out = append(out, r.valType("a value's type"))
	}
	return out
}

func (r *reader) extent(what string) Extent {
	flags := r.byte(what)
	if flags > 3 {
		r.fail("%s has flags %#x; 64-bit memories and tables are not supported", what, flags)
	}
	e := Extent{HasMax: flags&1 != 0, Shared: flags&2 != 0}
	if e.Shared {
		r.need(Threads)
	}
	e.Min = r.u32("a minimum")
	if e.HasMax {
		e.Max = r.u32("a maximum")
	}
	return e
}

// expr reads a constant expression.
func (r *reader) expr() Expr {
	start := r.at
	for r.err == nil {
		switch code := r.byte("a constant expression"); code {
		case 0x0b:
			return r.data[start:r.at:r.at]
		case 0x23, 0xd2:
			r.u32("an index")
		case 0x41:
			r.signed("a constant", 32)
		case 0x42:
			r.signed("a constant", 64)
		case 0x43:
			r.skip("a constant", 4)
		case 0x44:
			r.skip("a constant", 8)
		case 0x6a, 0x6b, 0x6c, 0x7c, 0x7d, 0x7e:
			r.need(ExtendedConst)
		case 0xd0:
			r.heapType()
		case 0xfd:
			if sub := r.byte("an instruction"); sub != 0x0c {
				r.fail("instruction 0xfd %#x cannot stand in a constant expression", sub)
			}
			r.skip("a constant", 16)
		default:
			r.fail("instruction %#x cannot stand in a constant expression", code)
		}
	}
	return nil
}

// heapType reads the type of ref.null.
func (r *reader) heapType() {
	switch b := r.byte("a heap type"); ValType(b) {
	case FuncRef, ExternRef:
	case ExnRef:
		r.need(Exceptions)
	default:
		r.need(TypedReferences)
		if r.err == nil {
			r.at--
			if r.signed("a heap type", 33) < 0 {
				r.fail("heap type %#x is unknown", b)
			}
		}
	}
}

func (r *reader) skip(what string, n int) {
	if r.err == nil && n > r.end-r.at {
		r.fail("%s is cut short", what)
		return
	}
	r.at += n
}
