// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/runner"
	"github.com/gantryhost/gantry/host/wasmbin"
)

const pageBytes = runner.PageBytes

const opLoad = "sandbox.Load"

// signature is a function's type; its values are the bytes of the binary format.
type signature struct{ params, results string }

const i32, i64 = "\x7f", "\x7e"

func (s signature) String() string {
	return fmt.Sprintf("(%s) -> (%s)", valueNames(s.params), valueNames(s.results))
}

func valueNames(values string) string {
	var out []string
	for _, v := range []byte(values) {
		out = append(out, wasmbin.ValType(v).String())
	}
	return strings.Join(out, ", ")
}

// signatureFrom writes a function's type as its bytes. Types that take more than one are of proposals
// that are not accepted.
func signatureFrom(t wasmbin.FuncType) signature {
	values := func(vs []wasmbin.ValType) string {
		var out []byte
		for _, v := range vs {
			out = append(out, byte(v))
		}
		return string(out)
	}
	return signature{params: values(t.Params), results: values(t.Results)}
}

// shape is what a module imports, exports and has.
type shape struct {
	module  *wasmbin.Module
	exports map[string]wasmbin.Export
}

// admit reads the module and holds it against the bounds and the contract. Known says what the host
// offers: the signatures by module and name. Code is looked at when it is prepared.
func admit(wasm []byte, known map[string]map[string]signature, bounds wasmbin.Limits) (*shape, error) {
	m, err := wasmbin.Decode(wasm, wasmbin.Settings{Limits: bounds})
	if err != nil {
		return nil, hinted(err)
	}
	s := &shape{module: m, exports: map[string]wasmbin.Export{}}
	for _, ex := range m.Exports {
		s.exports[ex.Name] = ex
	}
	if err := meter.CheckNames(m); err != nil {
		return nil, err
	}
	if err := s.checkImports(known); err != nil {
		return nil, err
	}
	if len(m.Memories) != 1 {
		return nil, contractf("the module has %d memories; a plugin has one of its own", len(m.Memories))
	}
	return s, s.checkExports()
}

// hinted tells the operator which setting a module has met, where there is one.
func hinted(err error) error {
	var e *host.Error
	if !errors.As(err, &e) || e.Code != abi.CodeLimit {
		return err
	}
	var met wasmbin.LimitDetails
	if json.Unmarshal(e.Details, &met) != nil {
		return err
	}
	flag := map[string]string{
		"FileBytes": "--max-module", "Functions": "--max-functions", "BodyBytes": "--max-body", "Locals": "--max-locals",
		"Nesting": "--max-nesting", "Tables": "--max-tables", "TableEntries": "--max-table-entries",
	}[met.Limit]
	if flag == "" {
		return err
	}
	return e.WithHint("where the plugin is trusted, the operator can serve with a higher %s", flag)
}

func (s *shape) checkImports(known map[string]map[string]signature) error {
	for _, im := range s.module.Imports {
		at := im.Module + "." + im.Name
		functions, ok := known[im.Module]
		switch {
		case im.Module == "extism:host/env" || im.Module == "extism:host/user":
			return contractf("the module was built with an Extism PDK (it imports %s); build it with Gantry's pdk", at)
		case !ok:
			return contractf("the module imports %s; this host offers only the modules %s and wasi_snapshot_preview1", at, abi.Module)
		case im.Kind != wasmbin.ExternFunc:
			return contractf("the module imports %s, which is not a function; a plugin brings its own memory, tables and globals", at)
		}
		want, ok := functions[im.Name]
		if !ok {
			return contractf("the module imports %s, which this host does not offer; it may be built for a newer host", at)
		}
		t, ok := s.module.Type(im.Index)
		if got := signatureFrom(t); !ok || got != want {
			return contractf("the module imports %s as %s; it is %s", at, got, want)
		}
	}
	return nil
}

// entrySignatures are the exports the contract knows.
func entrySignatures() map[string]signature {
	return map[string]signature{
		abi.ExportDescribe: {"", i32},
		abi.ExportCall:     {i32, i32},
		abi.ExportPrompt:   {i32, i32},
		abi.ExportRead:     {i32, i32},
		abi.ExportComplete: {"", i32},
		exportInitialize:   {"", ""},
	}
}

const (
	exportMemory     = "memory"
	exportInitialize = "_initialize"
)

func (s *shape) checkExports() error {
	if ex, ok := s.exports[exportMemory]; !ok || ex.Kind != wasmbin.ExternMemory {
		return contractf("the module does not export its memory under the name %q", exportMemory)
	}
	for name, want := range entrySignatures() {
		ex, ok := s.exports[name]
		if !ok {
			continue
		}
		t, found := s.module.FuncType(ex.Index)
		if got := signatureFrom(t); ex.Kind != wasmbin.ExternFunc || !found || got != want {
			return contractf("the module exports %s as %s; the contract says %s", name, got, want)
		}
	}
	_, describes := s.exports[abi.ExportDescribe]
	_, command := s.exports["_start"]
	switch {
	case !describes && command:
		return contractf("the module is a command (it exports _start and not %s); build it as a library: go build -buildmode=c-shared, or clang -mexec-model=reactor", abi.ExportDescribe)
	case !describes:
		return contractf("the module does not export %s; a plugin is built with Gantry's pdk, or exports it itself", abi.ExportDescribe)
	}
	return nil
}

// fits checks that the module exports what its manifest promises.
func (s *shape) fits(m *abi.Manifest) error {
	for _, need := range []struct {
		has    bool
		what   string
		export string
	}{
		{len(m.Tools) > 0, "tools", abi.ExportCall},
		{len(m.Prompts) > 0, "prompts", abi.ExportPrompt},
		{len(m.Resources)+len(m.Templates) > 0, "resources", abi.ExportRead},
		{m.Completes, "completion", abi.ExportComplete},
	} {
		if _, ok := s.exports[need.export]; need.has && !ok {
			return contractf("the manifest promises %s and the module does not export %s", need.what, need.export)
		}
	}
	return nil
}

// checkMemory checks that a module can be instantiated within so many bytes.
func (s *shape) checkMemory(name string, limit int64) error {
	if least := uint64(s.module.Memories[0].Min) * pageBytes; least > uint64(limit) {
		return host.Errorf(opLoad, abi.CodeLimit, "the module asks for %s of memory at its start and the limit is %s", runner.Size(int64(least)), runner.Size(limit)).
			WithHint("raise limits: memory: in %s.yaml", name)
	}
	return nil
}

func contractf(format string, args ...any) *host.Error {
	return host.Errorf(opLoad, abi.CodeContract, format, args...)
}
