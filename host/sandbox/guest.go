// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

const opCall = "sandbox.Call"

// closeGrace is how long Close waits for the calls it has interrupted.
const closeGrace = 2 * time.Second

// guestSpec is what a guest is made of.
type guestSpec struct {
	name, digest string
	limits       host.Limits
	isolation    host.Isolation
	code         *code
}

// guest is one loaded module with its limits and its instances.
type guest struct {
	guestSpec
	engine *Engine
	pool   pool
	origin origin

	calls, traps atomic.Int64
	fuel         atomic.Uint64
	// resetBytes counts what resets have copied.
	resetBytes, resets, mismatches atomic.Int64
}

var _ host.Guest = (*guest)(nil)

func newGuest(e *Engine, spec guestSpec) *guest {
	g := &guest{guestSpec: spec, engine: e}
	g.origin.init()
	g.pool.init(g, spec.limits.Concurrency, e.cfg.MaxInstances)
	return g
}

// Call implements host.Guest.
func (g *guest) Call(ctx context.Context, c *host.GuestCall) (host.Output, host.Usage, error) {
	lim := g.limits
	if c.Limits != (host.Limits{}) {
		lim = runner.FillLimits(c.Limits, g.limits)
	}
	if err := g.checkCall(c, &lim); err != nil {
		return host.Output{}, host.Usage{}, err
	}
	in, err := g.pool.acquire(ctx, c.Tenant)
	if err != nil {
		return host.Output{}, host.Usage{}, err
	}
	g.calls.Add(1)
	out, err := in.call(ctx, &task{entry: c.Entry, arg: uint64(uint32(c.Index)), input: c.Input, room: c.Room, border: c.Border, limits: lim})
	usage := host.Usage{Wall: time.Since(in.began), Fuel: in.fuel, PeakBytes: in.mem.size, Ops: in.ops}
	g.fuel.Add(in.fuel)
	if err != nil && host.CodeOf(err) == abi.CodeTrap {
		g.traps.Add(1)
		g.engine.log.Warn("plugin crashed", "plugin", g.name, "digest", g.digest, "error", err, "cause", errors.Unwrap(err))
	}
	in.idleSince = in.began.Add(usage.Wall)
	g.pool.release(in, in.reusable(err) && in.clean())
	return out, usage, err
}

func (g *guest) checkCall(c *host.GuestCall, lim *host.Limits) error {
	switch n := int64(len(c.Input)); {
	case c.Entry < host.EntryTool || c.Entry > host.EntryComplete:
		return host.Errorf(opCall, abi.CodeInternal, "entry %d is unknown", c.Entry)
	case c.Border == nil:
		return host.Errorf(opCall, abi.CodeInternal, "a call needs a border")
	case !lim.TakesInput(len(c.Input)):
		return g.overLimit("input", runner.Size(lim.InputBytes), "the arguments have "+runner.Size(n))
	case n > lim.MemoryBytes:
		return g.overLimit("memory", runner.Size(lim.MemoryBytes), "the arguments have "+runner.Size(n)+", more than the plugin's memory may hold")
	}
	return nil
}

// describe asks an instance for the manifest. The instance stays for the first call.
func (g *guest) describe(ctx context.Context) ([]byte, error) {
	in, err := g.pool.acquire(ctx, "")
	if err != nil {
		return nil, err
	}
	lim := g.limits
	lim.Wall, lim.Fuel, lim.OutputBytes = g.engine.cfg.InitTimeout, 0, abi.MaxManifestBytes
	out, err := in.call(ctx, &task{entry: entryDescribe, limits: lim})
	if err == nil && out.Kind != 0 {
		err = contractf("%s returned %d; it returns 0 when the manifest is its output", abi.ExportDescribe, out.Kind)
	}
	var told *abi.Error
	if errors.As(err, &told) {
		err = contractf("%s failed: %w", abi.ExportDescribe, told)
	}
	in.fresh, in.idleSince = err == nil, time.Now()
	g.pool.release(in, in.fresh && in.clean())
	return out.Data, err
}

// Close implements host.Guest. Calls that still run when ctx is over are interrupted; where one
// does not end within closeGrace, the error says so, and what it holds is freed when it does.
func (g *guest) Close(ctx context.Context) error {
	first, done := g.pool.shut()
	if !first {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return host.E("sandbox.Close", host.CodeOf(ctx.Err()), ctx.Err())
		}
	}
	err := g.pool.drain(ctx)
	if err == nil {
		err = g.origin.release()
	}
	g.engine.forget(g)
	g.code.release()
	close(done)
	return err
}

// OldestIdle implements runner.Idler.
func (g *guest) OldestIdle() (time.Time, bool) { return g.pool.oldestIdle() }

// CloseIdle implements runner.Idler.
func (g *guest) CloseIdle(until time.Time) { g.pool.closeIdle(until) }
