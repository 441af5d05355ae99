// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/internal/wire"
)

// guestOf lets the tests of a plugin be compiled, and vetted, for Wasm. They run natively: in a Wasm
// build the plugin's only way out is the real host.
func guestOf(plugin *pdk.Served) wire.Guest { return elsewhere{plugin} }

type elsewhere struct{ *pdk.Served }

func (elsewhere) Run(wire.Host, wire.Entry, int, []byte) (abi.OutputKind, []byte) {
	return abi.OutputError, []byte(`{"code":"UNAVAILABLE","message":"pdktest runs in native builds only"}`)
}
