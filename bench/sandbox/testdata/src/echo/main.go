// Copyright 2026 The Gantry Authors.

//go:build wasip1

// Command echo is a plugin on the bare contract that answers its input, and its version.
package main

import "unsafe"

//go:wasmimport gantry input
func hostInput(ptr unsafe.Pointer, size uint32) uint32

//go:wasmimport gantry output
func hostOutput(ptr unsafe.Pointer, size uint32)

// The benchmark writes other names of the same length over this one, and sets the version with the
// linker's -X.
const manifest = `{"abi":1,"name":"bench-0000","tools":[{"name":"bench-0000_echo"},{"name":"bench-0000_version"}]}`

var (
	version = "1"
	buffer  [300 << 10]byte
)

func main() {}

//go:wasmexport gantry_describe
func describe() int32 { return answer(0, manifest) }

//go:wasmexport gantry_call
func call(tool int32) int32 {
	if tool == 1 {
		return answer(2, version)
	}
	hostOutput(unsafe.Pointer(&buffer), hostInput(unsafe.Pointer(&buffer), uint32(len(buffer))))
	return 2
}

func answer(kind int32, s string) int32 {
	hostOutput(unsafe.Pointer(unsafe.StringData(s)), uint32(len(s)))
	return kind
}
