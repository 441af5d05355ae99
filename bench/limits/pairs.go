// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing/fstest"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/fair"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/metrics"
	"github.com/gantryhost/gantry/host/quota"
	"github.com/gantryhost/gantry/host/runner"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/registry"
)

// plenty is a limit that is counted and never met.
const plenty = 1 << 50

// manyOps is how many operations the guest of the row about operations asks for, how many events that
// of the row about events emits, and how many comparisons make one measurement.
const manyOps = 1000

// inputSchema is of the tool whose arguments are checked.
const inputSchema = `{"type":"object","properties":{"text":{"type":"string","maxLength":4096},"times":{"type":"integer","minimum":1}},` +
	`"required":["text"],"additionalProperties":false}`

// bench holds the parts that are measured: a pipeline over guests that do nothing, with and without
// each of its companions.
type bench struct {
	state, runs *badgerstore.Store
	registry    *registry.Registry
	journal     *journal.Journal
	metrics     *metrics.Metrics
	quota       *quota.Service
	ctx         context.Context
	input       json.RawMessage
	loops       *loops
}

func open() (b *bench, err error) {
	b = &bench{ctx: host.WithPrincipal(context.Background(), &host.Principal{
		Tenant: "acme", User: "ann", Kind: host.KindOrg, Scopes: []host.Scope{host.ScopeWriteTools}, CredentialID: "k_1",
	})}
	b.input = json.RawMessage(`{"text":"` + string(bytes.Repeat([]byte("x"), 1000)) + `","times":3}`)
	silent := slog.New(slog.DiscardHandler)
	var errs [7]error
	b.state, errs[0] = badgerstore.Open(badgerstore.Config{InMemory: true})
	b.runs, errs[1] = badgerstore.Open(badgerstore.Config{InMemory: true})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	b.journal, errs[2] = journal.New(journal.Config{Store: b.runs})
	b.metrics, errs[3] = metrics.New(metrics.Config{Version: "bench"})
	b.quota, errs[4] = quota.New(quota.Config{Store: b.state, Defaults: quota.Limits{
		CallsPerMinute: plenty, CallsPerDay: plenty, FuelPerDay: plenty,
	}})
	b.registry, errs[5] = registry.Open(registry.Config{Embedded: modules(), Loader: loader{}, Logger: silent})
	b.loops, errs[6] = openLoops()
	return b, errors.Join(errs[:]...)
}

func (b *bench) close() {
	ctx := context.Background()
	for _, err := range []error{
		b.loops.close(ctx), b.registry.Close(ctx), b.quota.Close(ctx), b.journal.Close(ctx), b.runs.Close(), b.state.Close(),
	} {
		if err != nil {
			fmt.Println("closing:", err)
		}
	}
}

func modules() fstest.MapFS {
	files := fstest.MapFS{}
	for _, name := range []string{"plain", "checked", "asking", "telling"} {
		files[name+".wasm"] = &fstest.MapFile{Data: []byte("\x00asm\x01\x00\x00\x00" + name)}
	}
	return files
}

// loader makes guests that answer at once.
type loader struct{}

// Load implements registry.Loader.
func (loader) Load(_ context.Context, a *registry.Artifact) (host.Guest, *abi.Manifest, error) {
	m := &abi.Manifest{ABI: abi.Version, Name: a.Name, Tools: []abi.Tool{{Name: a.Name}}}
	if a.Name == "checked" {
		m.Tools[0].InputSchema = json.RawMessage(inputSchema)
	}
	return nothing{asks: a.Name == "asking", tells: a.Name == "telling"}, m, m.Validate()
}

// nothing is a guest that answers at once, or after many operations or events.
type nothing struct{ asks, tells bool }

// Call implements host.Guest.
func (n nothing) Call(ctx context.Context, c *host.GuestCall) (host.Output, host.Usage, error) {
	if n.asks {
		for range manyOps {
			if _, err := c.Border.Op(ctx, "none", nil); err != nil {
				return host.Output{}, host.Usage{}, err
			}
		}
	}
	if n.tells {
		for range manyOps {
			if err := c.Border.Emit(ctx, abi.EventPartial, answer); err != nil {
				return host.Output{}, host.Usage{}, err
			}
		}
	}
	return host.Output{Kind: abi.OutputText, Data: answer}, host.Usage{Wall: time.Microsecond, Fuel: 1000}, nil
}

// Close implements host.Guest.
func (nothing) Close(context.Context) error { return nil }

var answer = []byte("ok")

func noOp(context.Context, *host.CallInfo, []byte) ([]byte, error) { return answer, nil }

// call is one call of a tool through a pipeline of its own.
func (b *bench) call(tool string, change func(*invoke.Config)) func() error {
	c := invoke.Config{Catalog: b.registry, Runs: b.runs, SealKey: make([]byte, 32), Ops: host.Ops{"none": noOp}}
	if change != nil {
		change(&c)
	}
	p, err := invoke.New(c)
	r := invoke.Request{Tool: tool, Input: b.input, Surface: "mcp"}
	return func() error {
		if err != nil {
			return err
		}
		_, err := p.Call(b.ctx, r, nil)
		return err
	}
}

// hearing counts what the pipeline tells of calls, as the host's metrics do.
type hearing struct{ *metrics.Metrics }

// Record implements invoke.Journal.
func (h hearing) Record(e journal.Entry) {
	h.Call(&metrics.Call{Tenant: e.Tenant, Plugin: e.Plugin, Tool: e.Tool, Kind: e.Kind, Surface: e.Surface, Code: e.Code,
		Wall: time.Duration(e.WallMicros) * time.Microsecond, Fuel: e.Fuel})
}

// deaf hears of calls and does nothing.
type deaf struct{}

// Record implements invoke.Journal.
func (deaf) Record(journal.Entry) {}

func noEvent(context.Context, abi.EventKind, []byte) error { return nil }

// sizes looks at the sizes of many calls and, where it checks, holds them against their limits.
func (b *bench) sizes(check bool) func() error {
	lim := host.Limits{InputBytes: 4 << 20, OutputBytes: 8 << 20}
	calls := [8]struct{ in, out int }{}
	for i := range calls {
		calls[i].in, calls[i].out = len(b.input)+i, len(answer)+i
	}
	return func() error {
		all := 0
		for i := range manyOps {
			c := &calls[i%len(calls)]
			if check && (!lim.TakesInput(c.in) || !lim.TakesOutput(c.out)) {
				return errors.New("a call is over its limits")
			}
			all += c.in + c.out
		}
		if all == 0 {
			return errors.New("no call has a size")
		}
		return nil
	}
}

func nothingAtAll() error { return nil }

func (b *bench) pairs() []pair {
	gate, budget := fair.New(64), runner.Budget{Limit: 2 << 30}
	check, err := schema.Compile([]byte(inputSchema))
	now := time.Now()
	return []pair{
		{row: "interruption, the time limit and fuel: one turn of a tight loop", with: b.loops.metered(0), without: b.loops.bare(), per: loopTurns},
		{row: "the same with a limit of fuel", with: b.loops.metered(plenty), without: b.loops.metered(0), per: loopTurns},
		{row: "schema: 1 KB of arguments", without: nothingAtAll, with: func() error {
			if err != nil {
				return err
			}
			return check.Check(b.input)
		}},
		{row: "schema: the same in a call, against a schema that allows all", with: b.call("checked", nil), without: b.call("plain", nil)},
		{row: "ops: counting and dispatching one operation", with: b.call("asking", nil), per: manyOps, without: func() error {
			for range manyOps {
				if _, err := noOp(b.ctx, nil, nil); err != nil {
					return err
				}
			}
			return nil
		}},
		{row: "events: counting, measuring and passing on one", with: b.call("telling", nil), per: manyOps, without: func() error {
			for range manyOps {
				if err := noEvent(b.ctx, abi.EventPartial, answer); err != nil {
					return err
				}
			}
			return nil
		}},
		{row: "input and output: comparing the two sizes of a call", with: b.sizes(true), without: b.sizes(false), per: manyOps},
		{row: "memory: taking a growth from the budget and giving it back", without: nothingAtAll, with: func() error {
			if !budget.Take(runner.PageBytes) {
				return errors.New("the budget is used up")
			}
			budget.Give(runner.PageBytes)
			return nil
		}},
		{row: "log: one line of a plugin's", without: nothingAtAll, with: func() error {
			if _, line := runner.Line(1, abi.LogInfo, b.input[:100]); len(line) != 100 {
				return errors.New("the line was cut")
			}
			return nil
		}},
		{row: "journal: one call", with: b.call("plain", func(c *invoke.Config) { c.Journal = b.journal }), without: b.call("plain", nil)},
		{row: "metrics: one call", with: b.call("plain", func(c *invoke.Config) { c.Journal = hearing{b.metrics} }),
			without: b.call("plain", func(c *invoke.Config) { c.Journal = deaf{} }), most: 300 * time.Nanosecond},
		{row: "quota: one call", with: b.call("plain", func(c *invoke.Config) { c.Quota = b.quota }),
			without: b.call("plain", nil), most: 300 * time.Nanosecond},
		{row: "quota: reserve and settle alone", without: nothingAtAll, most: 300 * time.Nanosecond, with: func() error {
			_, err := b.quota.Reserve(b.ctx, "acme", now, 1)
			b.quota.Settle("acme", now, 1000)
			return err
		}},
		{row: "turns: a free place of a plugin's pool", without: nothingAtAll, with: func() error {
			err := gate.Acquire(b.ctx, "acme")
			gate.Release()
			return err
		}},
	}
}
