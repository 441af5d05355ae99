// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/host"
)

// echo is a module that answers its input, up to 16 KiB, as text.
func echo() *module {
	m := tool(
		[]byte{localsMark, 1, 1, 0x7f},
		i32c(0), i32c(16<<10), call(fnInput), []byte{0x21, 1},
		i32c(0), []byte{0x20, 1}, call(fnOutput), i32c(2))
	return m
}

func BenchmarkEcho(b *testing.B) {
	in := bytes.Repeat([]byte("x"), 1024)
	b.Run("guest", func(b *testing.B) {
		g := load(b, newEngine(b, Config{}), echo().bytes(), host.Limits{})
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		c := &host.GuestCall{Input: in, Border: &border{}}
		b.ReportAllocs()
		for b.Loop() {
			if out, _, err := g.Call(ctx, c); err != nil || len(out.Data) != len(in) {
				b.Fatal(err)
			}
		}
	})
	for name, rc := range map[string]wazero.RuntimeConfig{
		"bare":              wazero.NewRuntimeConfig(),
		"bare, termination": wazero.NewRuntimeConfig().WithCloseOnContextDone(true),
	} {
		b.Run(name, func(b *testing.B) {
			ctx := b.Context()
			f, out := bareEcho(b, wazero.NewRuntimeWithConfig(ctx, rc), in)
			stack := []uint64{0}
			b.ReportAllocs()
			for b.Loop() {
				if err := f.CallWithStack(ctx, stack); err != nil || len(*out) != len(in) {
					b.Fatal(err)
				}
			}
		})
	}
}

// bareEcho is the same module on wazero alone, with host functions that copy and do nothing else.
func bareEcho(b *testing.B, r wazero.Runtime, in []byte) (api.Function, *[]byte) {
	ctx := b.Context()
	b.Cleanup(func() { _ = r.Close(context.Background()) })
	var out []byte
	hosts := r.NewHostModuleBuilder("gantry")
	for _, im := range contract {
		f := api.GoModuleFunc(func(_ context.Context, m api.Module, stack []uint64) {
			if im.name == "input" {
				dst, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
				stack[0] = uint64(copy(dst, in))
				return
			}
			src, _ := m.Memory().Read(uint32(stack[0]), uint32(stack[1]))
			out = append([]byte(nil), src...)
		})
		hosts = hosts.NewFunctionBuilder().WithGoModuleFunction(f, []byte(im.typ.params), []byte(im.typ.results)).Export(im.name)
	}
	if _, err := hosts.Instantiate(ctx); err != nil {
		b.Fatal(err)
	}
	mod, err := r.Instantiate(ctx, echo().bytes())
	if err != nil {
		b.Fatal(err)
	}
	return mod.ExportedFunction("gantry_call"), &out
}
