// Copyright 2026 The Gantry Authors.

//go:build wasip1

// Command extism is the echo as a plugin of Extism's kind: its kits, too, move eight bytes per call
// of the host.
package main

import "encoding/binary"

//go:wasmimport extism:host/env alloc
func alloc(n uint64) uint64

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env store_u64
func storeU64(offset, v uint64)

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, b uint32)

//go:wasmimport extism:host/env output_set
func outputSet(offset, n uint64)

var buffer [300 << 10]byte

func main() {}

//go:wasmexport echo
func echo() int32 {
	in := buffer[:inputLength()]
	whole := len(in) &^ 7
	for i := 0; i < whole; i += 8 {
		binary.LittleEndian.PutUint64(in[i:], inputLoadU64(uint64(i)))
	}
	for i := whole; i < len(in); i++ {
		in[i] = byte(inputLoadU8(uint64(i)))
	}
	out := alloc(uint64(len(in)))
	for i := 0; i < whole; i += 8 {
		storeU64(out+uint64(i), binary.LittleEndian.Uint64(in[i:]))
	}
	for i := whole; i < len(in); i++ {
		storeU8(out+uint64(i), uint32(in[i]))
	}
	outputSet(out, uint64(len(in)))
	return 0
}
