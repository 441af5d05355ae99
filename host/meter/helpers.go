// Copyright 2026 The Gantry Authors.

package meter

import (
	"slices"

	"github.com/gantryhost/gantry/host/wasmbin"
)

// pieceBytes is how much memory is copied or filled at once: some 0.1 ms of work. systemPage is the
// least that a system hands out.
const (
	pieceBytes = 1 << 20
	systemPage = 4 << 10
)

// refillBody is left = tick(left).
func (w *rewriter) refillBody() []byte {
	out := wasmbin.AppendU32([]byte{opGlobalGet}, w.left)
	out = wasmbin.AppendU32(append(out, opCall), w.imported)
	out = wasmbin.AppendU32(append(out, opGlobalSet), w.left)
	return append(out, opEnd)
}

// chargeBody is charged, of its parameter.
func (w *rewriter) chargeBody() []byte { return append(w.charged(0, 0), opEnd) }

// charged is left = left - n/64, and refill() where nothing is left. It uses the local scratch.
func (w *rewriter) charged(n, scratch byte) []byte {
	out := wasmbin.AppendU32([]byte{opGlobalGet}, w.left)
	out = append(out, opLocalGet, n, opI32Const, bulkShift, opI32ShrU, opI32Sub, opLocalTee, scratch)
	out = wasmbin.AppendU32(append(out, opGlobalSet), w.left)
	out = append(out, opLocalGet, scratch, opI32Const, 0, opI32LeS, opIf, opEmpty)
	return append(append(out, w.refilled()...), opEnd)
}

func (w *rewriter) refilled() []byte { return wasmbin.AppendU32([]byte{opCall}, w.refill) }

// The parameters of the helpers that work in pieces, and the locals they use.
const (
	to = iota
	from
	length
	spare
	page
	spares = 2
)

// copyBody charges for memory.copy(to, from, length) and does it but for a last piece, whose three
// arguments it returns. What reaches outside of the memory it leaves alone: the instruction itself is
// to trap, before anything is written. Where the parts overlap, it begins at the end that is read
// before it is written.
func (w *rewriter) copyBody() []byte {
	further := []byte{opLocalGet, to, opLocalGet, from, opLocalGet, to, opLocalGet, from, opI32GtU, opSelect}
	copied := func(at ...byte) []byte { return slices.Concat(at, piece(), []byte{opMisc, miscCopy, 0, 0}) }
	ahead := slices.Concat(w.touched([]byte{opLocalGet, to}, from, to), copied(opLocalGet, to, opLocalGet, from), shifted(to, opI32Add), shifted(from, opI32Add), shifted(length, opI32Sub))
	back := slices.Concat(shifted(length, opI32Sub), w.touched([]byte{opLocalGet, to, opLocalGet, length, opI32Add}, to, from),
		copied(opLocalGet, to, opLocalGet, length, opI32Add, opLocalGet, from, opLocalGet, length, opI32Add))
	work := slices.Concat([]byte{opLocalGet, to, opLocalGet, from, opI32LeU, opIf, opEmpty},
		w.whileLong(ahead), []byte{opElse}, w.whileLong(back), []byte{opEnd})
	return w.inPiecesBody(further, work)
}

// fillBody does the same for memory.fill(to, value, length).
func (w *rewriter) fillBody() []byte {
	filled := slices.Concat([]byte{opLocalGet, to, opLocalGet, from}, piece(), []byte{opMisc, miscFill, 0},
		shifted(to, opI32Add), shifted(length, opI32Sub))
	return w.inPiecesBody([]byte{opLocalGet, to}, w.whileLong(filled))
}

// inPiecesBody charges, works where the length is more than a piece and, counted from the address that
// further leaves, within the memory, and returns the three locals.
func (w *rewriter) inPiecesBody(further, work []byte) []byte {
	return slices.Concat(w.charged(length, spare), long(), []byte{opIf, opEmpty},
		further, []byte{opI64OfU32, opLocalGet, length, opI64OfU32, opI64Add,
			opMemSize, 0, opI64OfU32, opI64Const, 16, opI64Shl, opI64LeU, opIf, opEmpty},
		work, []byte{opEnd, opEnd, opLocalGet, to, opLocalGet, from, opLocalGet, length, opEnd})
}

// whileLong repeats a piece's work, with a tick after each, until no more than one is left. It is
// entered with more.
func (w *rewriter) whileLong(work []byte) []byte {
	return slices.Concat([]byte{opLoop, opEmpty}, work, w.refilled(), long(), []byte{opBrIf, 0, opEnd})
}

// touched, with Options.Touch, writes to each page of the piece that begins at start, and changes
// nothing, where two places are less than a piece apart, of which upper is the higher one: memory that
// is moved by a little.
func (w *rewriter) touched(start []byte, upper, lower byte) []byte {
	if !w.opts.Touch {
		return nil
	}
	apart := slices.Concat([]byte{opLocalGet, upper, opLocalGet, lower, opI32Sub}, piece(), []byte{opI32LtU, opIf, opEmpty})
	ends := slices.Concat(start, []byte{opLocalTee, page}, piece(), []byte{opI32Add, opLocalSet, spare})
	write := []byte{opLoop, opEmpty, opLocalGet, page, opI32Const, 0, opAtomic, atomicAdd8, 0, 0, opDrop}
	next := wasmbin.AppendSigned([]byte{opLocalGet, page, opI32Const}, systemPage)
	next = append(next, opI32Add, opLocalTee, page, opLocalGet, spare, opI32LtU, opBrIf, 0, opEnd, opEnd)
	return slices.Concat(apart, ends, write, next)
}

func piece() []byte { return wasmbin.AppendSigned([]byte{opI32Const}, pieceBytes) }

// long is length > a piece.
func long() []byte { return slices.Concat([]byte{opLocalGet, length}, piece(), []byte{opI32GtU}) }

// shifted adds a piece to a local, or takes it away.
func shifted(local, operation byte) []byte {
	return slices.Concat([]byte{opLocalGet, local}, piece(), []byte{operation, opLocalSet, local})
}
