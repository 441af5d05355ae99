// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// metered instantiates a module with the count exported.
func instantiate(t testing.TB, m *machine, wasm []byte) (api.Module, error) {
	t.Helper()
	out, _, err := rewrite(wasm, everything)
	if err != nil {
		t.Fatal(err)
	}
	return m.InstantiateWithConfig(context.Background(), out, wazero.NewModuleConfig().WithName(""))
}

var funcref = []wasmbin.Table{{Type: wasmbin.FuncRef, Size: wasmbin.Extent{Min: 4}}}

// dispatched is a function that is a dispatch of some parts by its local 0.
func dispatched(parts ...[]byte) []fn {
	return []fn{{name: "run", locals: 2, body: dispatch(0, parts...)}}
}

// runaways are guests that never end.
func runaways() map[string]asm {
	void := func(body ...[]byte) []fn { return []fn{{name: "run", body: cat(body...)}} }
	tick := []wasmbin.Import{{Module: "env", Name: "call"}}
	twice := func(n int) []byte { return cat(get(0), call(n), get(0), call(n)) }
	return map[string]asm{
		"an empty loop":                                {fns: void(loop(br(0)))},
		"a loop that counts":                           {fns: []fn{{name: "run", locals: 1, body: cat(loop(get(0), i32c(1), add, set(0), br(0)))}}},
		"a loop in a start":                            {fns: void(loop(br(0))), start: true},
		"a loop through a br_table":                    {fns: void(loop(i32c(0), []byte{0x0e, 1, 0, 0}))},
		"a dispatch that jumps up":                     {fns: dispatched(nop, jump(0, 0, 0))},
		"a dispatch that jumps to itself":              {fns: dispatched(jump(0, 0, 1), nop)},
		"a dispatch that jumps up from a block":        {fns: dispatched(nop, cat([]byte{0x02, 0x40}, jump(0, 1, 1), end))},
		"a dispatch that jumps up from a loop":         {fns: dispatched(nop, loop(jump(0, 0, 1)))},
		"a dispatch that jumps to its default":         {fns: dispatched(nop, jump(0, -1, 0))},
		"a dispatch that jumps by a value":             {fns: dispatched(nop, cat(get(1), set(0), br(0)))},
		"a dispatch that jumps by another local":       {fns: dispatched(nop, cat(i32c(1), set(1), br(0)))},
		"a dispatch that jumps if":                     {fns: dispatched(cat(i32c(0), set(0), i32c(1), brIf(1)), nop)},
		"a dispatch that jumps by a table":             {fns: dispatched(nop, cat(i32c(1), set(0), i32c(0), []byte{0x0e, 1, 0, 1}))},
		"a dispatch in a dispatch, its head the outer": {fns: dispatched(nop, dispatch(1, nop, jump(0, 0, 1)))},
		"a dispatch that leads to its own head":        {fns: []fn{{name: "run", locals: 2, body: loop([]byte{0x02, 0x40}, get(0), []byte{0x0e, 1, 1, 1}, end)}}},
		"a dispatch that an exception leads to": {tag: true, fns: dispatched(nop, cat(i32c(1), set(0),
			[]byte{0x1f, 0x40, 1, 0, 0, 0, 0x08, 0}, end))},
		"a loop in a loop":         {fns: void(loop(loop(i32c(0), brIf(0)), br(0)))},
		"a loop of host calls":     {imports: tick, fns: void(loop(call(0), br(0)))},
		"a loop of filling memory": {fns: void(loop(i32c(0), i32c(1), i32c(1<<16), memoryFill, br(0)))},
		"a loop of copying memory": {fns: void(loop(i32c(0), i32c(1), i32c(1<<15), memoryCopy, br(0)))},
		"a loop of growing memory": {fns: void(loop(i32c(1), []byte{0x40, 0}, drop, br(0)))},
		"a loop that calls":        {fns: append(void(loop(call(1), br(0))), fn{name: "f", body: nop})},
		"recursion that doubles": {fns: []fn{
			{name: "run", body: cat(i32c(60), call(1))},
			{name: "f", params: 1, body: cat(get(0), []byte{0x04, 0x40}, get(0), i32c(1), sub, []byte{0x22, 0}, drop, twice(1), end)},
		}},
		"mutual recursion that doubles": {fns: []fn{
			{name: "run", body: cat(i32c(60), call(1))},
			{name: "f", params: 1, body: cat(get(0), []byte{0x04, 0x40}, get(0), i32c(1), sub, set(0), twice(2), end)},
			{name: "g", params: 1, body: cat(get(0), []byte{0x04, 0x40}, get(0), i32c(1), sub, set(0), twice(1), end)},
		}},
		"recursion through a table": {tables: funcref, elems: []uint32{0, 1}, fns: []fn{
			{name: "run", body: cat(i32c(60), call(1))},
			{name: "f", params: 1, body: cat(get(0), []byte{0x04, 0x40}, get(0), i32c(1), sub, set(0),
				get(0), i32c(1), []byte{0x11, 2, 0}, get(0), i32c(1), []byte{0x11, 2, 0}, end)},
		}},
		"a tail call to itself":           {fns: void(returnCall(0))},
		"a tail call to itself, indirect": {tables: funcref, elems: []uint32{0}, fns: void(i32c(0), []byte{0x13, 1, 0})},
	}
}

func TestRunawaysAreStopped(t *testing.T) {
	for name, a := range runaways() {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
			defer cancel()
			m := newMachine(t, ctx)
			if _, err := m.NewHostModuleBuilder("env").NewFunctionBuilder().WithFunc(func() {}).Export("call").Instantiate(t.Context()); err != nil {
				t.Fatal(err)
			}
			mod, err := instantiate(t, m, a.bytes())
			if err == nil {
				_, _, err = m.metered(mod, "run", 0)
			}
			if err == nil || !strings.Contains(err.Error(), errStopped.Error()) {
				t.Errorf("got %v, want it stopped", err)
			}
		})
	}
}

func TestFuelIsTheSameEveryTime(t *testing.T) {
	wasm := asm{fns: []fn{{name: "run", locals: 1, results: 1, body: counting(1_000_000)}}}.bytes()
	var first uint64
	for range 3 {
		m := newMachine(t, t.Context())
		mod, err := instantiate(t, m, wasm)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			fuel, results, err := m.metered(mod, "run", 0)
			if err != nil || results[0] != 1_000_000 {
				t.Fatalf("got %v, %v", results, err)
			}
			if first == 0 {
				first = fuel
			}
			if fuel != first {
				t.Errorf("got %d units, before %d", fuel, first)
			}
		}
	}
	if first < 1_000_000 || first > 2_000_000 {
		t.Errorf("a million turns of eight instructions cost %d units", first)
	}
}

func TestFuelRunsOut(t *testing.T) {
	m := newMachine(t, t.Context())
	mod, err := instantiate(t, m, asm{fns: []fn{{name: "run", locals: 1, results: 1, body: counting(1_000_000)}}}.bytes())
	if err != nil {
		t.Fatal(err)
	}
	need, _, err := m.metered(mod, "run", 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("not with one unit more than it needs", func(t *testing.T) {
		if fuel, _, err := m.metered(mod, "run", need+1); err != nil || fuel != need || m.out {
			t.Errorf("got %d units, %v", fuel, err)
		}
	})
	t.Run("at the limit and not much after", func(t *testing.T) {
		for _, limit := range []uint64{1, 10, meter.Interval, meter.Interval + 1, need / 2} {
			m.out = false
			fuel, _, err := m.metered(mod, "run", limit)
			if err == nil || !m.out || fuel < limit || fuel > limit+10 {
				t.Errorf("limit %d: got %d units, %v", limit, fuel, err)
			}
		}
	})
}

// cost runs a body once and returns its fuel.
func cost(t *testing.T, f fn) uint64 {
	t.Helper()
	m := newMachine(t, t.Context())
	f.name = "run"
	mod, err := instantiate(t, m, asm{tag: true, fns: []fn{f}}.bytes())
	if err != nil {
		t.Fatal(err)
	}
	fuel, _, err := m.metered(mod, "run", 0)
	if err != nil {
		t.Fatal(err)
	}
	return fuel
}

func TestPrices(t *testing.T) {
	t.Run("long code without a loop is not free", func(t *testing.T) {
		var body []byte
		for range 16_000 {
			body = append(body, 0x01)
		}
		if got := cost(t, fn{body: body}); got < 1_000 || got > 1_002 {
			t.Errorf("16,000 instructions cost %d units", got)
		}
	})
	t.Run("a turn of a long loop costs what its length does", func(t *testing.T) {
		body := cat(make([]byte, 0), loop(get(0), i32c(1), add, set(0), []byte(strings.Repeat("\x01", 16_000)), get(0), i32c(10), ltU, brIf(0)))
		if got := cost(t, fn{locals: 1, body: body}); got < 10_000 || got > 10_100 {
			t.Errorf("ten turns of 16,000 instructions cost %d units", got)
		}
	})
	t.Run("a throw is dear", func(t *testing.T) {
		try := cat([]byte{0x02, 0x40, 0x1f, 0x40, 1, 0, 0, 0, 0x08, 0}, end, end)
		if got := cost(t, fn{body: try}); got < 1_000 || got > 1_002 {
			t.Errorf("one costs %d units", got)
		}
	})
	t.Run("filling memory costs what is filled", func(t *testing.T) {
		if got := cost(t, fn{body: cat(i32c(0), i32c(1), i32c(65536), memoryFill)}); got < 1024 || got > 1030 {
			t.Errorf("64 KiB cost %d units", got)
		}
	})
}

func TestADispatchPaysForJumpsUp(t *testing.T) {
	long := []byte(strings.Repeat("\x01", 1_600)) // 100 units
	count := cat(get(1), i32c(1), add, set(1))
	again := func(to, depth int) []byte {
		return cat(get(1), i32c(10), ltU, []byte{0x04, 0x40}, jump(0, to, depth+1), end)
	}
	for _, tc := range []struct {
		name        string
		parts       [][]byte
		least, most uint64
	}{
		{"once for all of it, where they only go down", [][]byte{jump(0, 1, 2), jump(0, 2, 1), long}, 100, 102},
		{"once for all of it, where they pass something over", [][]byte{jump(0, 2, 2), long, nop}, 100, 102},
		{"for what lies between, where they go up", [][]byte{long, count, cat(long, again(1, 0))}, 1_100, 1_130},
		{"and not for what lies before and behind", [][]byte{long, cat(count, again(1, 1)), long}, 200, 230},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := cost(t, fn{locals: 2, body: dispatch(0, tc.parts...)}); got < tc.least || got > tc.most {
				t.Errorf("got %d units, want %d to %d", got, tc.least, tc.most)
			}
		})
	}
}

func TestNothingOfTheGuestChanges(t *testing.T) {
	t.Run("traps name the functions that the author knows", func(t *testing.T) {
		m := asm{fns: []fn{{name: "run", body: call(1)}, {name: "f", body: call(2)}, {name: "g", body: []byte{0}}}}.module()
		m.SetNames(wasmbin.Names{Module: "mine", Funcs: []wasmbin.FuncNamed{{Index: 1, Name: "pkg.Crash"}}})
		mod, err := instantiate(t, newMachine(t, t.Context()), m.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		_, err = mod.ExportedFunction("run").Call(t.Context())
		if err == nil || !strings.Contains(err.Error(), "unreachable\nwasm stack trace:\n\tmine.$2()\n\tmine.pkg.Crash()\n\tmine.$0()") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("its global keeps its value and its index", func(t *testing.T) {
		mod, err := instantiate(t, newMachine(t, t.Context()), asm{fns: []fn{{name: "run", results: 1, body: []byte{0x23, 0}}}}.bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := mod.ExportedFunction("run").Call(t.Context()); err != nil || got[0] != 7 {
			t.Errorf("got %v, %v", got, err)
		}
		if g := mod.ExportedGlobal(meter.ExportGlobal + "0"); g == nil || g.Get() != 7 {
			t.Errorf("its state is not exported: %v", g)
		}
	})
	t.Run("it cannot name the count that is added", func(t *testing.T) {
		out, _, err := rewrite(asm{fns: []fn{{name: "run", results: 1, body: []byte{0x23, 1}}}}.bytes(), everything)
		if err == nil {
			_, err = newMachine(t, t.Context()).CompileModule(t.Context(), out)
		}
		if err == nil {
			t.Error("a module that reads a global it does not have came through")
		}
	})
	t.Run("nor export it or the functions", func(t *testing.T) {
		for _, ex := range []wasmbin.Export{{Name: "x", Kind: wasmbin.ExternGlobal, Index: 1}, {Name: "x", Index: 1}} {
			m := asm{fns: []fn{{name: "run"}}}.module()
			m.Exports = append(m.Exports, ex)
			if _, _, err := meter.Rewrite(m, everything); host.CodeOf(err) != abi.CodeContract {
				t.Errorf("%+v: got %v", ex, err)
			}
		}
	})
	t.Run("it cannot call the functions that are added", func(t *testing.T) {
		for i := 1; i < 4; i++ {
			out, _, err := rewrite(asm{fns: []fn{{name: "run", body: call(i)}}}.bytes(), everything)
			if err == nil {
				_, err = newMachine(t, t.Context()).CompileModule(t.Context(), out)
			}
			if err == nil {
				t.Errorf("a module that calls function %d, which it does not have, came through", i)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	deep := asm{fns: []fn{{name: "run", body: cat([]byte(strings.Repeat("\x02\x40", 5001)), []byte(strings.Repeat("\x0b", 5001)))}}}
	var many asm
	for i := range 20 {
		many.fns = append(many.fns, fn{name: fmt.Sprint("run", i), body: cat([]byte(strings.Repeat("\x02\x40", 4900)), []byte(strings.Repeat("\x0b", 4900)))})
	}
	for _, tc := range []struct {
		name string
		wasm []byte
		code abi.Code
		text string
	}{
		{"an import with the host's name", asm{imports: []wasmbin.Import{{Module: "gantry_meter", Name: "tick"}}}.bytes(), abi.CodeContract, "imports gantry_meter.tick"},
		{"an export with the host's prefix", asm{fns: []fn{{name: "gantry_meter.left"}}}.bytes(), abi.CodeContract, "exports gantry_meter.left"},
		{"blocks nested too deep, with the function's name", deep.bytes(), abi.CodeLimit, "function 0 (exported as run): blocks are nested deeper than the 5000"},
		{"many functions nested deep", many.bytes(), abi.CodeLimit, "function 16 (exported as run16)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := rewrite(tc.wasm, meter.Options{})
			if got := host.CodeOf(err); got != tc.code || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %s: %v", got, err)
			}
		})
	}
}

func TestReport(t *testing.T) {
	a := asm{tables: funcref, fns: []fn{{name: "run", body: cat(loop(nop), i32c(0), []byte{0xd2, 0, 0x26, 0}, i32c(0), i32c(0), i32c(0), memoryFill)}}}
	_, got, err := rewrite(a.bytes(), everything)
	if err != nil {
		t.Fatal(err)
	}
	if got.Functions != 1 || got.Loops != 1 || got.Bulk != 1 || !got.WritesTables || got.DropsSegments || len(got.Globals) != 1 || got.Opaque != nil {
		t.Errorf("got %+v", got)
	}
}

func TestTablesGetAMaximum(t *testing.T) {
	for _, size := range []wasmbin.Extent{{Min: 4}, {Min: 4, Max: 1 << 30, HasMax: true}, {Min: 4, Max: 9, HasMax: true}} {
		m := asm{tables: []wasmbin.Table{{Type: wasmbin.FuncRef, Size: size}}}.module()
		out, _, err := meter.Rewrite(m, meter.Options{MaxTableEntries: 100})
		if err != nil {
			t.Fatal(err)
		}
		again, err := wasmbin.Decode(out, wasmbin.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		if got := again.Tables[0].Size; !got.HasMax || got.Max > 100 || size.HasMax && size.Max == 9 && got.Max != 9 {
			t.Errorf("%+v became %+v", size, got)
		}
	}
}
