// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"
)

// The answers of WASI that are used here.
const (
	wasiSuccess = 0
	wasiBadFile = 8
)

// offerWASI instantiates WASI without the functions that change an instance's three open files, or
// close its module: what one call closed, another would find closed, and a reset does not reach it.
// Closing a file, and setting its flags, succeeds and does nothing.
func offerWASI(ctx context.Context, r wazero.Runtime) error {
	b := r.NewHostModuleBuilder(wasi_snapshot_preview1.ModuleName)
	wasi_snapshot_preview1.NewFunctionExporter().ExportFunctions(b)
	i32 := api.ValueTypeI32
	for name, params := range map[string][]api.ValueType{
		"fd_close":            {i32},
		"fd_fdstat_set_flags": {i32, i32},
		"fd_renumber":         {i32, i32},
	} {
		keep := hostFunc(keepFile)
		if name == "fd_renumber" {
			keep = refuseFile
		}
		b.NewFunctionBuilder().WithGoModuleFunction(keep, params, []api.ValueType{i32}).Export(name)
	}
	b.NewFunctionBuilder().WithGoModuleFunction(hostFunc(endItself), []api.ValueType{i32}, nil).Export("proc_exit")
	_, err := b.Instantiate(ctx)
	return err
}

// endItself ends the call as WASI's own proc_exit does, but leaves the module open: what a reset puts
// back may serve the next call.
func endItself(_ *instance, _ api.Memory, stack []uint64) { panic(sys.NewExitError(uint32(stack[0]))) }

// keepFile leaves standard input, output and error as they are; there are no other files.
func keepFile(_ *instance, _ api.Memory, stack []uint64) {
	if uint32(stack[0]) <= 2 {
		stack[0] = wasiSuccess
		return
	}
	stack[0] = wasiBadFile
}

func refuseFile(_ *instance, _ api.Memory, stack []uint64) { stack[0] = wasiBadFile }
