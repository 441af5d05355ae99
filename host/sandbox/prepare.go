// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"strconv"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// preparation names what prepare does to a module. It is part of the key under which compiled code
// and manifests are kept: change it with every change of what prepare or package meter writes.
const preparation = "m5"

// prepare returns the module as it will be compiled: metered, so that its code can be interrupted
// anywhere and its fuel counted, with its globals and its memory's length within reach of a reset, and
// with every table bounded, because table.grow takes host memory that no memory limit counts.
func prepare(wasm []byte, bounds wasmbin.Limits) ([]byte, state, error) {
	accepted := wasmbin.Settings{Limits: bounds}
	m, err := wasmbin.Decode(wasm, accepted)
	if err != nil {
		return nil, state{}, hinted(err)
	}
	roomToShrink(m.Memories)
	out, report, err := meter.Rewrite(m, meter.Options{
		Fuel: true, ExportState: true, Touch: true, MaxTableEntries: uint32(bounds.TableEntries), Settings: accepted,
	})
	return out, stateOf(report), hinted(err)
}

// roomToShrink takes a memory's maximum one page higher, which maximumOf takes back: wazero is told of
// a length that has changed by a growth alone, so one has to be left (memory.shrink).
func roomToShrink(memories []wasmbin.Extent) {
	for i := range memories {
		if size := &memories[i]; size.HasMax && size.Max < maxPages {
			size.Max++
		} else {
			size.HasMax = false
		}
	}
}

// maxPages is how many there can be.
const maxPages = 1 << 16

// maximumOf is the maximum that a prepared module had itself, in bytes.
func maximumOf(def api.MemoryDefinition) int64 {
	if pages, ok := def.Max(); ok {
		return int64(pages-1) * pageBytes
	}
	return maxPages * pageBytes
}

// compiling is how prepared modules are compiled.
func compiling() wazero.RuntimeConfig {
	return wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesThreads)
}

// offerMeter instantiates what a prepared module imports beside the contract.
func offerMeter(ctx context.Context, r wazero.Runtime) error {
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := r.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(hostFunc(hostTick), i32, i32).Export(meter.ImportTick).Instantiate(ctx)
	return err
}

// hostTick is where a guest that calls nothing else is interrupted, and where others get their turn.
func hostTick(in *instance, _ api.Memory, stack []uint64) {
	in.lookAt(in.turn.Yield(time.Now()))
	next, ok := in.counter.Tick(int32(uint32(stack[0])))
	if !ok {
		limit := strconv.FormatUint(in.task.limits.Fuel, 10)
		in.end(in.guest.overLimit("fuel", limit, "the plugin used up the fuel of its call"))
	}
	stack[0] = uint64(uint32(next))
}
