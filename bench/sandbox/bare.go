// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
)

// deadline is what a call of a baseline that can be stopped gets; none comes near it.
const deadline = 30 * time.Second

// bare is a module of the contract on wazero alone: its host functions copy and do nothing else,
// nothing is bounded, and nothing is put back.
type bare struct {
	ctx context.Context // its callers'
	// stoppable says that wazero's own interruption is on.
	stoppable bool
	runtime   wazero.Runtime
	compiled  wazero.CompiledModule
	input     []byte
	// room is memory for small answers, as our calls have.
	room, output []byte
}

// openBare compiles a module as it is. With stoppable, wazero's own interruption is on.
func (b *bench) openBare(wasm []byte, stoppable bool) (*bare, error) {
	ctx := context.Background()
	p := &bare{ctx: b.caller(), room: make([]byte, 0, roomBytes), stoppable: stoppable, runtime: wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCloseOnContextDone(stoppable))}
	b.undo = append(b.undo, func() error { return p.runtime.Close(ctx) })
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, p.runtime); err != nil {
		return nil, err
	}
	i32 := api.ValueTypeI32
	_, err := p.runtime.NewHostModuleBuilder("gantry").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(p.giveInput), []api.ValueType{i32, i32}, []api.ValueType{i32}).Export("input").
		NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(p.takeOutput), []api.ValueType{i32, i32}, nil).Export("output").
		Instantiate(ctx)
	if err == nil {
		p.compiled, err = p.runtime.CompileModule(ctx, wasm)
	}
	return p, err
}

func (p *bare) giveInput(_ context.Context, m api.Module, stack []uint64) {
	dst, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	stack[0] = uint64(copy(dst, p.input))
}

func (p *bare) takeOutput(_ context.Context, m api.Module, stack []uint64) {
	src, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
	p.output = append(p.room, src...)
}

// instance makes one, initialised as its language wants it.
func (p *bare) instance(ctx context.Context) (api.Module, error) {
	return p.runtime.InstantiateModule(ctx, p.compiled, wazero.NewModuleConfig().WithName("").
		WithStartFunctions("_initialize").WithSysWalltime().WithSysNanotime())
}

// calling calls a tool on one warm instance.
func (p *bare) calling(name string, tool int, input, want []byte) (subject, error) {
	mod, err := p.instance(p.ctx)
	if err != nil {
		return subject{}, err
	}
	f, stack := mod.ExportedFunction("gantry_call"), make([]uint64, 1)
	return subject{name, func() error {
		stack[0], p.input = uint64(tool), input
		if err := f.CallWithStack(p.ctx, stack); err != nil {
			return err
		}
		return p.check(want)
	}}, nil
}

// renewing calls the first tool on a new instance each time, and where it can be stopped with a
// deadline for both.
func (p *bare) renewing(name string, input []byte) subject {
	return subject{name, func() error {
		ctx := p.ctx
		if p.stoppable {
			bounded, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			ctx = bounded
		}
		p.input = input
		mod, err := p.instance(ctx)
		if err != nil {
			return err
		}
		if _, err := mod.ExportedFunction("gantry_call").Call(ctx, 0); err != nil {
			return err
		}
		if err := p.check(input); err != nil {
			return err
		}
		return mod.Close(ctx)
	}}
}

func (p *bare) check(want []byte) error {
	if want != nil && !bytes.Equal(p.output, want) {
		return fmt.Errorf("the answer is %.60q, not %.60q", p.output, want)
	}
	return nil
}

// onExtism calls the export echo of a module on one warm instance of Extism's Go SDK.
func (b *bench) onExtism(name string, wasm, input []byte) (subject, error) {
	ctx := context.Background()
	p, err := extism.NewPlugin(ctx, extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}},
		extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		return subject{}, err
	}
	b.undo = append(b.undo, func() error { return p.Close(ctx) })
	return subject{name, func() error {
		_, out, err := p.CallWithContext(ctx, "echo", input)
		if err == nil && !bytes.Equal(out, input) {
			err = fmt.Errorf("the answer is %.60q, not %.60q", out, input)
		}
		return err
	}}, nil
}

// renewingExtism calls the export echo of a compiled module on a new instance of Extism's Go SDK each
// time, which is how a host of that SDK gets a clean state. With stoppable, its manifest has a timeout
// and the making of the instance a deadline, which the timeout does not reach.
func (b *bench) renewingExtism(name string, wasm, input []byte, stoppable bool) (subject, error) {
	manifest := extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}}
	if stoppable {
		manifest.Timeout = uint64(deadline.Milliseconds())
	}
	all := context.Background()
	compiled, err := extism.NewCompiledPlugin(all, manifest, extism.PluginConfig{EnableWasi: true}, nil)
	if err != nil {
		return subject{}, err
	}
	b.undo = append(b.undo, func() error { return compiled.Close(all) })
	return subject{name, func() error {
		ctx := all
		if stoppable {
			bounded, cancel := context.WithTimeout(ctx, deadline)
			defer cancel()
			ctx = bounded
		}
		p, err := compiled.Instance(ctx, extism.PluginInstanceConfig{ModuleConfig: wazero.NewModuleConfig().WithSysWalltime()})
		if err != nil {
			return err
		}
		_, out, err := p.CallWithContext(ctx, "echo", input)
		if err == nil && !bytes.Equal(out, input) {
			err = fmt.Errorf("the answer is %.60q, not %.60q", out, input)
		}
		return errors.Join(err, p.Close(ctx))
	}}, nil
}
