// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a module. They stop modules that are cheap to send and dear to compile or to
// instantiate; no compiler's output comes near them.
const (
	maxModuleBytes   = 50 << 20
	maxTypes         = 20_000
	maxImports       = 1_000
	maxFunctions     = 100_000
	maxExports       = 10_000
	maxTables        = 16
	maxTableEntries  = 100_000
	maxBodyBytes     = 1 << 20
	maxLocals        = 10_000
	maxSegments      = 100_000
	maxSignatureVals = 1_000
	pageBytes        = 64 << 10
)

const opLoad = "sandbox.Load"

// signature is a function's type; its values are the bytes of the binary format.
type signature struct{ params, results string }

const i32, i64 = "\x7f", "\x7e"

func (s signature) String() string {
	return fmt.Sprintf("(%s) -> (%s)", valueNames(s.params), valueNames(s.results))
}

func valueNames(values string) string {
	names := map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128", 0x70: "funcref", 0x6f: "externref"}
	var out []byte
	for i := range len(values) {
		if i > 0 {
			out = append(out, ", "...)
		}
		out = append(out, names[values[i]]...)
	}
	return string(out)
}

// importKind is what a module imports or exports, as the binary format numbers it.
type importKind byte

const (
	kindFunc   importKind = 0
	kindMemory importKind = 2
)

type imported struct {
	module, name string
	kind         importKind
	typ          uint32
}

type exported struct {
	kind  importKind
	index uint32
}

// limits are those of a table or memory.
type limits struct {
	min, max uint64
	hasMax   bool
}

// section is one section as it lies in the file: from start to end, its payload from body.
type section struct {
	id               byte
	start, body, end int
}

// shape is what admission read of a module: everything but code and data.
type shape struct {
	sections []section
	types    []signature
	imports  []imported
	funcs    []uint32
	tables   []limits
	memories []limits
	exports  map[string]exported
}

// signatureOf returns the type of the function with the index, imported ones counted first.
func (s *shape) signatureOf(index uint32) (signature, bool) {
	n := uint32(0)
	for _, im := range s.imports {
		if im.kind != kindFunc {
			continue
		}
		if n == index {
			return s.typeAt(im.typ)
		}
		n++
	}
	if int(index-n) >= len(s.funcs) {
		return signature{}, false
	}
	return s.typeAt(s.funcs[index-n])
}

func (s *shape) typeAt(i uint32) (signature, bool) {
	if int(i) >= len(s.types) {
		return signature{}, false
	}
	return s.types[i], true
}

// admit reads the module's sections and holds them against the bounds and the contract. Known says
// what the host offers: the signatures by module and name.
func admit(wasm []byte, known map[string]map[string]signature) (*shape, error) {
	if len(wasm) > maxModuleBytes {
		return nil, host.Errorf(opLoad, abi.CodeLimit, "the module is %d bytes long; at most %d are allowed", len(wasm), maxModuleBytes)
	}
	if !bytes.HasPrefix(wasm, []byte("\x00asm\x01\x00\x00\x00")) {
		if bytes.HasPrefix(wasm, []byte("\x00asm\x0d\x00\x01\x00")) {
			return nil, contractf("the file is a Wasm component; this host takes core modules: build for wasip1")
		}
		return nil, contractf("the file is not a Wasm module: it does not begin with the magic number and version 1")
	}
	s, err := parse(wasm)
	if err != nil {
		return nil, err
	}
	if err := s.checkImports(known); err != nil {
		return nil, err
	}
	return s, s.checkExports()
}

func (s *shape) checkImports(known map[string]map[string]signature) error {
	for _, im := range s.imports {
		at := im.module + "." + im.name
		functions, ok := known[im.module]
		switch {
		case im.module == "extism:host/env" || im.module == "extism:host/user":
			return contractf("the module was built with an Extism PDK (it imports %s); build it with Gantry's pdk", at)
		case !ok:
			return contractf("the module imports %s; this host offers only the modules %s and wasi_snapshot_preview1", at, abi.Module)
		case im.kind != kindFunc:
			return contractf("the module imports %s, which is not a function; a plugin brings its own memory, tables and globals", at)
		}
		want, ok := functions[im.name]
		if !ok {
			return contractf("the module imports %s, which this host does not offer; it may be built for a newer host", at)
		}
		if got, ok := s.typeAt(im.typ); !ok || got != want {
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
	if ex, ok := s.exports[exportMemory]; !ok || ex.kind != kindMemory {
		return contractf("the module does not export its memory under the name %q", exportMemory)
	}
	for name, want := range entrySignatures() {
		ex, ok := s.exports[name]
		if !ok {
			continue
		}
		if got, found := s.signatureOf(ex.index); ex.kind != kindFunc || !found || got != want {
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
	if least := s.memories[0].min * pageBytes; least > uint64(limit) {
		return host.Errorf(opLoad, abi.CodeLimit, "the module asks for %s of memory at its start and the limit is %s", size(int64(least)), size(limit)).
			WithHint("raise limits: memory: in %s.yaml", name)
	}
	return nil
}

func contractf(format string, args ...any) *host.Error {
	return host.Errorf(opLoad, abi.CodeContract, format, args...)
}

func parse(wasm []byte) (*shape, error) {
	s := &shape{exports: map[string]exported{}}
	r := &reader{data: wasm, at: 8, end: len(wasm)}
	last := 0
	for r.at < r.end && r.err == nil {
		sec := section{id: wasm[r.at], start: r.at}
		r.at++
		n := int(r.u32("a section's size"))
		sec.body, sec.end = r.at, r.at+n
		if r.err == nil && (n > r.end-r.at) {
			r.fail("a section reaches past the end of the file")
		}
		if r.err != nil {
			break
		}
		if order := slices.Index([]byte{1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11}, sec.id) + 1; sec.id != 0 {
			if order <= last {
				return nil, contractf("the module is malformed: section %d is unknown, out of order or there twice", sec.id)
			}
			last = order
		}
		s.sections = append(s.sections, sec)
		in := &reader{data: wasm, at: sec.body, end: sec.end}
		s.parseSection(sec.id, in)
		r.err, r.at = in.err, sec.end
	}
	if r.err != nil {
		return nil, r.err
	}
	return s, s.checkCounts()
}

func (s *shape) checkCounts() error {
	switch {
	case len(s.memories) != 1:
		return contractf("the module has %d memories; a plugin has one of its own", len(s.memories))
	case len(s.tables) > maxTables:
		return host.Errorf(opLoad, abi.CodeLimit, "the module has %d tables; at most %d are allowed", len(s.tables), maxTables)
	}
	for i, t := range s.tables {
		if t.min > maxTableEntries {
			return host.Errorf(opLoad, abi.CodeLimit, "table %d of the module has %d entries; at most %d are allowed", i, t.min, maxTableEntries)
		}
	}
	return nil
}

func (s *shape) parseSection(id byte, r *reader) {
	switch id {
	case 1:
		for range r.count("types", maxTypes) {
			s.types = append(s.types, r.signature())
		}
	case 2:
		for range r.count("imports", maxImports) {
			s.imports = append(s.imports, r.imported())
		}
	case 3:
		for range r.count("functions", maxFunctions) {
			s.funcs = append(s.funcs, r.u32("a function's type"))
		}
	case 4:
		for range r.count("tables", maxTables) {
			r.byte("a table's type")
			s.tables = append(s.tables, r.limits())
		}
	case 5:
		for range r.count("memories", 1) {
			s.memories = append(s.memories, r.limits())
		}
	case 7:
		for range r.count("exports", maxExports) {
			name := r.name()
			s.exports[name] = exported{kind: importKind(r.byte("an export's kind")), index: r.u32("an export's index")}
		}
	case 10:
		for range r.count("function bodies", maxFunctions) {
			r.body()
		}
	case 9, 11:
		r.count("segments", maxSegments)
	}
}
