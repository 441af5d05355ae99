// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
)

// The files of a specification test, as wast2json writes them.
type (
	specFile struct {
		Commands []specCommand `json:"commands"`
	}
	specCommand struct {
		Type       string     `json:"type"`
		Line       int        `json:"line"`
		Name       string     `json:"name"`
		Filename   string     `json:"filename"`
		As         string     `json:"as"`
		ModuleType string     `json:"module_type"`
		Action     specAction `json:"action"`
	}
	specAction struct {
		Type   string      `json:"type"`
		Field  string      `json:"field"`
		Module string      `json:"module"`
		Args   []specValue `json:"args"`
	}
	specValue struct {
		Type  string          `json:"type"`
		Lane  string          `json:"lane_type"`
		Value json.RawMessage `json:"value"`
	}
)

// bits are an argument as the runtime takes it.
func (v specValue) bits() []uint64 {
	if v.Type == "v128" {
		var lanes []string
		if json.Unmarshal(v.Value, &lanes) != nil || len(lanes) == 0 {
			return []uint64{0, 0}
		}
		width := 128 / len(lanes)
		var out [2]uint64
		for i, lane := range lanes {
			out[i*width/64] |= number(lane, width) << (i * width % 64)
		}
		return out[:]
	}
	var text string
	if json.Unmarshal(v.Value, &text) != nil || text == "null" {
		return []uint64{0}
	}
	switch v.Type {
	case "externref":
		return []uint64{number(text, 64) + 1}
	case "i32", "f32":
		return []uint64{number(text, 32)}
	}
	return []uint64{number(text, 64)}
}

func number(text string, width int) uint64 {
	if v, err := strconv.ParseInt(text, 10, 64); err == nil && v < 0 {
		return uint64(v) & (math.MaxUint64 >> (64 - width))
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return math.Float64bits(math.NaN())
	}
	return v
}

// side is one of the two ways a specification file is run.
type side struct {
	runtime wazero.Runtime
	change  func([]byte) ([]byte, error)
	modules map[string]api.Module
	last    api.Module
}

func (s *side) load(data []byte, name string) (api.Module, error) {
	data, err := s.change(data)
	if err != nil {
		return nil, err
	}
	return s.runtime.InstantiateWithConfig(context.Background(), data, wazero.NewModuleConfig().WithName(name))
}

// outcome is what a command did, as a text that is the same both ways.
func (s *side) outcome(a *specAction) string {
	m := s.last
	if a.Module != "" {
		m = s.modules[a.Module]
	}
	if m == nil {
		return "no module"
	}
	if a.Type == "get" {
		return fmt.Sprint(m.ExportedGlobal(a.Field).Get())
	}
	f := m.ExportedFunction(a.Field)
	if f == nil {
		return "no function"
	}
	var args []uint64
	for _, v := range a.Args {
		args = append(args, v.bits()...)
	}
	results, err := f.Call(context.Background(), args...)
	if err != nil {
		text, trace, _ := strings.Cut(err.Error(), "\n")
		if strings.Contains(text, "stack overflow") || strings.Contains(text, "uncaught exception") {
			return text
		}
		return text + "\n" + trace
	}
	return values(f.Definition().ResultTypes(), results)
}

// values are results without what may differ between two runs: the payload of a NaN and the address
// of a function.
func values(types []api.ValueType, results []uint64) string {
	var out []string
	for _, t := range types {
		v := results[0]
		results = results[1:]
		switch {
		case t == api.ValueTypeF32 && math.IsNaN(float64(math.Float32frombits(uint32(v)))),
			t == api.ValueTypeF64 && math.IsNaN(math.Float64frombits(v)):
			out = append(out, "nan")
		case t == 0x7b:
			out = append(out, fmt.Sprint(v, results[0]))
			results = results[1:]
		case t == api.ValueTypeI32, t == api.ValueTypeI64, t == api.ValueTypeF32, t == api.ValueTypeF64, t == api.ValueTypeExternref:
			out = append(out, fmt.Sprint(v))
		default:
			out = append(out, fmt.Sprint(v != 0))
		}
	}
	return strings.Join(out, " ")
}

// tally is what a specification run came to.
type tally struct{ same, different, skipped, refused int }

// TestSpecificationRunsTheSame runs the specification's own tests, as the runtime ships them, plain
// and rewritten beside each other: every result, trap and stack trace has to be the same.
func TestSpecificationRunsTheSame(t *testing.T) {
	dir, err := runtimeDir()
	if err != nil {
		t.Fatal(err)
	}
	var sum tally
	for _, suite := range []string{"v1", "v2", "extended-const", "tail-call", "exception-handling", "typed-function-references", "threads"} {
		t.Run(suite, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(dir, "internal/integration_test/spectest", suite, "testdata/*.json"))
			if err != nil || len(files) == 0 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			var n tally
			for i := 0; i < len(files); i += sampling {
				n.run(t, files[i])
			}
			t.Logf("%d commands the same, %d different, %d skipped, %d modules refused", n.same, n.different, n.skipped, n.refused)
			sum.same += n.same
			sum.refused += n.refused
		})
	}
	if sum.same < 60_000/sampling/3 {
		t.Errorf("only %d commands ran both ways", sum.same)
	}
}

func (n *tally) run(t *testing.T, path string) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file specFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	ctx := context.Background()
	plain := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features))
	defer func() {
		if err := plain.Close(ctx); err != nil {
			t.Error(err)
		}
	}()
	sides := [2]*side{
		{runtime: plain, change: func(b []byte) ([]byte, error) { return b, nil }, modules: map[string]api.Module{}},
		{runtime: newMachine(t, ctx), modules: map[string]api.Module{}, change: func(b []byte) ([]byte, error) {
			out, _, err := rewrite(b, everything)
			return out, err
		}},
	}
	spectest, err := os.ReadFile(filepath.Join(filepath.Dir(path), "../../testdata/spectest.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sides {
		if _, err := s.load(spectest, "spectest"); err != nil {
			t.Fatal(err)
		}
	}
	for i := range file.Commands {
		n.command(t, path, file.Commands, i, sides)
	}
}

func (n *tally) command(t *testing.T, path string, all []specCommand, i int, sides [2]*side) {
	c := &all[i]
	at := fmt.Sprintf("%s:%d %s %s", filepath.Base(path), c.Line, c.Type, c.Action.Field)
	switch c.Type {
	case "module", "assert_uninstantiable", "assert_unlinkable":
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), c.Filename))
		if err != nil {
			n.skipped++
			return
		}
		name := ""
		if i+1 < len(all) && all[i+1].Type == "register" {
			name = all[i+1].As
		}
		var errs [2]error
		for j, s := range sides {
			var m api.Module
			m, errs[j] = s.load(data, name)
			if c.Type == "module" {
				s.last, s.modules[c.Name] = m, m
			}
		}
		if errs[0] == nil && errs[1] != nil {
			n.refused++
			t.Logf("%s: %v", at, errs[1])
		}
	case "assert_return", "action", "assert_trap", "assert_exhaustion", "assert_exception":
		want := sides[0].outcome(&c.Action)
		if sides[1].last == nil {
			n.skipped++
			return
		}
		if got := sides[1].outcome(&c.Action); got != want {
			n.different++
			t.Errorf("%s: rewritten %s; plain %s", at, got, want)
			return
		}
		n.same++
	default:
		n.skipped++
	}
}
