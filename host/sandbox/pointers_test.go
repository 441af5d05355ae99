// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// puppet is a module whose tool n calls the contract's import n with the arguments that its input
// holds, four i32 in little endian.
func puppet() *module {
	body := slices.Concat(i32c(0), i32c(16), call(fnInput), drop)
	for n, im := range contract {
		body = slices.Concat(body, []byte{0x20, 0}, i32c(n), []byte{0x46, 0x04, 0x40})
		for i := range len(im.typ.params) {
			body = append(body, load32(4*i)...)
		}
		body = append(body, call(n)...)
		if im.typ.results != "" {
			body = append(body, drop...)
		}
		body = append(body, 0x0b)
	}
	return tool(body, i32c(2))
}

// FuzzPointers calls every import with any arguments: within the guest's memory it works, outside
// of it the call ends as a crash of the plugin, and the host lives on.
func FuzzPointers(f *testing.F) {
	for n := range contract {
		f.Add(uint8(n), uint32(0), uint32(10), uint32(10), uint32(10))
		f.Add(uint8(n), uint32(pageBytes-1), uint32(1), uint32(pageBytes), uint32(0))
		f.Add(uint8(n), uint32(pageBytes-1), uint32(2), uint32(1<<31), uint32(1<<31))
		f.Add(uint8(n), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1), uint32(1<<32-1))
	}
	e := newEngine(f, Config{})
	wasm := puppet().bytes()
	g, _, err := e.Load(f.Context(), Artifact{Name: "puppet", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
	if err != nil {
		f.Fatal(err)
	}
	b := &border{op: func(_ context.Context, name string, req []byte) ([]byte, error) {
		return append([]byte(name), req...), nil
	}}
	f.Fuzz(func(t *testing.T, n uint8, a0, a1, a2, a3 uint32) {
		n %= uint8(len(contract))
		var in []byte
		for _, a := range []uint32{a0, a1, a2, a3} {
			in = binary.LittleEndian.AppendUint32(in, a)
		}
		_, _, err := g.Call(t.Context(), &host.GuestCall{Index: int(n), Input: in, Border: b})
		inside := func(ptr, size uint32) bool { return size == 0 || uint64(ptr)+uint64(size) <= pageBytes }
		want := abi.Code("")
		switch ok := inside(a0, a1); {
		case n == fnEmit || n == fnLog:
			ok = inside(a1, a2)
			if ok && n == fnEmit && a0 > 1 {
				want = abi.CodeContract
			}
			fallthrough
		default:
			if n == fnOp {
				ok = ok && inside(a2, a3)
			}
			if !ok {
				want = abi.CodeTrap
			}
		}
		b.events, b.lines = nil, nil
		if got := host.CodeOf(err); got != want {
			t.Errorf("%s(%d, %d, %d, %d): got %q (%v), want %q", contract[n].name, a0, a1, a2, a3, got, err, want)
		}
	})
}
