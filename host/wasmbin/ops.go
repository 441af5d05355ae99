// Copyright 2026 The Gantry Authors.

package wasmbin

// Op is an instruction's code: its byte, or its prefix byte and the number after that.
type Op uint16

// The instructions that a rewriter of code has to know.
const (
	OpUnreachable        Op = 0x00
	OpBlock              Op = 0x02
	OpLoop               Op = 0x03
	OpIf                 Op = 0x04
	OpElse               Op = 0x05
	OpThrow              Op = 0x08
	OpThrowRef           Op = 0x0a
	OpEnd                Op = 0x0b
	OpBr                 Op = 0x0c
	OpBrIf               Op = 0x0d
	OpBrTable            Op = 0x0e
	OpCall               Op = 0x10
	OpCallIndirect       Op = 0x11
	OpReturnCall         Op = 0x12
	OpReturnCallIndirect Op = 0x13
	OpCallRef            Op = 0x14
	OpReturnCallRef      Op = 0x15
	OpTryTable           Op = 0x1f
	OpLocalGet           Op = 0x20
	OpLocalSet           Op = 0x21
	OpGlobalGet          Op = 0x23
	OpGlobalSet          Op = 0x24
	OpTableSet           Op = 0x26
	OpMemoryGrow         Op = 0x40
	OpI32Const           Op = 0x41
	OpRefFunc            Op = 0xd2
	OpBrOnNull           Op = 0xd5
	OpBrOnNonNull        Op = 0xd6
	OpMemoryInit         Op = 0xfc08
	OpDataDrop           Op = 0xfc09
	OpMemoryCopy         Op = 0xfc0a
	OpMemoryFill         Op = 0xfc0b
	OpTableInit          Op = 0xfc0c
	OpElemDrop           Op = 0xfc0d
	OpTableCopy          Op = 0xfc0e
	OpTableGrow          Op = 0xfc0f
	OpTableFill          Op = 0xfc11
)

// immediate is what follows an instruction's code.
type immediate byte

const (
	immUnknown immediate = iota
	immNone
	immBlock    // a block type
	immTry      // a block type and catch clauses
	immIndex    // one index
	immIndices  // two indices
	immBranches // a vector of labels and one more
	immSelect   // one type
	immMemory   // an alignment and an offset
	immZero     // a byte that is 0
	immZeros    // two of them
	immInit     // an index and a byte that is 0
	immI32
	immI64
	immBytes4
	immBytes8
	immBytes16
	immLane       // a byte
	immMemoryLane // an alignment, an offset and a byte
	immHeap       // a heap type
)

// span gives the instructions from first to last an immediate.
type span struct {
	first, last byte
	imm         immediate
	need        Features
}

// The instructions by their codes. What is not here is refused.
var plainOps, miscOps, vectorOps, atomicOps = spread([]span{
	{0x00, 0x01, immNone, 0}, {0x02, 0x04, immBlock, 0}, {0x05, 0x05, immNone, 0},
	{0x08, 0x08, immIndex, Exceptions}, {0x0a, 0x0a, immNone, Exceptions},
	{0x0b, 0x0b, immNone, 0}, {0x0c, 0x0d, immIndex, 0}, {0x0e, 0x0e, immBranches, 0},
	{0x0f, 0x0f, immNone, 0}, {0x10, 0x10, immIndex, 0}, {0x11, 0x11, immIndices, 0},
	{0x12, 0x12, immIndex, TailCalls}, {0x13, 0x13, immIndices, TailCalls},
	{0x14, 0x15, immIndex, TypedReferences},
	{0x1a, 0x1b, immNone, 0}, {0x1c, 0x1c, immSelect, 0}, {0x1f, 0x1f, immTry, Exceptions},
	{0x20, 0x26, immIndex, 0}, {0x28, 0x3e, immMemory, 0}, {0x3f, 0x40, immZero, 0},
	{0x41, 0x41, immI32, 0}, {0x42, 0x42, immI64, 0}, {0x43, 0x43, immBytes4, 0}, {0x44, 0x44, immBytes8, 0},
	{0x45, 0xc4, immNone, 0},
	{0xd0, 0xd0, immHeap, 0}, {0xd1, 0xd1, immNone, 0}, {0xd2, 0xd2, immIndex, 0},
	{0xd4, 0xd4, immNone, TypedReferences}, {0xd5, 0xd6, immIndex, TypedReferences},
}), spread([]span{
	{0x00, 0x07, immNone, 0}, {0x08, 0x08, immInit, 0}, {0x09, 0x09, immIndex, 0}, {0x0a, 0x0a, immZeros, 0},
	{0x0b, 0x0b, immZero, 0}, {0x0c, 0x0c, immIndices, 0}, {0x0d, 0x0d, immIndex, 0}, {0x0e, 0x0e, immIndices, 0},
	{0x0f, 0x11, immIndex, 0},
}), spread([]span{
	{0x00, 0x0b, immMemory, 0}, {0x0c, 0x0d, immBytes16, 0}, {0x0e, 0x14, immNone, 0}, {0x15, 0x22, immLane, 0},
	{0x23, 0x53, immNone, 0}, {0x54, 0x5b, immMemoryLane, 0}, {0x5c, 0x5d, immMemory, 0}, {0x5e, 0xff, immNone, 0},
}), spread([]span{
	{0x00, 0x02, immMemory, Threads}, {0x03, 0x03, immZero, Threads}, {0x10, 0x4e, immMemory, Threads},
})

type opTable [256]struct {
	imm  immediate
	need Features
}

func spread(spans []span) *opTable {
	var t opTable
	for _, s := range spans {
		for c := int(s.first); c <= int(s.last); c++ {
			t[c].imm, t[c].need = s.imm, s.need
		}
	}
	return &t
}
