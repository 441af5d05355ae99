// Copyright 2026 The Gantry Authors.

package wasmbin_test

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

const header = "\x00asm\x01\x00\x00\x00"

// section is a section with its size.
func section(id byte, body ...[]byte) []byte {
	b := slices.Concat(body...)
	return append(wasmbin.AppendU32([]byte{id}, uint32(len(b))), b...)
}

func file(sections ...[]byte) []byte { return append([]byte(header), slices.Concat(sections...)...) }

func number(n uint32) []byte { return wasmbin.AppendU32(nil, n) }

// function is a module of one function without parameters, called "long name".
func function(body ...byte) []byte {
	return file(section(1, []byte{1, 0x60, 0, 0}), section(3, []byte{1, 0}),
		section(10, []byte{1}, number(uint32(len(body))), body),
		section(0, []byte("\x04name"), []byte{1, 12, 1, 0, 9}, []byte("long name")))
}

func TestLimitsSayWhichAndHowMuch(t *testing.T) {
	for _, tc := range []struct {
		name   string
		limits wasmbin.Limits
		wasm   []byte
		text   string
	}{
		{"the file", wasmbin.Limits{FileBytes: 8}, file(section(1, []byte{0})), "11 bytes long; at most 8"},
		{"types", wasmbin.Limits{Types: 1}, file(section(1, []byte{2, 0x60, 0, 0, 0x60, 0, 0})), "2 types; at most 1"},
		{"parameters", wasmbin.Limits{TypeValues: 1}, file(section(1, []byte{1, 0x60, 2, 0x7f, 0x7f, 0})), "2 values in a function type"},
		{"imports", wasmbin.Limits{Imports: 1}, file(section(2, []byte{2, 0, 0, 0, 0, 0, 0, 0, 0})), "2 imports; at most 1"},
		{"functions", wasmbin.Limits{Functions: 1}, file(section(3, []byte{2, 0, 0})), "2 functions; at most 1"},
		{"tables", wasmbin.Limits{Tables: 1}, file(section(4, []byte{2, 0x70, 0, 0, 0x70, 0, 0})), "2 tables; at most 1"},
		{"table entries", wasmbin.Limits{TableEntries: 3}, file(section(4, []byte{1, 0x70, 0, 4})), "table 0 of the module has 4 entries; at most 3"},
		{"memories", wasmbin.Limits{}, file(section(5, []byte{2, 0, 0, 0, 0})), "2 memories; at most 1"},
		{"globals", wasmbin.Limits{Globals: 1}, file(section(6, []byte{2, 0x7f, 0, 0x41, 0, 0x0b, 0x7f, 0, 0x41, 0, 0x0b})), "2 globals; at most 1"},
		{"exports", wasmbin.Limits{Exports: 1}, file(section(7, []byte{2, 0, 0, 0, 0, 0, 0})), "2 exports; at most 1"},
		{"element segments", wasmbin.Limits{Elements: 1}, file(section(9, []byte{2, 1, 0, 0, 1, 0, 0})), "2 element segments; at most 1"},
		{"elements together", wasmbin.Limits{ElementEntries: 3}, file(section(9, []byte{2, 1, 0, 2, 0, 0, 1, 0, 2, 0, 0})), "more than 3 entries"},
		{"data segments", wasmbin.Limits{DataSegments: 1}, file(section(11, []byte{2, 1, 0, 1, 0})), "2 data segments; at most 1"},
		{"custom sections", wasmbin.Limits{CustomSections: 1}, file(section(0, []byte{0}), section(0, []byte{0})), "more than 1 custom sections"},
		{"a body, with the function's name", wasmbin.Limits{BodyBytes: 3}, function(0, 1, 1, 1, 0x0b), "function 0 (long name) has 4 bytes of code; at most 3"},
		{"locals, with the function's name", wasmbin.Limits{Locals: 9}, function(1, 10, 0x7f, 0x0b), "function 0 (long name) has 10 locals; at most 9"},
		{"locals together", wasmbin.Limits{TotalLocals: 9}, function(1, 10, 0x7f, 0x0b), "more than 9 locals together"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := wasmbin.Decode(tc.wasm, wasmbin.Settings{Limits: tc.limits})
			if host.CodeOf(err) != abi.CodeLimit || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q in it", err, tc.text)
			}
			if len(tc.wasm) > 8 && tc.limits != (wasmbin.Limits{}) {
				if _, err := wasmbin.Decode(tc.wasm, wasmbin.Settings{}); host.CodeOf(err) == abi.CodeLimit {
					t.Errorf("it meets the default limit too: %v", err)
				}
			}
		})
	}
}

func TestMalformedModulesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		wasm []byte
		text string
	}{
		"a text":                               {[]byte("#!/bin/sh"), "magic number"},
		"a component":                          {[]byte("\x00asm\x0d\x00\x01\x00"), "component"},
		"a section past the end":               {file([]byte{1, 9, 0}), "past the end"},
		"a section twice":                      {file(section(1, []byte{0}), section(1, []byte{0})), "there twice"},
		"sections out of order":                {file(section(3, []byte{0}), section(1, []byte{0})), "out of order"},
		"an unknown section":                   {file(section(77)), "unknown"},
		"bytes after a section's end":          {file(section(1, []byte{0, 0})), "longer than what it holds"},
		"a number of six bytes":                {file(section(1, []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0})), "too large a number"},
		"a number with stray bits":             {file(section(1, []byte{0x80, 0x80, 0x80, 0x80, 0x10})), "too large a number"},
		"a count the section cannot hold":      {file(section(3, number(90_000), []byte{0})), "fewer functions than"},
		"a name that is not UTF-8":             {file(section(7, []byte{1, 1, 0xff, 0, 0})), "not UTF-8"},
		"functions without bodies":             {file(section(1, []byte{1, 0x60, 0, 0}), section(3, []byte{1, 0})), "declares 1 functions and has 0 bodies"},
		"a wrong number of data segments":      {file(section(12, []byte{1})), "announces 1 data segments"},
		"a proposal that is not on":            {file(section(1, []byte{1, 0x60, 1, 0x63, 0, 0})), "typed function references proposal"},
		"an instruction in a constant":         {file(section(6, []byte{1, 0x7f, 0, 0x10, 0, 0x0b})), "cannot stand in a constant"},
		"a table of numbers":                   {file(section(4, []byte{1, 0x7f, 0, 0})), "tables hold references"},
		"a memory with flags of another world": {file(section(5, []byte{1, 4, 0})), "64-bit memories"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := wasmbin.Decode(tc.wasm, wasmbin.Settings{})
			if host.CodeOf(err) != abi.CodeContract || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q in it", err, tc.text)
			}
		})
	}
}

// walk reads a body to its end and returns its instructions' codes.
func walk(body []byte, set wasmbin.Settings) ([]wasmbin.Op, error) {
	w := wasmbin.NewWalker(&wasmbin.Code{Body: body}, 0, set)
	var in wasmbin.Instr
	var out []wasmbin.Op
	for w.Next(&in) {
		out = append(out, in.Op)
	}
	return out, w.Err()
}

func TestWalkerRefusesWhatTwoReadersSeeDifferently(t *testing.T) {
	for name, body := range map[string][]byte{
		"a vector instruction in a longer form":         {0xfd, 0xd6, 0x03, 0x0b},
		"a small vector instruction in a longer form":   {0xfd, 0x80, 0x00, 0x0b},
		"an atomic instruction in a longer form":        {0xfe, 0x90, 0x00, 0, 0, 0x0b},
		"a select whose type takes more than one byte":  {0x1c, 1, 0x63, 0x03, 0x0b},
		"a select of two types":                         {0x1c, 2, 0x7f, 0x7f, 0x0b},
		"memory.size of another memory":                 {0x3f, 1, 0x0b},
		"memory.size with a long zero":                  {0x3f, 0x80, 0, 0x0b},
		"a load from another memory":                    {0x28, 0x42, 0, 0, 0x0b},
		"code after the end":                            {0x0b, 0x01},
		"no end":                                        {0x01},
		"an instruction that nobody knows":              {0x27, 0x0b},
		"a prefixed instruction that nobody knows":      {0xfc, 0x12, 0x0b},
		"a prefix that nobody knows":                    {0xfb, 0x00, 0x0b},
		"a br_table with more targets than bytes":       {0x0e, 0x90, 0x4e, 0, 0x0b},
		"a constant with stray bits":                    {0x41, 0x80, 0x80, 0x80, 0x80, 0x10, 0x0b},
		"an empty body":                                 {},
		"a vector constant that is cut short":           {0xfd, 0x0c, 1, 2, 0x0b},
		"an old kind of exception":                      {0x06, 0x40, 0x0b, 0x0b},
		"a block with a type that is none":              {0x02, 0x50, 0x0b, 0x0b},
		"ref.null of a heap type that nobody knows":     {0xd0, 0x50, 0x0b},
		"an alignment that means another memory":        {0x28, 0x40, 0, 0, 0x0b},
		"a catch clause of an unknown kind":             {0x1f, 0x40, 1, 9, 0, 0x0b, 0x0b},
		"a lane's byte that is missing at the very end": {0xfd, 0x15},
	} {
		t.Run(name, func(t *testing.T) {
			if ops, err := walk(body, wasmbin.Settings{Features: wasmbin.AllFeatures}); err == nil {
				t.Errorf("it was read as %x", ops)
			}
		})
	}
	t.Run("while the shortest form is read", func(t *testing.T) {
		ops, err := walk([]byte{0xfd, 0xd6, 0x01, 0xfc, 0x8b, 0x00, 0x00, 0x0b}, wasmbin.Settings{})
		if err != nil || !slices.Equal(ops, []wasmbin.Op{0xfdd6, wasmbin.OpMemoryFill, wasmbin.OpEnd}) {
			t.Errorf("got %x, %v", ops, err)
		}
	})
}

func TestWalkerLimits(t *testing.T) {
	nested := append(bytes.Repeat([]byte{0x02, 0x40}, 10), bytes.Repeat([]byte{0x0b}, 11)...)
	for name, tc := range map[string]struct {
		limits wasmbin.Limits
		body   []byte
	}{
		"nesting":      {wasmbin.Limits{Nesting: 10}, nested},
		"branches":     {wasmbin.Limits{BranchTargets: 2}, []byte{0x0e, 3, 0, 0, 0, 0, 0x0b}},
		"local blocks": {wasmbin.Limits{LocalBlocks: 99}, nested},
	} {
		t.Run(name, func(t *testing.T) {
			for _, lim := range []wasmbin.Limits{tc.limits, {}} {
				w := wasmbin.NewWalker(&wasmbin.Code{Body: tc.body}, 10, wasmbin.Settings{Limits: lim})
				var in wasmbin.Instr
				for w.Next(&in) {
				}
				if limited := host.CodeOf(w.Err()) == abi.CodeLimit; limited != (lim == tc.limits) {
					t.Errorf("limits %+v: got %v", lim, w.Err())
				}
			}
		})
	}
}

// FuzzDecode holds that nothing panics, that a module written anew is the same module, and that what
// is allocated stays within a multiple of what was sent.
func FuzzDecode(f *testing.F) {
	n := 0
	corpus(f, func(_ string, data []byte) {
		if n++; n%60 == 0 && len(data) < 4096 {
			f.Add(data)
		}
	})
	f.Add(function(1, 10, 0x7f, 0x0b))
	set := wasmbin.Settings{Features: wasmbin.AllFeatures}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := wasmbin.Decode(data, set)
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(64<<10+200*len(data)); got > most {
			t.Errorf("%d bytes of module took %d bytes of memory", len(data), got)
		}
		if err != nil {
			if code := host.CodeOf(err); code != abi.CodeContract && code != abi.CodeLimit {
				t.Fatalf("code %q: %v", code, err)
			}
			return
		}
		for i := range m.Codes {
			if _, err := walk(m.Codes[i].Body, set); err == nil {
				m.FuncName(uint32(i))
			}
		}
		out := m.Append(nil)
		again, err := wasmbin.Decode(out, set)
		if err != nil {
			t.Fatalf("written anew it is refused: %v", err)
		}
		if !bytes.Equal(again.Append(nil), out) {
			t.Error("written twice it changes")
		}
	})
}
