// Copyright 2026 The Gantry Authors.

package meter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

const op = "meter.Rewrite"

// The names a rewritten module has beside its own. A module that uses them itself is refused.
const (
	// ImportModule and ImportTick name the import: a function from i32, what is left of the count (0 or
	// less), to i32, the next count.
	ImportModule = "gantry_meter"
	ImportTick   = "tick"
	// ExportPrefix begins every export that is added.
	ExportPrefix = "gantry_meter."
	// ExportLeft is the count, a mutable i32 global, exported with Options.Fuel.
	ExportLeft = ExportPrefix + "left"
	// ExportGlobal and a number name a mutable global of the module's own, by its index, and
	// ExportTable a table, exported with Options.ExportState.
	ExportGlobal = ExportPrefix + "global."
	ExportTable  = ExportPrefix + "table."
)

// Options say what Rewrite adds beside interruption.
type Options struct {
	// Fuel exports the count, so that the host can begin each call with a full one and read what is
	// left at its end: fuel is then exact. Without it the host learns of each tick only.
	Fuel bool
	// ExportState exports the mutable globals and the tables, to be put back between calls.
	ExportState bool
	// MaxTableEntries gives every table of the module's own a maximum, at which table.grow answers -1
	// as it does at any maximum: its memory is counted by no limit. 0 leaves tables as they are.
	MaxTableEntries uint32
	// Touch lets memory that is moved by less than a mebibyte be written, page by page and by what
	// changes nothing, before it is read. A page of an image that is read first is mapped twice, and the
	// second time every core that runs the process has to hear of it. The module is then to be compiled
	// with the threads proposal, for one of its instructions; the module's own code is as before.
	Touch bool
	// Settings bound nesting, branches and blocks in the code, and say which proposals it may use.
	Settings wasmbin.Settings
}

// Report is what Rewrite found and did.
type Report struct {
	// Functions and Loops count the places that count; Bulk the instructions that count what they move.
	Functions, Loops, Bulk int
	// Globals are the mutable globals of the module's own by index, in order. Those of references or
	// vectors, which a host cannot put back, are in Opaque too.
	Globals, Opaque []uint32
	// WritesTables says that some instruction changes a table, DropsSegments that one drops a segment:
	// state that a host cannot put back.
	WritesTables, DropsSegments bool
}

// rewriter is one run of Rewrite.
type rewriter struct {
	m      *wasmbin.Module
	opts   Options
	report Report
	// imported is how many functions were imported before; those above move up by one.
	imported uint32
	// squares is the sum of the squares of the functions' depths.
	squares int
	// left, refill, charge, copying and filling are indices in the rewritten module; the last two are
	// there where inPieces says that they are used.
	left, refill, charge, copying, filling uint32
	inPieces                               bool
}

// Rewrite returns the module as it is to be compiled. It changes m, which is of no use afterwards;
// what m was decoded from stays as it is.
//
// Errors are of CodeContract, or CodeLimit where code meets a limit, and name the function.
func Rewrite(m *wasmbin.Module, opts Options) ([]byte, Report, error) {
	if err := CheckNames(m); err != nil {
		return nil, Report{}, err
	}
	w := &rewriter{m: m, opts: opts, imported: m.ImportedFuncs()}
	names := m.Names()
	w.left = m.ImportedGlobals() + uint32(len(m.Globals))
	w.refill = w.imported + 1 + uint32(len(m.Funcs))
	w.charge, w.copying, w.filling = w.refill+1, w.refill+2, w.refill+3
	if err := w.codes(); err != nil {
		return nil, Report{}, err
	}
	if err := w.checkNamed(); err != nil {
		return nil, Report{}, err
	}
	w.state()
	w.boundTables()
	m.MapFuncs(w.moved)
	w.add()
	w.rename(names)
	return m.Append(make([]byte, 0, m.SizeHint())), w.report, nil
}

// CheckNames refuses a module that uses a name the host keeps for itself. Rewrite does so too.
func CheckNames(m *wasmbin.Module) error {
	for i := range m.Imports {
		if im := &m.Imports[i]; im.Module == ImportModule {
			return host.Errorf(op, abi.CodeContract, "the module imports %s.%.80s; the host keeps that name for itself", im.Module, im.Name)
		}
	}
	for i := range m.Exports {
		if ex := &m.Exports[i]; strings.HasPrefix(ex.Name, ExportPrefix) {
			return host.Errorf(op, abi.CodeContract, "the module exports %.80s; the host keeps names that begin with %s for itself", ex.Name, ExportPrefix)
		}
	}
	return nil
}

// checkFunc and checkGlobal refuse an index the module does not have: after the rewriting it would be
// one of those that are added.
func (w *rewriter) checkFunc(index uint32) error {
	if n := w.imported + uint32(len(w.m.Codes)); index >= n {
		return host.Errorf(op, abi.CodeContract, "the module names function %d and has %d", index, n)
	}
	return nil
}

func (w *rewriter) checkGlobal(index uint32) error {
	if index >= w.left {
		return host.Errorf(op, abi.CodeContract, "the module names global %d and has %d", index, w.left)
	}
	return nil
}

// checkNamed does so for what is named outside of code.
func (w *rewriter) checkNamed() error {
	var err error
	w.m.MapFuncs(func(index uint32) uint32 {
		err = cmp.Or(err, w.checkFunc(index))
		return index
	})
	for i := range w.m.Exports {
		if ex := &w.m.Exports[i]; ex.Kind == wasmbin.ExternGlobal {
			err = cmp.Or(err, w.checkGlobal(ex.Index))
		}
	}
	return err
}

// moved is the index a function has in the rewritten module.
func (w *rewriter) moved(index uint32) uint32 {
	if index >= w.imported {
		return index + 1
	}
	return index
}

// codes rewrites every body.
func (w *rewriter) codes() error {
	for i := range w.m.Codes {
		index := w.imported + uint32(i)
		t, ok := w.m.FuncType(index)
		if !ok {
			return host.Errorf(op, abi.CodeContract, "%s has no type", w.m.FuncName(index))
		}
		before, squares := w.report, w.squares
		b := body{rewriter: w, code: &w.m.Codes[i], params: len(t.Params)}
		out, err := b.rewrite()
		if err == errCaught {
			w.report, w.squares = before, squares
			b = body{rewriter: w, code: b.code, params: b.params, plain: true}
			out, err = b.rewrite()
		}
		if err != nil {
			return named(err, w.m.FuncName(index))
		}
		w.m.Codes[i] = out
		w.report.Functions++
	}
	return nil
}

// nested adds up how deep functions are nested.
func (w *rewriter) nested(depth int) error {
	w.squares += depth * depth
	if limit := w.opts.Settings.Limits.Filled().NestingSquares; w.squares > limit {
		return host.Errorf(op, abi.CodeLimit, "with it too many functions of the module nest blocks deep: the squares of their depths are %d together, and at most %d are allowed", w.squares, limit)
	}
	return nil
}

// named says in which function an error lies, and keeps its code and details.
func named(err error, function string) error {
	e, ok := err.(*host.Error)
	if !ok {
		return host.Errorf(op, host.CodeOf(err), "%s: %s", function, err)
	}
	out := host.Errorf(op, e.Code, "%s: %s", function, e.Message)
	out.Details = e.Details
	return out
}

// state looks at the module's mutable globals and exports what there is to put back.
func (w *rewriter) state() {
	first := w.m.ImportedGlobals()
	for i, g := range w.m.Globals {
		if !g.Mutable {
			continue
		}
		index := first + uint32(i)
		w.report.Globals = append(w.report.Globals, index)
		switch g.Type {
		case wasmbin.I32, wasmbin.I64, wasmbin.F32, wasmbin.F64:
		default:
			w.report.Opaque = append(w.report.Opaque, index)
		}
		if w.opts.ExportState {
			w.export(fmt.Sprint(ExportGlobal, index), wasmbin.ExternGlobal, index)
		}
	}
	if !w.opts.ExportState {
		return
	}
	for i := range w.m.Tables {
		index := w.m.ImportedTables() + uint32(i)
		w.export(fmt.Sprint(ExportTable, index), wasmbin.ExternTable, index)
	}
}

func (w *rewriter) export(name string, kind wasmbin.ExternKind, index uint32) {
	w.m.Exports = append(w.m.Exports, wasmbin.Export{Name: name, Kind: kind, Index: index})
}

func (w *rewriter) boundTables() {
	limit := w.opts.MaxTableEntries
	for i := range w.m.Tables {
		size := &w.m.Tables[i].Size
		if limit > 0 && (!size.HasMax || size.Max > limit) {
			size.HasMax, size.Max = true, max(limit, size.Min)
		}
	}
}

// add puts in what the checks use: the import, the count and the helpers. It comes after the
// module's own indices have moved.
func (w *rewriter) add() {
	m := w.m
	tick := w.newType([]wasmbin.ValType{wasmbin.I32}, []wasmbin.ValType{wasmbin.I32})
	refill := w.newType(nil, nil)
	charge := w.newType([]wasmbin.ValType{wasmbin.I32}, nil)
	m.Imports = append(m.Imports, wasmbin.Import{Module: ImportModule, Name: ImportTick, Kind: wasmbin.ExternFunc, Index: tick})
	m.Globals = append(m.Globals, wasmbin.Global{
		GlobalType: wasmbin.GlobalType{Type: wasmbin.I32, Mutable: true},
		Init:       wasmbin.Expr{byte(opI32Const), 0, byte(wasmbin.OpEnd)},
	})
	m.Funcs = append(m.Funcs, refill, charge)
	m.Codes = append(m.Codes, wasmbin.Code{Body: w.refillBody()}, wasmbin.Code{Body: w.chargeBody()})
	if w.inPieces {
		three := []wasmbin.ValType{wasmbin.I32, wasmbin.I32, wasmbin.I32}
		t := w.newType(three, three)
		spare := []wasmbin.Locals{{N: spares, Type: wasmbin.I32}}
		m.Funcs = append(m.Funcs, t, t)
		m.Codes = append(m.Codes, wasmbin.Code{Locals: spare, Body: w.copyBody()}, wasmbin.Code{Locals: spare, Body: w.fillBody()})
	}
	if w.opts.Fuel {
		w.export(ExportLeft, wasmbin.ExternGlobal, w.left)
	}
}

func (w *rewriter) newType(params, results []wasmbin.ValType) uint32 {
	w.m.Types = append(w.m.Types, wasmbin.FuncType{Params: params, Results: results})
	return uint32(len(w.m.Types) - 1)
}

// rename lets every function keep its name in stack traces, also one that has only a number. Other
// custom sections go: those for debuggers speak of places in the code that have moved.
func (w *rewriter) rename(n wasmbin.Names) {
	given := make(map[uint32]string, len(n.Funcs))
	for _, f := range n.Funcs {
		given[f.Index] = f.Name
	}
	own := w.refill - w.imported - 1
	out := make([]wasmbin.FuncNamed, 0, int(own)+len(n.Funcs)+5)
	for i := range w.imported {
		if name, ok := given[i]; ok {
			out = append(out, wasmbin.FuncNamed{Index: i, Name: name})
		}
	}
	out = append(out, wasmbin.FuncNamed{Index: w.imported, Name: ImportModule + "." + ImportTick})
	for i := w.imported; i < w.imported+own; i++ {
		name, ok := given[i]
		if !ok {
			name = fmt.Sprintf("$%d", i)
		}
		out = append(out, wasmbin.FuncNamed{Index: i + 1, Name: name})
	}
	out = append(out, wasmbin.FuncNamed{Index: w.refill, Name: ExportPrefix + "refill"},
		wasmbin.FuncNamed{Index: w.charge, Name: ExportPrefix + "charge"})
	if w.inPieces {
		out = append(out, wasmbin.FuncNamed{Index: w.copying, Name: ExportPrefix + "copy"},
			wasmbin.FuncNamed{Index: w.filling, Name: ExportPrefix + "fill"})
	}
	w.m.Customs = slices.Clip(w.m.Customs[:0])
	w.m.SetNames(wasmbin.Names{Module: n.Module, Funcs: out})
}
