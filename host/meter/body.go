// Copyright 2026 The Gantry Authors.

package meter

import (
	"cmp"

	"github.com/gantryhost/gantry/host/wasmbin"
)

// The instructions that the checks are made of.
const (
	opIf        = 0x04
	opEmpty     = 0x40
	opCall      = 0x10
	opElse      = 0x05
	opLoop      = 0x03
	opEnd       = 0x0b
	opBrIf      = 0x0d
	opDrop      = 0x1a
	opSelect    = 0x1b
	opLocalGet  = 0x20
	opLocalSet  = 0x21
	opLocalTee  = 0x22
	opGlobalGet = 0x23
	opGlobalSet = 0x24
	opMemSize   = 0x3f
	opI32Const  = 0x41
	opI64Const  = 0x42
	opI32LtU    = 0x49
	opI32LeS    = 0x4c
	opI32GtU    = 0x4b
	opI32LeU    = 0x4d
	opI64LeU    = 0x58
	opI32Add    = 0x6a
	opI32Sub    = 0x6b
	opI32ShrU   = 0x76
	opI64Add    = 0x7c
	opI64Shl    = 0x86
	opI64OfU32  = 0xad
	opMisc      = 0xfc
	miscCopy    = 0x0a
	miscFill    = 0x0b
	opAtomic    = 0xfe
	atomicAdd8  = 0x20
)

// The prices, in units. They make the dearest code that can stand between two checks cost about as
// much time a unit as ordinary code does.
const (
	instrsPerUnit = 16
	importUnits   = 16
	indirectUnits = 4
	growUnits     = 100
	throwUnits    = 1000 // 5 µs the first, and more the more there have been
	// bulkShift makes 64 bytes or entries of a bulk instruction one unit.
	bulkShift = 6
)

// A cost is written in three bytes, since it is known only at the end of what it is for.
const (
	costBytes = 3
	maxCost   = 1<<(7*costBytes-1) - 1
)

// region is the code that one check pays for: a function without its loops, or a loop without the
// loops in it. What is in a dispatch is paid for with what is around it.
type region struct {
	instrs, units int
	// at is where the cost lies in the output, 0 for a dispatch.
	at int
}

// body rewrites one function.
type body struct {
	*rewriter
	code   *wasmbin.Code
	params int

	out []byte
	// scratch is the local that the checks use, length the one that bulk instructions use.
	scratch, length uint32
	usesLength      bool
	regions         []region
	labels          []label
	// plain says that no loop is taken for a dispatch.
	plain bool
	// before are the two instructions before the one at hand.
	before [2]wasmbin.Instr
	// copied is how far the old body has been copied.
	copied int
	err    error
}

func (b *body) rewrite() (wasmbin.Code, error) {
	old := b.code
	b.scratch = uint32(b.params) + uint32(old.Count())
	b.length = b.scratch + 1
	b.out = make([]byte, 0, len(old.Body)+len(old.Body)/4+64)
	b.open()
	w := wasmbin.NewWalker(old, b.params, b.opts.Settings)
	var in wasmbin.Instr
	for b.err == nil && w.Next(&in) {
		b.regions[len(b.regions)-1].instrs++
		b.instr(&in, w)
		b.before[0], b.before[1] = b.before[1], in
	}
	if err := cmp.Or(b.err, w.Err()); err != nil {
		return wasmbin.Code{}, err
	}
	if err := b.nested(w.Depth()); err != nil {
		return wasmbin.Code{}, err
	}
	b.copyTo(len(old.Body))
	b.close()
	n := uint32(1)
	if b.usesLength {
		n = 2
	}
	locals := append(append(make([]wasmbin.Locals, 0, len(old.Locals)+1), old.Locals...), wasmbin.Locals{N: n, Type: wasmbin.I32})
	return wasmbin.Code{Locals: locals, Body: b.out}, nil
}

// copyTo copies the old body up to there as it is.
func (b *body) copyTo(end int) {
	b.out = append(b.out, b.code.Body[b.copied:end]...)
	b.copied = end
}

func (b *body) instr(in *wasmbin.Instr, w *wasmbin.Walker) {
	switch in.Op {
	case wasmbin.OpTryTable:
		b.catches(in)
		b.labels = append(b.labels, label{})
	case wasmbin.OpBlock, wasmbin.OpIf:
		b.block()
	case wasmbin.OpLoop:
		b.loop(in, w)
	case wasmbin.OpBr, wasmbin.OpBrIf, wasmbin.OpBrOnNull, wasmbin.OpBrOnNonNull:
		b.branch(in)
	case wasmbin.OpBrTable:
		b.branchTable(in)
	case wasmbin.OpEnd:
		b.leave()
	case wasmbin.OpCall, wasmbin.OpReturnCall, wasmbin.OpRefFunc:
		b.err = b.checkFunc(in.Index)
		b.reindex(in)
	case wasmbin.OpGlobalGet, wasmbin.OpGlobalSet:
		b.err = b.checkGlobal(in.Index)
	case wasmbin.OpCallIndirect, wasmbin.OpReturnCallIndirect, wasmbin.OpCallRef, wasmbin.OpReturnCallRef:
		b.regions[len(b.regions)-1].units += indirectUnits
	case wasmbin.OpThrow, wasmbin.OpThrowRef:
		b.regions[len(b.regions)-1].units += throwUnits
	case wasmbin.OpMemoryGrow:
		b.regions[len(b.regions)-1].units += growUnits
	case wasmbin.OpMemoryCopy, wasmbin.OpMemoryFill:
		b.pieces(in)
	case wasmbin.OpMemoryInit, wasmbin.OpTableInit, wasmbin.OpTableCopy, wasmbin.OpTableFill, wasmbin.OpTableGrow:
		b.bulk(in)
	case wasmbin.OpDataDrop, wasmbin.OpElemDrop:
		b.report.DropsSegments = true
	case wasmbin.OpTableSet:
		b.report.WritesTables = true
	}
}

// block opens a block or an if.
func (b *body) block() {
	l := label{}
	if n := len(b.labels); n > 0 {
		if d := b.labels[n-1].of; d != nil && n-1-d.label < d.blocks && d.ends == nil {
			l.of = d
		}
	}
	b.labels = append(b.labels, l)
}

func (b *body) loop(in *wasmbin.Instr, w *wasmbin.Walker) {
	b.report.Loops++
	b.copyTo(in.End)
	if !b.plain {
		if d := dispatchAt(w, b.code.Body, in); d != nil {
			d.label, d.region = len(b.labels), len(b.regions)
			b.labels = append(b.labels, label{loop: true, of: d})
			b.regions = append(b.regions, region{})
			return
		}
	}
	b.labels = append(b.labels, label{loop: true})
	b.open()
}

// leave closes the innermost block. The function's own end has none.
func (b *body) leave() {
	n := len(b.labels)
	if n == 0 {
		return
	}
	l := b.labels[n-1]
	b.labels = b.labels[:n-1]
	switch {
	case l.loop:
		b.close()
	case l.of != nil:
		l.of.ends = append(l.of.ends, b.regions[len(b.regions)-1])
	}
}

// reindex writes an instruction that names a function with the index it has moved to.
func (b *body) reindex(in *wasmbin.Instr) {
	if in.Index < b.imported {
		if in.Op != wasmbin.OpRefFunc {
			b.regions[len(b.regions)-1].units += importUnits
		}
		return
	}
	b.copyTo(in.IndexAt)
	b.out = wasmbin.AppendU32(b.out, in.Index+1)
	b.copied = in.IndexEnd
}

// bulk charges for the length that lies on the stack, and leaves it there.
func (b *body) bulk(in *wasmbin.Instr) {
	b.report.Bulk++
	switch in.Op {
	case wasmbin.OpTableGrow:
		b.regions[len(b.regions)-1].units += growUnits
		b.report.WritesTables = true
	case wasmbin.OpTableInit, wasmbin.OpTableCopy, wasmbin.OpTableFill:
		b.report.WritesTables = true
	}
	b.copyTo(in.Start)
	b.usesLength = true
	b.out = wasmbin.AppendU32(append(b.out, opLocalTee), b.length)
	b.out = wasmbin.AppendU32(append(b.out, opLocalGet), b.length)
	b.out = wasmbin.AppendU32(append(b.out, opCall), b.charge)
}

// pieces lets a helper charge for an instruction that copies or fills memory, and do all of it but the
// last piece: what it leaves on the stack is left to the instruction.
func (b *body) pieces(in *wasmbin.Instr) {
	b.report.Bulk++
	b.inPieces = true
	helper := b.copying
	if in.Op == wasmbin.OpMemoryFill {
		helper = b.filling
	}
	b.copyTo(in.Start)
	b.out = wasmbin.AppendU32(append(b.out, opCall), helper)
}

// open opens a region whose check is here.
func (b *body) open() {
	b.regions = append(b.regions, region{at: b.check()})
}

// check writes the code that pays for a region, and returns where its cost goes:
//
//	if (left = left - cost) <= 0 { refill() }
//
// The new count goes through a local, because the compiler would load a global again.
func (b *body) check() int {
	b.out = wasmbin.AppendU32(append(b.out, opGlobalGet), b.left)
	b.out = append(b.out, opI32Const)
	at := len(b.out)
	b.out = append(b.out, 0, 0, 0, opI32Sub, opLocalTee)
	b.out = wasmbin.AppendU32(b.out, b.scratch)
	b.out = wasmbin.AppendU32(append(b.out, opGlobalSet), b.left)
	b.out = wasmbin.AppendU32(append(b.out, opLocalGet), b.scratch)
	b.out = append(b.out, opI32Const, 0, opI32LeS, opIf, opEmpty, opCall)
	b.out = append(wasmbin.AppendU32(b.out, b.refill), opEnd)
	return at
}

// close ends the innermost region. Its cost goes where its check is, or, for a dispatch, to the
// region around it.
func (b *body) close() {
	last := len(b.regions) - 1
	r := b.regions[last]
	b.regions = b.regions[:last]
	if r.at > 0 {
		b.pay(r)
		return
	}
	outer := &b.regions[last-1]
	outer.instrs += r.instrs
	outer.units += r.units
}

// pay writes the cost of a region where its check is.
func (b *body) pay(r region) {
	cost := min(1+r.instrs/instrsPerUnit+r.units, maxCost)
	for i := range costBytes {
		c := byte(cost>>(7*i)) & 0x7f
		if i < costBytes-1 {
			c |= 0x80
		}
		b.out[r.at+i] = c
	}
}
