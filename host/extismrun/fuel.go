// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"strconv"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/host/meter"
)

// fuel counts what the code of one instance's module does. What Extism's kernel does for it is not
// counted, but each call of it has the price of an import.
type fuel struct {
	counter meter.Counter
	// left is the module's own count. The SDK does not hand out the module, so it is known from the
	// first tick on, which is in the first function that runs; until then the count is 0.
	left api.MutableGlobal
	// owed is what the counter has given and the module has not got, because left was not known.
	owed int32
}

func (f *fuel) begin(limit uint64) {
	given := f.counter.Begin(limit)
	if f.left == nil {
		f.owed = given
		return
	}
	f.left.Set(api.EncodeI32(given))
}

// end returns the fuel of the run. None is what a run used of which no function was called.
func (f *fuel) end() uint64 {
	if f.left == nil {
		return 0
	}
	return f.counter.End(api.DecodeI32(f.left.Get()))
}

// tick is what the module gets next; ok is false where there is nothing to get.
func (f *fuel) tick(left int32) (next int32, ok bool) {
	left += f.owed
	f.owed = 0
	return f.counter.Tick(left)
}

// tickFunction is called by the plugin's code all the while it runs. Compiled code cannot be
// pre-empted, so this is also where others get their turn.
func tickFunction() extism.HostFunction {
	one := []extism.ValueType{extism.ValueTypeI32}
	hf := extism.NewHostFunctionWithStack(meter.ImportTick, func(ctx context.Context, _ *extism.CurrentPlugin, stack []uint64) {
		in := instanceOf(ctx)
		in.check()
		in.turn.Yield(time.Now())
		next, ok := in.fuel.tick(extism.DecodeI32(stack[0]))
		if !ok {
			limit := strconv.FormatUint(in.run.limits.Fuel, 10)
			in.end(in.guest.overLimit("fuel", limit, "the plugin used up the fuel of its call"))
		}
		stack[0] = extism.EncodeI32(next)
	}, one, one)
	hf.SetNamespace(meter.ImportModule)
	return hf
}

// tickListener hears of ticks before they are answered. It is how the runner gets hold of the module:
// the SDK keeps it, and gives host functions its kernel alone.
type tickListener struct{}

var (
	_ experimental.FunctionListenerFactory = tickListener{}
	_ experimental.FunctionListener        = tickListener{}
)

// NewFunctionListener implements experimental.FunctionListenerFactory. Other functions have none, and
// so their code stays as it is.
func (l tickListener) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	if def.GoFunction() != nil && def.ModuleName() == meter.ImportModule && def.Name() == meter.ImportTick {
		return l
	}
	return nil
}

// Before implements experimental.FunctionListener; mod is the caller.
func (tickListener) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	if in := instanceOf(ctx); in.fuel.left == nil {
		in.fuel.left, _ = mod.ExportedGlobal(meter.ExportLeft).(api.MutableGlobal)
	}
}

// After implements experimental.FunctionListener.
func (tickListener) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}

// Abort implements experimental.FunctionListener.
func (tickListener) Abort(context.Context, api.Module, api.FunctionDefinition, error) {}
