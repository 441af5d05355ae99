// Copyright 2026 The Gantry Authors.

package meter

import (
	"errors"
	"slices"

	"github.com/gantryhost/gantry/host/wasmbin"
)

// label is an open block.
type label struct {
	loop bool
	// of is the dispatch that this is the loop of, or one of the blocks.
	of *dispatch
}

// dispatch is a loop that does nothing at its head but to choose, by a local, one of the blocks it
// begins with:
//
//	loop block … block  local.get $pc  br_table 0 1 2 …  end  A  end  B  end  C … end
//
// Compilers that know no structure make a whole function one such loop: Go's does. Every jump within
// sets the local and goes back to the head, most of them to reach a place further down. A check at the
// head would be paid for by all of them; here it stands at the jumps that may go up, and those that
// are seen to go down go there at once.
//
// What pays for the code: whoever enters the loop pays for all of it, once. While jumps only go down,
// each part runs at most once, and what was paid for and lies further down is still to come. A jump
// up pays again for what lies between.
type dispatch struct {
	pc      uint32
	targets []uint32
	// blocks is how many blocks there are.
	blocks int
	// label and region are where the loop lies in the body's labels and regions.
	label, region int
	// ends is what the region had cost where each of the blocks that have ended did, the innermost first.
	ends []region
}

// errCaught says that an exception may be caught by a jump to the head of a dispatch, which no
// instruction announces.
var errCaught = errors.New("a catch clause names the head of a dispatch")

// dispatchAt recognizes a dispatch. W stands after the loop instruction.
func dispatchAt(w *wasmbin.Walker, code []byte, loop *wasmbin.Instr) *dispatch {
	if !untyped(code, loop) {
		return nil
	}
	w = w.Fork()
	d := &dispatch{}
	var in wasmbin.Instr
	for w.Next(&in) && in.Op == wasmbin.OpBlock && untyped(code, &in) {
		d.blocks++
	}
	if in.Op != wasmbin.OpLocalGet {
		return nil
	}
	d.pc = in.Index
	if !w.Next(&in) || in.Op != wasmbin.OpBrTable {
		return nil
	}
	for _, t := range in.Labels {
		if int(t) >= d.blocks {
			return nil
		}
	}
	d.targets = in.Labels
	return d
}

// untyped says that a block takes and leaves nothing.
func untyped(code []byte, in *wasmbin.Instr) bool {
	return in.End-in.Start == 2 && code[in.Start+1] == opEmpty
}

// target is the block that the value leads to.
func (d *dispatch) target(pc int32) int {
	if i := int(uint32(pc)); i < len(d.targets) {
		return int(d.targets[i])
	}
	return int(d.targets[len(d.targets)-1])
}

// dispatchTo is the dispatch whose head a branch of this depth leads to, or nil.
func (b *body) dispatchTo(depth uint32) *dispatch {
	i := len(b.labels) - 1 - int(depth)
	if i < 0 || !b.labels[i].loop {
		return nil
	}
	return b.labels[i].of
}

// branch pays for a branch to the head of a dispatch, or leads it to where it would go from there.
func (b *body) branch(in *wasmbin.Instr) {
	d := b.dispatchTo(in.Index)
	if d == nil {
		return
	}
	pc, known := b.pcSet(d)
	if in.Op != wasmbin.OpBr || !known {
		b.jump(in, d, region{})
		return
	}
	t := d.target(pc)
	if t < len(d.ends) {
		b.jump(in, d, d.ends[t])
		return
	}
	b.copyTo(in.IndexAt)
	b.out = wasmbin.AppendU32(b.out, uint32(len(b.labels)-1-(d.label+d.blocks-t)))
	b.copied = in.IndexEnd
}

// branchTable pays for a branch to one of many, where heads of dispatches are among them.
func (b *body) branchTable(in *wasmbin.Instr) {
	var paid []*dispatch
	for _, depth := range in.Labels {
		if d := b.dispatchTo(depth); d != nil && !slices.Contains(paid, d) {
			paid = append(paid, d)
			b.jump(in, d, region{})
		}
	}
}

// catches refuses catch clauses that lead to the head of a dispatch.
func (b *body) catches(in *wasmbin.Instr) {
	for _, depth := range in.Labels {
		if b.dispatchTo(depth) != nil {
			b.err = errCaught
		}
	}
}

// pcSet is the value that the two instructions before this one give a dispatch's local.
func (b *body) pcSet(d *dispatch) (int32, bool) {
	value, set := &b.before[0], &b.before[1]
	if value.Op != wasmbin.OpI32Const || set.Op != wasmbin.OpLocalSet || set.Index != d.pc {
		return 0, false
	}
	return int32(value.Value), true
}

// jump writes a check before a branch to the head of a dispatch: it pays for what lies between the
// target and here.
func (b *body) jump(in *wasmbin.Instr, d *dispatch, target region) {
	sum := region{instrs: -target.instrs, units: -target.units}
	for _, r := range b.regions[d.region:] {
		if r.at == 0 {
			sum.instrs += r.instrs
			sum.units += r.units
		}
	}
	b.copyTo(in.Start)
	sum.at = b.check()
	b.pay(sum)
}
