// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/host/meter"
)

// pieceBytes is how much is copied between two ticks.
const pieceBytes = 1 << 20

// ways are the ways to rewrite that copying differs in.
var ways = map[string]meter.Options{
	"touching pages first": {Fuel: true, Touch: true}, "as it comes": {Fuel: true},
}

// long is a guest that copies and fills what it is told, in a memory of some pieces.
func long(t *testing.T, opts meter.Options) (*machine, api.Module) {
	t.Helper()
	three := cat(get(0), get(1), get(2))
	m := newMachine(t, t.Context())
	wasm, _, err := rewrite(asm{fns: []fn{
		{name: "copy", params: 3, body: cat(three, memoryCopy)},
		{name: "fill", params: 3, body: cat(three, memoryFill)},
	}}.bytes(), opts)
	if err != nil {
		t.Fatal(err)
	}
	mod, err := m.InstantiateWithConfig(t.Context(), wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := mod.Memory().Grow(60); !ok {
		t.Fatal("the memory does not grow")
	}
	return m, mod
}

// done is what memory holds after the instruction; false where it traps.
func done(before []byte, name string, to, from, n uint64) ([]byte, bool) {
	after, size := bytes.Clone(before), uint64(len(before))
	switch {
	case to+n > size || name == "copy" && from+n > size:
		return before, false
	case name == "copy":
		copy(after[to:to+n], before[from:from+n])
	default:
		for i := range n {
			after[to+i] = byte(from)
		}
	}
	return after, true
}

func TestMuchMemoryIsCopiedInPieces(t *testing.T) {
	for name, opts := range ways {
		t.Run(name, func(t *testing.T) {
			copiedInPieces(t, opts)
		})
	}
}

func copiedInPieces(t *testing.T, opts meter.Options) {
	t.Helper()
	m, mod := long(t, opts)
	size := uint64(mod.Memory().Size())
	r := rand.New(rand.NewPCG(1, 2))
	before := make([]byte, size)
	for i := range before {
		before[i] = byte(r.Uint32())
	}
	check := func(name string, to, from, n uint64) {
		t.Helper()
		if !mod.Memory().Write(0, before) {
			t.Fatal("the memory cannot be written")
		}
		want, fits := done(before, name, to, from, n)
		_, _, err := m.metered(mod, name, 0, to, from, n)
		if got, _ := mod.Memory().Read(0, uint32(size)); (err == nil) != fits || !bytes.Equal(got, want) {
			t.Errorf("%s %d, %d, %d: error %v, it fits: %v, the memory is right: %v", name, to, from, n, err, fits, bytes.Equal(got, want))
		}
	}
	const p = pieceBytes
	for _, n := range []uint64{0, 1, p - 1, p, p + 1, 2 * p, 2*p + 7} {
		for _, apart := range []uint64{0, 1, 4096, p - 1, p, p + 1} {
			check("copy", apart, 0, n)
			check("copy", 0, apart, n)
			check("copy", size-n, size-n-min(apart, size-n), n)
			check("copy", size-n-min(apart, size-n), size-n, n)
		}
		check("fill", 3, 0x1ff, n)
		check("fill", size-n, 7, n)
	}
	for _, n := range []uint64{p, 2*p + 1, size, 1<<32 - 1} {
		check("copy", size-n/2&0xffffffff, 0, n)
		check("copy", 0, (size-n/2)&0xffffffff, n)
		check("copy", 1, 1<<32-1, n)
		check("fill", size-n/2&0xffffffff, 1, n)
		check("fill", 1, 1, n)
	}
	for range 30 {
		check("copy", r.Uint64N(size), r.Uint64N(size), r.Uint64N(2*p))
	}
}

func TestThereIsATickAfterEachPiece(t *testing.T) {
	m, mod := long(t, ways["touching pages first"])
	for _, name := range []string{"copy", "fill"} {
		for _, from := range []uint64{0, 2} {
			m.ticks = 0
			fuel, _, err := m.metered(mod, name, 0, 1, from, 3*pieceBytes)
			if err != nil || m.ticks < 2 || fuel < 3*pieceBytes/64 || fuel > 3*pieceBytes/64+10 {
				t.Errorf("%s from %d: %d ticks, %d units, %v", name, from, m.ticks, fuel, err)
			}
		}
	}
}
