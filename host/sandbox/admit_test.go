// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// refused is a module that has to be refused at load.
type refused struct {
	name string
	wasm []byte
	code abi.Code
	text string
}

func changed(change func(m *module)) []byte {
	m := tool(i32c(2))
	change(m)
	return m.bytes()
}

func hostileModules() []refused {
	with := func(im asmImport) []byte { return changed(func(m *module) { m.imports = []asmImport{im} }) }
	manifest := func(text string) []byte { return changed(func(m *module) { m.data = text }) }
	starting := func(body ...[]byte) []byte {
		return changed(func(m *module) {
			m.funcs = append(m.funcs, asmFunc{"", signature{}, slices.Concat(body...)})
			m.start = 2
		})
	}
	const contract, limit, trap = abi.CodeContract, abi.CodeLimit, abi.CodeTrap
	return []refused{
		{"a text", []byte("#!/bin/sh"), contract, "magic number"},
		{"nothing", nil, contract, "magic number"},
		{"a component", []byte("\x00asm\x0d\x00\x01\x00"), contract, "component"},
		{"half a module", tool(i32c(2)).bytes()[:60], contract, "malformed"},
		{"a file beyond the limit", append([]byte("\x00asm\x01\x00\x00\x00"), make([]byte, 50<<20)...), limit, "at most"},
		{"an Extism plugin", with(asmImport{"extism:host/env", "input_length", signature{"", i64}}), contract, "Extism PDK"},
		{"an import from an unknown module", with(asmImport{"env", "abort", signature{}}), contract, "env.abort"},
		{"an unknown import", with(asmImport{"gantry", "teleport", signature{}}), contract, "gantry.teleport, which this host does not offer"},
		{"a known import of another type", with(asmImport{"gantry", "log", signature{i32, i32}}), contract, "gantry.log as (i32) -> (i32); it is (i32, i32, i32) -> ()"},
		{"no memory and no describe", changed(func(m *module) { m.bare = true }), contract, `under the name "memory"`},
		{"no describe", changed(func(m *module) { m.bare = true; m.exports = []asmExport{{"memory", 2, 0}} }), contract, "gantry_describe"},
		{"a command", changed(func(m *module) { m.bare = true; m.exports = []asmExport{{"memory", 2, 0}, {"_start", 0, 6}} }), contract, "c-shared"},
		{"a gantry_call of another type", changed(func(m *module) { m.funcs[0].typ = signature{i32 + i32, i32} }), contract, "gantry_call as (i32, i32) -> (i32)"},
		{"a manifest that promises what is not exported", changed(func(m *module) { m.funcs[0].export = "x" }), contract, "promises tools"},
		{"a manifest for a newer host", manifest(`{"abi":9,"name":"x","tools":[{"name":"a"}]}`), contract, "newer than this host"},
		{"a manifest for an older host", manifest(`{"abi":-1,"name":"x","tools":[{"name":"a"}]}`), contract, "older than this host"},
		{"a manifest that is no JSON", manifest(`hello`), contract, "not the JSON"},
		{"no manifest", manifest(``), contract, "set no output"},
		{"an endless start", starting(forever), contract, "did not finish starting within"},
		{"a start that crashes", starting(unreachable), trap, "unreachable"},
		{"a start with a bad pointer", starting(i32c(-1), i32c(9), call(fnOutput)), trap, "gantry.output"},
		{"an endless describe", changed(func(m *module) {
			m.funcs = append(m.funcs, asmFunc{"gantry_describe", signature{"", i32}, append(slices.Clone(forever), 0x00)})
			m.bare, m.exports = true, []asmExport{{"memory", 2, 0}}
		}), contract, "within 250ms"},
		{"a memory that begins over the limit", changed(func(m *module) { m.memory = [2]int{60_000, -1} }), limit, "the limit is 256 MiB"},
		{"a table of 100 M entries", changed(func(m *module) { m.tables = [][2]int{{100_000_000, -1}} }), limit, "table 0"},
		{"too many tables", changed(func(m *module) { m.tables = make([][2]int, 17) }), limit, "17 tables"},
		{"a function of 50,000 locals", tool([]byte{localsMark, 1, 0xd0, 0x86, 0x03, 0x7f}, i32c(2)).bytes(), limit, "50000 locals"},
		{"a function of 2 MiB", tool(slices.Repeat([]byte{0x01}, 2<<20), i32c(2)).bytes(), limit, "bytes of code"},
		{"code that does not validate", tool(drop).bytes(), contract, "does not compile"},
	}
}

func TestLoadRefuses(t *testing.T) {
	patient := newEngine(t, Config{})
	hasty := newEngine(t, Config{InitTimeout: 250 * time.Millisecond})
	for _, tc := range hostileModules() {
		t.Run(tc.name, func(t *testing.T) {
			e := patient
			if strings.HasPrefix(tc.name, "an endless") {
				e = hasty
			}
			_, _, err := e.Load(t.Context(), Artifact{Name: "bad", Digest: digestOf(tc.wasm), Wasm: tc.wasm, Limits: host.Limits{}})
			wantCode(t, err, tc.code)
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %q, want %q in it", err, tc.text)
			}
		})
	}
	for _, e := range []*Engine{patient, hasty} {
		if s := e.Stats(); len(s.Plugins) != 0 || s.MemoryBytes != 0 || len(e.codes) != 0 {
			t.Errorf("refused modules left something behind: %+v, %d codes", s, len(e.codes))
		}
	}
	t.Run("a digest of the wrong form", func(t *testing.T) {
		_, _, err := patient.Load(t.Context(), Artifact{Name: "x", Digest: "sha256:12", Wasm: tool(i32c(2)).bytes(), Limits: host.Limits{}})
		wantCode(t, err, abi.CodeInvalidArg)
	})
}

func TestTablesCannotOutgrowTheBound(t *testing.T) {
	e := newEngine(t, Config{})
	// gantry_call answers kind 2 (text) where table.grow by n answers -1, and 3+size otherwise.
	growing := func(n int) *module {
		m := tool([]byte{0xd0, 0x70}, i32c(n), []byte{0xfc, 15, 0}, i32c(3), []byte{0x6a})
		m.tables = [][2]int{{0, -1}}
		return m
	}
	if out, err := callTool(t.Context(), load(t, e, growing(200_000_000).bytes(), host.Limits{}), 0, "", nil); err != nil || out != "" {
		t.Errorf("growing by 200 M: got %q, %v; want a refusal that the guest sees", out, err)
	}
	if _, err := callTool(t.Context(), load(t, e, growing(50_000).bytes(), host.Limits{}), 0, "", nil); host.CodeOf(err) != abi.CodeContract {
		t.Errorf("growing by 50,000: got %v; want kind 3 without output", err)
	}
}

func TestBadPointersNameTheArgument(t *testing.T) {
	e := newEngine(t, Config{})
	out, far := i32c(pageBytes-4), i32c(5)
	for name, body := range map[string][]byte{
		"gantry.input with a bad pointer: ptr = 65532 and 5 bytes":     slices.Concat(out, far, call(fnInput), drop),
		"gantry.output with a bad pointer: ptr = 65532 and 5 bytes":    slices.Concat(out, far, call(fnOutput)),
		"gantry.emit with a bad pointer: ptr = 65532 and 5 bytes":      slices.Concat(i32c(0), out, far, call(fnEmit)),
		"gantry.log with a bad pointer: ptr = 65532 and 5 bytes":       slices.Concat(i32c(0), out, far, call(fnLog)),
		"gantry.op with a bad pointer: namePtr = 65532 and 5 bytes":    slices.Concat(out, far, i32c(0), i32c(0), call(fnOp), drop),
		"gantry.op with a bad pointer: reqPtr = 65532 and 5 bytes":     slices.Concat(i32c(0), i32c(0), out, far, call(fnOp), drop),
		"gantry.op_read with a bad pointer: ptr = 65532 and 5 bytes":   slices.Concat(out, far, call(fnOpRead), drop),
		"gantry.input with a bad pointer: ptr = 4294967295 and 1 byte": slices.Concat(i32c(-1), i32c(1), call(fnInput), drop),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := callTool(t.Context(), load(t, e, tool(body, i32c(2)).bytes(), host.Limits{}), 0, "", nil)
			wantCode(t, err, abi.CodeTrap)
			if !strings.Contains(err.Error(), name) {
				t.Errorf("got %q", err)
			}
		})
	}
}

func TestCrashesOfBareModules(t *testing.T) {
	e := newEngine(t, Config{})
	t.Run("a stack overflow is a crash", func(t *testing.T) {
		m := tool(i32c(0), call(len(contract)))
		_, err := callTool(t.Context(), load(t, e, m.bytes(), host.Limits{}), 0, "", nil)
		wantCode(t, err, abi.CodeTrap)
		if !strings.Contains(err.Error(), "stack overflow") {
			t.Errorf("got %q", err)
		}
	})
	t.Run("a trap says what and where", func(t *testing.T) {
		_, err := callTool(t.Context(), load(t, e, tool(unreachable).bytes(), host.Limits{}), 0, "", nil)
		wantCode(t, err, abi.CodeTrap)
		if got, want := host.Outward(err).Message, "the plugin crashed: unreachable in $6"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("an entry that is not exported breaks the contract", func(t *testing.T) {
		g := load(t, e, tool(i32c(2)).bytes(), host.Limits{})
		_, _, err := g.Call(t.Context(), &host.GuestCall{Entry: host.EntryPrompt, Border: &border{}})
		wantCode(t, err, abi.CodeContract)
	})
}

func FuzzAdmit(f *testing.F) {
	for _, h := range hostileModules() {
		if len(h.wasm) < 4096 {
			f.Add(h.wasm)
		}
	}
	f.Add(tool(i32c(2)).bytes())
	e := newEngine(f, Config{})
	f.Fuzz(func(t *testing.T, wasm []byte) {
		if _, err := admit(wasm, e.known, e.cfg.Admission); err != nil {
			if code := host.CodeOf(err); code != abi.CodeContract && code != abi.CodeLimit {
				t.Fatalf("code %q: %v", code, err)
			}
			return
		}
		out, _, err := prepare(wasm, e.cfg.Admission)
		if err != nil {
			return
		}
		again, err := wasmbin.Decode(out, wasmbin.Settings{})
		if err != nil {
			t.Fatalf("the prepared module cannot be read: %v", err)
		}
		for _, table := range again.Tables {
			if !table.Size.HasMax || table.Size.Max > max(100_000, table.Size.Min) {
				t.Fatal("a prepared module still has a table without a bound")
			}
		}
	})
}
