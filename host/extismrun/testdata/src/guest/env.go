// Copyright 2026 The Gantry Authors.

//go:build wasip1

package main

// What an Extism PDK does, without one: memory of the kernel is reached eight bytes or one at a time.

//go:wasmimport extism:host/env alloc
func alloc(n uint64) uint64

//go:wasmimport extism:host/env free
func free(offset uint64)

//go:wasmimport extism:host/env length
func length(offset uint64) uint64

//go:wasmimport extism:host/env load_u8
func loadU8(offset uint64) uint32

//go:wasmimport extism:host/env store_u8
func storeU8(offset uint64, b uint32)

//go:wasmimport extism:host/env input_length
func inputLength() uint64

//go:wasmimport extism:host/env input_load_u64
func inputLoadU64(offset uint64) uint64

//go:wasmimport extism:host/env input_load_u8
func inputLoadU8(offset uint64) uint32

//go:wasmimport extism:host/env output_set
func outputSet(offset, n uint64)

//go:wasmimport extism:host/env error_set
func errorSet(offset uint64)

//go:wasmimport extism:host/env config_get
func configGet(offset uint64) uint64

//go:wasmimport extism:host/env var_get
func varGet(offset uint64) uint64

//go:wasmimport extism:host/env var_set
func varSet(offset, value uint64)

//go:wasmimport extism:host/env http_request
func httpRequest(offset, body uint64) uint64

//go:wasmimport extism:host/env http_status_code
func httpStatusCode() int32

//go:wasmimport extism:host/env http_headers
func httpHeaders() uint64

//go:wasmimport extism:host/env log_warn
func logWarn(offset uint64)

//go:wasmimport extism:host/env get_log_level
func getLogLevel() int32

// put copies a text into the kernel's memory.
func put(s string) uint64 {
	offset := alloc(uint64(len(s)))
	for i := range len(s) {
		storeU8(offset+uint64(i), uint32(s[i]))
	}
	return offset
}

// take copies a text out of the kernel's memory.
func take(offset uint64) string {
	if offset == 0 {
		return ""
	}
	out := make([]byte, length(offset))
	for i := range out {
		out[i] = byte(loadU8(offset + uint64(i)))
	}
	return string(out)
}

func input() string {
	n := inputLength()
	out := make([]byte, 0, n+8)
	for at := uint64(0); at+8 <= n; at += 8 {
		v := inputLoadU64(at)
		for range 8 {
			out = append(out, byte(v))
			v >>= 8
		}
	}
	for at := uint64(len(out)); at < n; at++ {
		out = append(out, byte(inputLoadU8(at)))
	}
	return string(out)
}

func output(s string) int32 {
	outputSet(put(s), uint64(len(s)))
	return 0
}

func fail(s string) int32 {
	errorSet(put(s))
	return 1
}
