// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"encoding/binary"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

const (
	envModule  = "extism:host/env"
	userModule = "extism:host/user"
	wasiModule = "wasi_snapshot_preview1"
	// ownModule offers what this package answers itself. A module cannot import it under this name:
	// it gets there by prepare alone.
	ownModule = "gantry_extism"
)

// kept are the functions of envModule that the SDK answers; the rest is in ownFunctions.
var kept = [...]string{
	"alloc", "free", "input_load_u8", "store_u64", "input_set", "input_length",
	"input_offset", "output_length", "output_offset", "length", "length_unsafe", "reset", "error_get",
	"memory_bytes", "input_load_u64", "load_u64", "config_get", "var_get", "var_set", "http_status_code",
	"http_headers",
}

// maxTableEntries bounds what table.grow may take: its memory is counted by no limit.
const maxTableEntries = 100_000

// maxNesting is more than native plugins may have: Haskell's libffi has a switch of 1,024 blocks.
const maxNesting = 2_000

// Detect tells whether a module was built with an Extism PDK: whether it imports something of
// Extism's environment. It is false for what is not a module. It reads no further than the imports,
// as it is asked of every plugin.
func Detect(wasm []byte) bool {
	m, err := wasmbin.Decode(wasm[:importsEnd(wasm)], wasmbin.Settings{})
	return err == nil && slices.ContainsFunc(m.Imports, func(im wasmbin.Import) bool { return im.Module == envModule })
}

// importsEnd is where a module's import section ends, or the place of what follows where it has none.
func importsEnd(wasm []byte) int {
	const header, imports = 8, 2
	at := min(header, len(wasm))
	for at < len(wasm) {
		n, width := binary.Uvarint(wasm[at+1:])
		if id := wasm[at]; width <= 0 || id > imports || n > uint64(len(wasm)-at-1-width) {
			return at
		}
		found := wasm[at] == imports
		at += 1 + width + int(n)
		if found {
			break
		}
	}
	return at
}

// prepared is a module as it is compiled, and what its load needs to know of it.
type prepared struct {
	wasm []byte
	// exports are the functions that can be called as Extism calls them, in the module's order.
	exports []string
	// minBytes is the memory the module begins with.
	minBytes int64
}

// prepare holds a module against the bounds and what is served here, points the imports that this
// package answers to ownModule, and makes it interruptible.
func prepare(wasm []byte) (*prepared, error) {
	m, err := wasmbin.Decode(wasm, wasmbin.Settings{})
	if err != nil {
		return nil, err
	}
	for i := range m.Imports {
		im := &m.Imports[i]
		if err := checkImport(im); err != nil {
			return nil, err
		}
		if im.Module == envModule && !slices.Contains(kept[:], im.Name) {
			im.Module = ownModule
		}
	}
	p := &prepared{exports: callable(m)}
	if len(m.Memories) > 0 {
		p.minBytes = int64(m.Memories[0].Min) * pageBytes
	}
	p.wasm, _, err = meter.Rewrite(m, meter.Options{
		Fuel:            true,
		MaxTableEntries: maxTableEntries,
		Settings:        wasmbin.Settings{Limits: wasmbin.Limits{Nesting: maxNesting}},
	})
	return p, err
}

func checkImport(im *wasmbin.Import) error {
	at := clip(im.Module + "." + im.Name)
	switch {
	case im.Kind != wasmbin.ExternFunc:
		return contractf("the module imports %s, which is not a function; a plugin brings its own memory, tables and globals", at)
	case im.Module == userModule:
		return contractf("the module imports %s, a function of the application it was built for; this host has none of those", at)
	case im.Module == wasiModule:
		return nil
	case im.Module != envModule:
		return contractf("the module imports %s; this host offers only %s and %s to an Extism plugin", at, envModule, wasiModule)
	case !slices.Contains(kept[:], im.Name) && ownFunctions()[im.Name].callback == nil:
		return contractf("the module imports %s, which this host does not offer; it may be built for a newer Extism", at)
	}
	return nil
}

// callable lists the exported functions without parameters and with at most one result.
func callable(m *wasmbin.Module) []string {
	var out []string
	for _, ex := range m.Exports {
		if ex.Kind != wasmbin.ExternFunc {
			continue
		}
		if t, ok := m.FuncType(ex.Index); ok && len(t.Params) == 0 && len(t.Results) <= 1 {
			out = append(out, ex.Name)
		}
	}
	return out
}

func contractf(format string, args ...any) *host.Error {
	return host.Errorf(opLoad, abi.CodeContract, format, args...)
}
