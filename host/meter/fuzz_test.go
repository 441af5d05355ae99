// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// twins is a module plain and rewritten, in runtimes of their own.
type twins struct {
	plain   wazero.Runtime
	metered *machine
}

func newTwins(t testing.TB) twins {
	t.Helper()
	ctx := context.Background()
	cfg := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(features).WithMemoryLimitPages(64)
	plain := wazero.NewRuntimeWithConfig(ctx, cfg)
	t.Cleanup(func() {
		if err := plain.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return twins{plain, newMachineWith(t, ctx, cfg)}
}

// compare runs what the module exports both ways, as far as it ends within some fuel.
func (tw twins) compare(t *testing.T, wasm, rewritten []byte) {
	t.Helper()
	ctx := context.Background()
	cfg := wazero.NewModuleConfig().WithName("")
	tw.metered.out = false
	tw.metered.counter.Begin(fuzzFuel)
	b, errB := tw.metered.InstantiateWithConfig(ctx, rewritten, cfg)
	if tw.metered.out {
		return
	}
	a, errA := tw.plain.InstantiateWithConfig(ctx, wasm, cfg)
	if (errA == nil) != (errB == nil) {
		t.Fatalf("plain: %v; rewritten: %v", errA, errB)
	}
	if errA != nil {
		return
	}
	defer func() {
		if a.Close(ctx) != nil || b.Close(ctx) != nil {
			t.Error("not closed")
		}
	}()
	var names []string
	for name := range a.ExportedFunctionDefinitions() {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fa := a.ExportedFunction(name)
		args := make([]uint64, len(fa.Definition().ParamTypes()))
		_, got, err := tw.metered.metered(b, name, fuzzFuel, args...)
		if tw.metered.out {
			return
		}
		want, errWant := fa.Call(ctx, args...)
		types := fa.Definition().ResultTypes()
		switch {
		case (err == nil) != (errWant == nil):
			if !strings.Contains(err.Error()+errWant.Error(), "stack overflow") {
				t.Fatalf("%s: plain: %v; rewritten: %v", name, errWant, err)
			}
			return
		case err == nil && values(types, slices.Clone(got)) != values(types, slices.Clone(want)):
			t.Fatalf("%s: plain %v, rewritten %v", name, want, got)
		}
	}
}

const fuzzFuel = 20_000

// FuzzRewrite holds that a module that compiles still compiles and does the same.
func FuzzRewrite(f *testing.F) {
	for _, a := range runaways() {
		f.Add(a.bytes())
	}
	n := 0
	corpus(f, func(_ string, data []byte) {
		if n++; n%40 == 0 && len(data) < 2048 {
			f.Add(data)
		}
	})
	tw := newTwins(f)
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := wasmbin.Decode(wasm, everything.Settings)
		if err != nil || len(m.Imports) > 0 || slices.ContainsFunc(m.Tables, func(t wasmbin.Table) bool { return t.Type != wasmbin.FuncRef }) {
			return
		}
		if compiles(tw.plain, wasm) != nil {
			return
		}
		out, _, err := meter.Rewrite(m, everything)
		if err != nil {
			return
		}
		if err := compiles(tw.metered, out); err != nil {
			t.Fatalf("does not compile any more: %v", err)
		}
		if m.Start == nil && !hasWait(wasm) {
			tw.compare(t, wasm, out)
		}
	})
}

// compiles compiles a module. The runtime's validator panics at some that are malformed.
func compiles(r wazero.Runtime, wasm []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	c, err := r.CompileModule(context.Background(), wasm)
	if err != nil {
		return err
	}
	return c.Close(context.Background())
}

// hasWait says that the module may wait for another thread, for ever.
func hasWait(wasm []byte) bool {
	return strings.Contains(string(wasm), "\xfe\x01") || strings.Contains(string(wasm), "\xfe\x02")
}

// FuzzGenerated does so for modules made up from a seed, which have more loops and calls than
// mutation arrives at.
func FuzzGenerated(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	tw := newTwins(f)
	f.Fuzz(func(t *testing.T, seed uint64) {
		wasm := generate(rand.New(rand.NewPCG(seed, 1))).bytes()
		out, _, err := rewrite(wasm, everything)
		if err != nil {
			t.Fatal(err)
		}
		tw.compare(t, wasm, out)
	})
}

// generator makes up code that validates: every statement leaves the stack as it was, every
// expression leaves one i32.
type generator struct {
	*rand.Rand
	left, depth int
}

const generatedFuncs = 4

// generate makes a module of functions with two parameters, two locals and one result.
func generate(r *rand.Rand) asm {
	a := asm{tables: funcref, elems: []uint32{0, 1, 2, 3}}
	for i := range generatedFuncs {
		g := generator{Rand: r, left: 40}
		a.fns = append(a.fns, fn{name: string(rune('a' + i)), params: 2, results: 1, locals: 2, body: cat(g.statements(), g.expr())})
	}
	return a
}

func (g *generator) statements() []byte {
	var out []byte
	for range 1 + g.IntN(4) {
		out = append(out, g.statement()...)
	}
	return out
}

func (g *generator) statement() []byte {
	g.left--
	if g.left < 0 || g.depth > 6 {
		return nop
	}
	g.depth++
	defer func() { g.depth-- }()
	switch g.IntN(10) {
	case 9:
		return g.dispatch()
	case 0, 1:
		return cat(g.expr(), set(g.IntN(4)))
	case 2:
		return loop(g.statements(), g.expr(), brIf(0))
	case 3:
		return cat([]byte{0x02, 0x40}, g.statements(), g.expr(), brIf(0), g.statements(), end)
	case 4:
		return cat(g.expr(), []byte{0x04, 0x40}, g.statements(), []byte{0x05}, g.statements(), end)
	case 5:
		return cat(g.address(), g.expr(), []byte{0x36, 2, 0})
	case 6:
		return cat(g.address(), g.expr(), i32c(g.IntN(200)), memoryFill)
	case 7:
		return cat(g.address(), g.address(), i32c(g.IntN(200)), memoryCopy)
	}
	return cat(g.expr(), []byte{0x24, 0})
}

// dispatch has jumps of every kind between its parts, most of them down.
func (g *generator) dispatch() []byte {
	pc, n := g.IntN(4), 1+g.IntN(4)
	parts := make([][]byte, n)
	for i := range parts {
		head := n - 1 - i // how many labels away it is
		to := i + 1 + g.IntN(n+1)
		if g.IntN(4) == 0 {
			to = g.IntN(n+2) - 1
		}
		parts[i] = g.statements()
		switch g.IntN(6) {
		case 0, 1:
			parts[i] = cat(parts[i], jump(pc, to, head))
		case 2, 3:
			parts[i] = cat(parts[i], g.expr(), []byte{0x04, 0x40}, jump(pc, to, head+1), end, g.statements())
		case 4:
			parts[i] = cat(parts[i], g.expr(), set(pc), g.expr(), brIf(head))
		default:
			parts[i] = cat(parts[i], i32c(to), set(pc), g.expr(), []byte{0x0e, 2, byte(head), byte(g.IntN(head + 1)), byte(head)})
		}
	}
	return dispatch(pc, parts...)
}

func (g *generator) address() []byte { return cat(g.expr(), i32c(0x3fff), []byte{0x71}) }

func (g *generator) expr() []byte {
	g.left--
	if g.left < 0 {
		return get(g.IntN(4))
	}
	switch g.IntN(8) {
	case 0, 1:
		return i32c(g.IntN(64) - 8)
	case 2:
		return get(g.IntN(4))
	case 3:
		return []byte{0x23, 0}
	case 4:
		return cat(g.address(), []byte{0x28, 2, 0})
	case 5:
		return cat(g.expr(), g.expr(), call(g.IntN(generatedFuncs)))
	case 6:
		return cat(g.expr(), g.expr(), i32c(g.IntN(5)), []byte{0x11, 1, 0})
	}
	return cat(g.expr(), g.expr(), []byte{byte(0x6a + g.IntN(16))})
}

// BenchmarkCost shows what the checks cost: each program plain, stock interruptible and rewritten.
func BenchmarkCost(b *testing.B) {
	fib := cat(get(0), i32c(2), ltU, []byte{0x04, 0x7f}, get(0), []byte{0x05},
		get(0), i32c(1), sub, call(0), get(0), i32c(2), sub, call(0), add, end)
	walk := cat(loop(get(0), get(0), i32c(0xfffc), []byte{0x71, 0x28, 2, 0}, add, i32c(4), add, set(0), get(1), i32c(1), add, []byte{0x22, 1}, i32c(1_000_000), ltU, brIf(0)), get(0))
	for name, f := range map[string]fn{
		"counting": {name: "run", params: 1, results: 1, body: counting(1_000_000)},
		"walk":     {name: "run", params: 1, locals: 1, results: 1, body: walk},
		"fib":      {name: "run", params: 1, results: 1, body: fib},
	} {
		wasm := asm{fns: []fn{f}}.bytes()
		arg := uint64(0)
		if name == "fib" {
			arg = 24
		}
		for _, way := range []string{"plain", "stock", "metered"} {
			b.Run(name+"/"+way, func(b *testing.B) { benchmark(b, wasm, way, arg) })
		}
	}
}

func benchmark(b *testing.B, wasm []byte, way string, arg uint64) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	m := newMachineWith(b, ctx, wazero.NewRuntimeConfigCompiler().WithCoreFeatures(features).WithCloseOnContextDone(way == "stock"))
	if way == "metered" {
		var err error
		if wasm, _, err = rewrite(wasm, meter.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	mod, err := m.InstantiateWithConfig(ctx, wasm, wazero.NewModuleConfig().WithName(""))
	if err != nil {
		b.Fatal(err)
	}
	f := mod.ExportedFunction("run")
	stack := make([]uint64, 2)
	call := func() {
		stack[0] = arg
		if err := f.CallWithStack(ctx, stack); err != nil {
			b.Fatal(err)
		}
	}
	call()
	for b.Loop() {
		call()
	}
}
