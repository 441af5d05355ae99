// Copyright 2026 The Gantry Authors.

package wasmbin

// Instr is one instruction of a body.
type Instr struct {
	Op Op
	// Start and End are where it lies in the body.
	Start, End int
	// Index is its first immediate where that is an index: of a function, type, table, local, global,
	// label or segment. IndexAt and IndexEnd are where it lies in the body.
	Index             uint32
	IndexAt, IndexEnd int
	// Value is the immediate of i32.const and i64.const.
	Value int64
	// Labels are the targets of a br_table, its default last, or of a try_table's catch clauses. They
	// are good until the next instruction is read.
	Labels []uint32
}

// Walker reads the instructions of a body one after the other.
type Walker struct {
	r     reader
	depth int
	most  int
	set   Settings

	locals uint64
	blocks uint64
	labels []uint32
}

// NewWalker starts at the beginning of a body. Params is how many parameters the function has.
func NewWalker(c *Code, params int, set Settings) *Walker {
	set.Limits = set.Limits.Filled()
	w := &Walker{depth: 1, set: set, locals: c.Count() + uint64(params)}
	w.r = reader{data: c.Body, end: len(c.Body), base: c.At, set: &w.set}
	return w
}

// Next reads the next instruction. It is false after the last end, and at a mistake or a limit: then
// Err is set.
func (w *Walker) Next(in *Instr) bool {
	r := &w.r
	if r.err != nil || r.at == r.end && w.depth == 0 {
		return false
	}
	if w.depth == 0 {
		r.fail("there is code after the end of a function")
		return false
	}
	*in = Instr{Start: r.at}
	code := r.byte("an instruction")
	table, num := plainOps, code
	in.Op = Op(code)
	if code >= 0xfc {
		table, num = r.prefixed(code)
		in.Op = Op(code)<<8 | Op(num)
	}
	e := &table[num]
	if e.imm == immUnknown {
		r.fail("instruction %#x is unknown", uint16(in.Op))
	}
	if e.need != 0 {
		r.need(e.need)
	}
	switch {
	case r.err != nil || e.imm == immNone:
	case e.imm == immBranches || e.imm == immTry:
		w.branches(e.imm)
		in.Labels = w.labels
	default:
		r.immediate(e.imm, in)
	}
	w.nest(in.Op)
	in.End = r.at
	return r.err == nil
}

// Fork returns a walker that goes on from here by itself, to look ahead.
func (w *Walker) Fork() *Walker {
	f := *w
	f.labels = nil
	f.r.set = &f.set
	return &f
}

// Err is the mistake or limit at which the walk ended, or nil.
func (w *Walker) Err() error { return w.r.err }

// Depth is how deep the blocks of what has been read lie within each other.
func (w *Walker) Depth() int { return w.most }

// nest follows the blocks.
func (w *Walker) nest(code Op) {
	switch code {
	case OpBlock, OpLoop, OpIf, OpTryTable:
		w.depth++
		w.most = max(w.most, w.depth)
		w.blocks++
		lim := &w.set.Limits
		switch {
		case w.r.err != nil:
		case w.depth > lim.Nesting:
			w.r.err = overLimit("Nesting", "blocks are nested deeper than the %d that are allowed", lim.Nesting)
		case w.blocks*w.locals > uint64(lim.LocalBlocks):
			w.r.err = overLimit("LocalBlocks", "%d locals in more than %d blocks; their product may be at most %d", w.locals, w.blocks, lim.LocalBlocks)
		}
	case OpEnd:
		w.depth--
	}
}

// prefixed reads the number after a prefix. The runtime takes the number after the prefixes of
// vectors and atomics to be one byte, and reads the second byte, 1, as a nop: any other way to write
// the number would be other code to it, and is refused.
func (r *reader) prefixed(prefix byte) (*opTable, byte) {
	if prefix == 0xfc {
		return miscOps, byte(min(r.u32("an instruction"), 0xff))
	}
	b := r.byte("an instruction")
	switch {
	case prefix == 0xfd:
		if b >= 0x80 && r.byte("an instruction") != 1 {
			r.fail("an instruction is unknown, or written in a longer form than it needs")
		}
		return vectorOps, b
	case prefix == 0xfe:
		return atomicOps, b
	}
	r.fail("instruction %#x is unknown", prefix)
	return plainOps, 0xff
}

func (r *reader) index(in *Instr) {
	in.IndexAt = r.at
	in.Index = r.u32("an index")
	in.IndexEnd = r.at
}

func (r *reader) zero() {
	if r.byte("a reserved byte") != 0 {
		r.fail("a reserved byte is not zero; multiple memories are not supported")
	}
}

func (r *reader) immediate(imm immediate, in *Instr) {
	switch imm {
	case immBlock:
		r.blockType()
	case immIndex:
		r.index(in)
	case immIndices:
		r.index(in)
		r.u32("an index")
	case immSelect:
		r.selectType()
	case immMemory:
		r.memory()
	case immZero:
		r.zero()
	case immZeros:
		r.zero()
		r.zero()
	case immInit:
		r.index(in)
		r.zero()
	case immI32:
		in.Value = r.signed("a constant", 32)
	case immI64:
		in.Value = r.signed("a constant", 64)
	default:
		r.fixed(imm)
	}
}

// fixed reads the immediates that are not numbers in LEB128.
func (r *reader) fixed(imm immediate) {
	switch imm {
	case immBytes4:
		r.skip("a constant", 4)
	case immBytes8:
		r.skip("a constant", 8)
	case immBytes16:
		r.skip("a constant", 16)
	case immLane:
		r.byte("a lane")
	case immMemoryLane:
		r.memory()
		r.byte("a lane")
	case immHeap:
		r.heapType()
	}
}

func (r *reader) memory() {
	if r.u32("an alignment") >= 32 {
		r.fail("an alignment is out of range; multiple memories are not supported")
	}
	r.u32("an offset")
}

// selectType reads the type of a select. The runtime's compiler skips one byte for it, whatever it
// is, and takes the rest of a longer one to be code that nobody has validated.
func (r *reader) selectType() {
	if r.byte("a number of types") != 1 {
		r.fail("a select has not one type")
	}
	switch v := ValType(r.byte("a type")); v {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	default:
		r.fail("a select of type %#x is not supported", byte(v))
	}
}

func (r *reader) blockType() {
	v := r.signed("a block's type", 33)
	switch {
	case v >= 0 || v == -64:
	case v == int64(RefNull)-0x80 || v == int64(Ref)-0x80:
		r.need(TypedReferences)
		r.signed("a heap type", 33)
	default:
		switch t := ValType(v + 0x80); t {
		case I32, I64, F32, F64, V128, FuncRef, ExternRef:
		case ExnRef:
			r.need(Exceptions)
		default:
			r.fail("a block's type is unknown")
		}
	}
}

// branches reads the labels of a br_table or of catch clauses.
func (w *Walker) branches(imm immediate) {
	r := &w.r
	w.labels = w.labels[:0]
	if imm == immTry {
		r.blockType()
		for range r.count("catch clauses", r.set.Limits.BranchTargets, 2) {
			switch kind := r.byte("a catch clause"); kind {
			case 0, 1:
				r.u32("a tag")
			case 2, 3:
			default:
				r.fail("a catch clause is of the unknown kind %d", kind)
			}
			w.labels = append(w.labels, r.u32("a label"))
		}
		return
	}
	for range r.count("targets in a br_table", r.set.Limits.BranchTargets, 1) {
		w.labels = append(w.labels, r.u32("a label"))
	}
	w.labels = append(w.labels, r.u32("a label"))
}
