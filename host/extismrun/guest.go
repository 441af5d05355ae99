// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// closeGrace is how long Close waits for the calls it has interrupted.
const closeGrace = 2 * time.Second

// Why a call was ended, as causes of its context.
var (
	errWall   = errors.New("the call's wall-clock limit")
	errClosed = errors.New("the plugin is being closed")
)

// Artifact is one build of a plugin with what its operator decided.
type Artifact struct {
	// Name is the plugin's name. It is the manifest's, as an Extism plugin has none of its own.
	Name string
	// Digest is "sha256:" and 64 hex digits of Wasm, and is believed.
	Digest string
	// Wasm is the module. It is not kept.
	Wasm []byte
	// Config is the operator's configuration, a JSON object or nil; see the package comment.
	Config json.RawMessage
	// Limits bound the calls; zero fields mean Config.Defaults.
	Limits host.Limits
	// Isolation is host.IsolationCall where empty.
	Isolation host.Isolation
}

func (a *Artifact) check(set *settings) error {
	if !a.Isolation.Valid() {
		return host.Errorf(opLoad, abi.CodeInvalidArg, "isolation %.40q is not one of call, tenant, shared", a.Isolation)
	}
	return errors.Join(runner.CheckLimits(opLoad, a.Limits), set.checkHash(a.Digest))
}

// guest is one loaded module with its limits and its instances.
type guest struct {
	engine    *Engine
	name      string
	set       *settings
	limits    host.Limits
	isolation host.Isolation
	forms     []form
	pool      pool

	cache    wazero.CompilationCache
	compiled *extism.CompiledPlugin

	// closing ends when running calls are to be interrupted.
	closing   context.Context
	interrupt context.CancelCauseFunc
}

var _ host.Guest = (*guest)(nil)

// Load proves a module and makes a guest of it: it is parsed and bounded, rewritten, compiled,
// instantiated once under InitTimeout and, where it describes its tools itself, asked for them.
//
// Errors are of CodeInvalidArg where the operator's settings are at fault, of CodeContract or
// CodeLimit where the module is, and CodeTrap where it crashed while it started.
func (e *Engine) Load(ctx context.Context, a Artifact) (host.Guest, *abi.Manifest, error) {
	set, err := parseSettings(a.Config)
	if err != nil {
		return nil, nil, err
	}
	if err := a.check(set); err != nil {
		return nil, nil, err
	}
	p, err := prepare(a.Wasm)
	if err != nil {
		return nil, nil, err
	}
	g := &guest{
		engine: e, name: a.Name, set: set, limits: runner.FillLimits(a.Limits, e.cfg.Defaults),
		isolation: cmp.Or(a.Isolation, host.IsolationCall),
	}
	g.limits.Wall = set.wall(g.limits.Wall)
	g.closing, g.interrupt = context.WithCancelCause(context.Background())
	g.pool.init(g, min(g.limits.Concurrency, e.cfg.MaxInstances))
	if p.minBytes > g.memoryLimit() {
		return nil, nil, host.Errorf(opLoad, abi.CodeLimit, "the module asks for %s of memory at its start and the limit is %s", runner.Size(p.minBytes), runner.Size(g.memoryLimit())).
			WithHint("raise limits: memory: in %s.yaml, and config: extism: memory: max_pages where it is set", a.Name)
	}
	if err := g.compile(ctx, p.wasm); err != nil {
		return nil, nil, err
	}
	m, err := g.manifest(ctx, p)
	if err == nil {
		err = e.adopt(g)
	}
	if err != nil {
		return nil, nil, errors.Join(err, g.Close(context.WithoutCancel(ctx)))
	}
	return g, m, nil
}

// compile compiles the module and what is Extism's. A cache of its own is what lets go of the code
// when the guest is closed; those of one folder share the files.
func (g *guest) compile(ctx context.Context, wasm []byte) (err error) {
	g.cache = wazero.NewCompilationCache()
	if dir := g.engine.cfg.CacheDir; dir != "" {
		if g.cache, err = wazero.NewCompilationCacheWithDir(dir); err != nil {
			return host.E(opLoad, abi.CodeInternal, err)
		}
	}
	most := g.set.varBytes()
	ctx = experimental.WithFunctionListenerFactory(ctx, tickListener{})
	g.compiled, err = extism.NewCompiledPlugin(ctx, extism.Manifest{
		Wasm:   []extism.Wasm{extism.WasmData{Data: wasm, Name: "main"}},
		Config: g.set.Config,
		Memory: &extism.ManifestMemory{MaxVarBytes: most},
	}, extism.PluginConfig{
		RuntimeConfig:             wazero.NewRuntimeConfig().WithCompilationCache(g.cache),
		EnableWasi:                true,
		EnableHttpResponseHeaders: true,
	}, hostFunctions())
	if err != nil {
		return errors.Join(contractf("the module does not compile: %w", err), g.cache.Close(ctx))
	}
	return nil
}

// manifest makes a trial instance, which shows whether the module can be started and has what it
// imports, and learns which tools there are.
func (g *guest) manifest(ctx context.Context, p *prepared) (m *abi.Manifest, err error) {
	ask := len(g.set.Tools) == 0 && describesItself(p.exports)
	if !ask {
		if m, g.forms, err = g.set.manifest(g.name, p.exports); err != nil {
			return nil, err
		}
	}
	in, err := g.pool.acquire(ctx, "")
	if err != nil {
		return nil, err
	}
	in.fresh = true
	defer func() { g.pool.release(in, err == nil && in.usable(nil)) }()
	if !ask {
		return m, nil
	}
	in.fresh = g.isolation != host.IsolationCall
	lim := g.limits
	lim.Wall, lim.Fuel, lim.OutputBytes = g.engine.cfg.InitTimeout, 0, abi.MaxManifestBytes
	r := &run{limits: lim}
	if err := in.call(ctx, r, exportDescribe, nil); err != nil {
		return nil, describeError(err)
	}
	m, g.forms, err = g.set.describedManifest(g.name, r.output)
	return m, err
}

// describeError keeps the code of a failure of the host's side.
func describeError(err error) error {
	code := host.CodeOf(err)
	if code == codePlugin || code == abi.CodeDeadline {
		code = abi.CodeContract
	}
	return host.Errorf(opLoad, code, "%s failed: %w", exportDescribe, err)
}

// memoryLimit is what one of an instance's memories may have.
func (g *guest) memoryLimit() int64 {
	if n := g.set.pageLimit(); n > 0 {
		return min(n, g.limits.MemoryBytes)
	}
	return g.limits.MemoryBytes
}

// shares tells whether a call of one tenant may find what calls of another, or of the same, have left.
func (g *guest) shares(had, wants host.TenantID) bool {
	return g.isolation == host.IsolationShared || g.isolation == host.IsolationTenant && had == wants
}

// Call implements host.Guest.
func (g *guest) Call(ctx context.Context, c *host.GuestCall) (host.Output, host.Usage, error) {
	lim := runner.FillLimits(c.Limits, g.limits)
	lim.Wall = g.set.wall(lim.Wall)
	if err := g.checkCall(c, &lim); err != nil {
		return host.Output{}, host.Usage{}, err
	}
	f := g.forms[c.Index]
	input, err := f.input(c.Input)
	if err != nil {
		return host.Output{}, host.Usage{}, err
	}
	in, err := g.pool.acquire(ctx, c.Tenant)
	if err != nil {
		return host.Output{}, host.Usage{}, err
	}
	r := &run{border: c.Border, limits: lim}
	err = in.call(ctx, r, f.export(), input)
	usage := host.Usage{Wall: r.wall, Fuel: r.fuel, PeakBytes: in.mem.used, Ops: r.ops}
	if g.isolation == host.IsolationCall {
		usage.Wall += in.start.wall
		usage.Fuel += in.start.fuel
	}
	if host.CodeOf(err) == abi.CodeTrap {
		g.engine.log.Warn("plugin crashed", "plugin", g.name, "error", err, "cause", errors.Unwrap(err))
	}
	g.pool.release(in, in.usable(err))
	if err != nil {
		return host.Output{}, usage, err
	}
	out, err := f.output(r.output, r.answered)
	return out, usage, err
}

func (g *guest) checkCall(c *host.GuestCall, lim *host.Limits) error {
	switch n := int64(len(c.Input)); {
	case c.Border == nil:
		return host.Errorf(opCall, abi.CodeInternal, "a call needs a border")
	case c.Entry != host.EntryTool || c.Index < 0 || c.Index >= len(g.forms):
		return host.Errorf(opCall, abi.CodeInternal, "an Extism plugin has no entry %d number %d", c.Entry, c.Index)
	case !lim.TakesInput(len(c.Input)):
		return g.overLimit("input", runner.Size(lim.InputBytes), "the arguments have "+runner.Size(n))
	// Extism gives a plugin whose memory is too small an empty input, and says nothing.
	case n+pageBytes > g.memoryLimit():
		return g.overLimit("memory", runner.Size(g.memoryLimit()), "the arguments have "+runner.Size(n)+", more than the plugin's memory may hold")
	}
	return nil
}

// Close implements host.Guest. Calls that still run when ctx is over are interrupted; where one does
// not end within closeGrace, the error says so, and what it holds stays.
func (g *guest) Close(ctx context.Context) error {
	first, done := g.pool.shut()
	if !first {
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return host.E("extismrun.Close", host.CodeOf(ctx.Err()), ctx.Err())
		}
	}
	defer close(done)
	defer g.engine.forget(g)
	if err := g.pool.drain(ctx); err != nil {
		return err
	}
	g.interrupt(errClosed)
	ctx = context.WithoutCancel(ctx)
	if err := errors.Join(g.compiled.Close(ctx), g.cache.Close(ctx)); err != nil {
		return host.E("extismrun.Close", abi.CodeInternal, err)
	}
	return nil
}

// OldestIdle implements runner.Idler.
func (g *guest) OldestIdle() (time.Time, bool) { return g.pool.oldestIdle() }

// CloseIdle implements runner.Idler.
func (g *guest) CloseIdle(until time.Time) { g.pool.closeIdle(until) }
