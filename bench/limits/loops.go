// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// loopTurns is how often the loop of one operation turns.
const loopTurns = 10_000

// loopModule exports run, which counts its argument down to 0:
//
//	(func (export "run") (param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
var loopModule = []byte{
	0, 'a', 's', 'm', 1, 0, 0, 0,
	1, 5, 1, 0x60, 1, 0x7f, 0,
	3, 2, 1, 0,
	7, 7, 1, 3, 'r', 'u', 'n', 0, 0,
	10, 16, 1, 14, 0, 0x03, 0x40, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b, 0x0b,
}

// loops runs that loop as it is, and as the sandbox rewrites it.
type loops struct {
	runtime          wazero.Runtime
	plain, rewritten api.Module
	counter          meter.Counter
	// A tick looks at both, as the sandbox's does.
	deadline time.Time
	gone     chan struct{}
}

func openLoops() (*loops, error) {
	ctx := context.Background()
	l := &loops{runtime: wazero.NewRuntime(ctx), deadline: time.Now().Add(time.Hour), gone: make(chan struct{})}
	m, err := wasmbin.Decode(loopModule, wasmbin.Settings{})
	if err != nil {
		return nil, fmt.Errorf("the loop: %w", err)
	}
	metered, _, err := meter.Rewrite(m, meter.Options{Fuel: true})
	if err != nil {
		return nil, fmt.Errorf("rewriting the loop: %w", err)
	}
	i32 := []api.ValueType{api.ValueTypeI32}
	tick := api.GoModuleFunc(func(_ context.Context, _ api.Module, stack []uint64) {
		runtime.Gosched()
		select {
		case <-l.gone:
			panic("the caller has given up")
		default:
		}
		if time.Until(l.deadline) <= 0 {
			panic("the time is over")
		}
		next, ok := l.counter.Tick(int32(uint32(stack[0])))
		if !ok {
			panic("the fuel is used up")
		}
		stack[0] = uint64(uint32(next))
	})
	if _, err := l.runtime.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(tick, i32, i32).Export(meter.ImportTick).Instantiate(ctx); err != nil {
		return nil, err
	}
	config := wazero.NewModuleConfig().WithName("")
	if l.plain, err = l.runtime.InstantiateWithConfig(ctx, loopModule, config); err != nil {
		return nil, err
	}
	l.rewritten, err = l.runtime.InstantiateWithConfig(ctx, metered, config)
	return l, err
}

func (l *loops) close(ctx context.Context) error { return l.runtime.Close(ctx) }

func (l *loops) bare() func() error {
	f, stack := l.plain.ExportedFunction("run"), make([]uint64, 1)
	return func() error {
		stack[0] = loopTurns
		return f.CallWithStack(context.Background(), stack)
	}
}

// metered runs the rewritten loop with a limit of fuel; 0 counts without one.
func (l *loops) metered(fuel uint64) func() error {
	f, stack := l.rewritten.ExportedFunction("run"), make([]uint64, 1)
	left, ok := l.rewritten.ExportedGlobal(meter.ExportLeft).(api.MutableGlobal)
	return func() error {
		if !ok {
			return fmt.Errorf("the rewritten loop exports no count of fuel")
		}
		stack[0] = loopTurns
		left.Set(uint64(uint32(l.counter.Begin(fuel))))
		err := f.CallWithStack(context.Background(), stack)
		if used := l.counter.End(int32(uint32(left.Get()))); err == nil && used < loopTurns {
			return fmt.Errorf("the loop counted %d units of fuel for %d turns", used, loopTurns)
		}
		return err
	}
}
