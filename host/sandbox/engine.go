// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// Config says how an Engine works. The zero value is usable.
type Config struct {
	// CacheDir keeps compiled code, modules and manifests across restarts. It is made where it is missing, and
	// must be writable by the host alone: what lies there is run. Empty keeps nothing.
	CacheDir string
	// Compiler, where it and CacheDir are set, is handed every prepared module that this cache has not
	// seen, to compile it in a process with ceilings of its own, by Precompile on the same CacheDir; this
	// process then only reads the code. Errors are to be of CodeLimit where a ceiling was met, naming it,
	// and CodeContract where the module does not compile. ctx ends with the engine. It may be called
	// concurrently. nil compiles in this process, without a ceiling but Admission.
	Compiler func(ctx context.Context, wasm []byte) error
	// Defaults fill the zero fields of a plugin's limits. Their own zero fields mean: Wall 60 s,
	// MemoryBytes 256 MiB, OutputBytes 8 MiB, InputBytes 4 MiB, Ops 10,000, Events 10,000,
	// Concurrency MaxInstances. EgressBytes is not the runner's business.
	Defaults host.Limits
	// Admission bounds the modules that are loaded; zero fields mean the defaults that stand beside
	// them. TableEntries is where every table of a guest ends, too.
	Admission wasmbin.Limits
	// MaxInstances bounds the instances of one plugin, and so its Concurrency. 0 means 64.
	MaxInstances int
	// MemoryBudget bounds, in bytes, the linear memory of all instances together. 0 means 2 GiB.
	MemoryBudget int64
	// IdleAfter is how long an unused instance is kept. 0 means one minute.
	IdleAfter time.Duration
	// InitTimeout bounds the making of one instance: its start function, its _initialize and, at
	// Load, its gantry_describe. 0 means 10 s. Compiling is not part of it.
	InitTimeout time.Duration
	// VerifyEvery compares one reset in so many whole with the image, and drops an instance that
	// differs; it reads all of the guest's memory. 0 means never.
	VerifyEvery int
	// Logger hears of crashes, and what a plugin logs outside of calls. nil means slog.Default.
	Logger *slog.Logger
}

// Engine compiles modules and runs them. All methods may be called concurrently.
type Engine struct {
	cfg       Config
	log       *slog.Logger
	runtime   wazero.Runtime
	cache     wazero.CompilationCache
	known     map[string]map[string]signature
	manifests manifests
	modules   modules
	refusals  refusals
	budget    runner.Budget

	mu     sync.Mutex
	closed bool
	guests map[*guest]struct{}
	codes  map[string]*code
	// past is what guests did that are closed.
	past Totals

	// life ends with Close, by end.
	life    context.Context
	end     context.CancelFunc
	workers sync.WaitGroup
}

// New makes an engine. Close ends it. The error is of CodeInvalidArg and names the field, or of
// CodeInternal where the cache folder cannot be used.
func New(cfg Config) (*Engine, error) {
	const op = "sandbox.New"
	cfg, err := cfg.filled()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		cfg: cfg, log: cfg.Logger,
		guests: map[*guest]struct{}{}, codes: map[string]*code{},
	}
	e.life, e.end = context.WithCancel(context.Background())
	e.budget = runner.Budget{Limit: cfg.MemoryBudget, Reclaim: e.reclaim}
	rc := compiling()
	if cfg.CacheDir != "" {
		e.manifests.dir = filepath.Join(cfg.CacheDir, "manifests")
		proven := filepath.Join(cfg.CacheDir, provenDir)
		e.modules.dir = filepath.Join(cfg.CacheDir, "modules")
		if err := errors.Join(os.MkdirAll(e.manifests.dir, 0o700), os.MkdirAll(proven, 0o700), os.MkdirAll(e.modules.dir, 0o700)); err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
		if err := e.modules.prune(time.Now()); err != nil {
			cfg.Logger.Warn("old modules could not be deleted from the cache", "error", err)
		}
		if e.cache, err = newCache(cfg.CacheDir); err != nil {
			return nil, host.E(op, abi.CodeInternal, err)
		}
		rc = rc.WithCompilationCache(e.cache)
	}
	ctx := context.Background()
	e.runtime = wazero.NewRuntimeWithConfig(ctx, rc)
	if err := e.offer(ctx); err != nil {
		return nil, errors.Join(host.E(op, abi.CodeInternal, err), e.runtime.Close(ctx))
	}
	e.workers.Go(func() { runner.Sweep(e.life.Done(), e.cfg.IdleAfter, e.all) })
	return e, nil
}

// offer instantiates what guests may import, and notes its signatures for admission.
func (e *Engine) offer(ctx context.Context) error {
	if err := offerWASI(ctx, e.runtime); err != nil {
		return err
	}
	if err := offerGantry(ctx, e.runtime); err != nil {
		return err
	}
	if err := offerMeter(ctx, e.runtime); err != nil {
		return err
	}
	e.known = map[string]map[string]signature{}
	for _, module := range []string{abi.Module, wasi_snapshot_preview1.ModuleName} {
		functions := map[string]signature{}
		for name, def := range e.runtime.Module(module).ExportedFunctionDefinitions() {
			functions[name] = signature{string(def.ParamTypes()), string(def.ResultTypes())}
		}
		e.known[module] = functions
	}
	return nil
}

func (c Config) filled() (Config, error) {
	const op = "sandbox.New"
	if err := runner.CheckLimits(op, c.Defaults); err != nil {
		return c, err
	}
	if c.MaxInstances < 0 || c.MemoryBudget < 0 || c.IdleAfter < 0 || c.InitTimeout < 0 || c.VerifyEvery < 0 {
		return c, host.Errorf(op, abi.CodeInvalidArg, "MaxInstances, MemoryBudget, IdleAfter, InitTimeout and VerifyEvery must not be negative")
	}
	if err := checkAdmission(op, c.Admission); err != nil {
		return c, err
	}
	c.Admission = c.Admission.Filled()
	if c.MaxInstances == 0 {
		c.MaxInstances = 64
	}
	if c.MemoryBudget == 0 {
		c.MemoryBudget = 2 << 30
	}
	if c.IdleAfter == 0 {
		c.IdleAfter = time.Minute
	}
	if c.InitTimeout == 0 {
		c.InitTimeout = 10 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	c.Defaults = runner.FillLimits(c.Defaults, host.Limits{
		Wall: time.Minute, MemoryBytes: 256 << 20, OutputBytes: 8 << 20, InputBytes: 4 << 20,
		Ops: 10_000, Events: 10_000, Concurrency: c.MaxInstances,
	})
	return c, nil
}

// Artifact is a module and how it is to be run.
type Artifact struct {
	// Name is for messages and logs; whether the manifest's name has to equal it is the caller's question.
	Name string
	// Digest identifies the bytes ("sha256:" and 64 hex digits) and is believed.
	Digest string
	// Wasm must not be changed after Load.
	Wasm []byte
	// Limits bound its calls; zero fields mean Config.Defaults.
	Limits host.Limits
	// Isolation is host.IsolationCall where empty.
	Isolation host.Isolation
}

func (a *Artifact) check() error {
	if err := runner.CheckLimits(opLoad, a.Limits); err != nil {
		return err
	}
	if !validDigest(a.Digest) {
		return host.Errorf(opLoad, abi.CodeInvalidArg, "digest %.80q is not sha256: and 64 hex digits", a.Digest)
	}
	if !a.Isolation.Valid() {
		return host.Errorf(opLoad, abi.CodeInvalidArg, "isolation %.40q is not one of call, tenant, shared", a.Isolation)
	}
	if a.Isolation == "" {
		a.Isolation = host.IsolationCall
	}
	return nil
}

// Load proves a module and makes a guest of it: it is parsed and bounded, its imports and exports
// are compared with the contract and, where no manifest is known for its digest yet, it is compiled,
// instantiated once under InitTimeout and asked for its manifest. Otherwise it is compiled at its
// first call.
//
// A module that was refused after it ran is refused for a second without another try, where the limits
// are the same. Errors are of CodeContract, or CodeLimit where a bound was met, and their text is for the
// plugin's author; CodeTrap where the module crashed while it started.
func (e *Engine) Load(ctx context.Context, a Artifact) (host.Guest, *abi.Manifest, error) {
	if err := a.check(); err != nil {
		return nil, nil, err
	}
	a.Limits = runner.FillLimits(a.Limits, e.cfg.Defaults)
	s, err := admit(a.Wasm, e.known, e.cfg.Admission)
	if err != nil {
		return nil, nil, err
	}
	if err := s.checkMemory(a.Name, a.Limits.MemoryBytes); err != nil {
		return nil, nil, err
	}
	as := refusedAs{a.Digest, a.Limits}
	if err := e.refusals.get(as, time.Now()); err != nil {
		return nil, nil, err
	}
	kept, err := e.modules.put(a.Digest, a.Wasm)
	if err != nil {
		e.log.Warn("a module could not be kept on disk; it stays in memory until it is compiled", "plugin", a.Name, "error", err)
	}
	if kept {
		a.Wasm = nil
	}
	g, err := e.adopt(&a)
	if err != nil {
		return nil, nil, err
	}
	m, err := e.manifestOf(ctx, g, a.Digest)
	if err == nil {
		err = s.fits(m)
	}
	if err != nil {
		if g.code.done() { // what compiling says has the compiler's ceilings to blame, too
			e.refusals.note(as, err, time.Now())
		}
		return nil, nil, errors.Join(err, g.Close(context.WithoutCancel(ctx)))
	}
	return g, m, nil
}

// manifestOf returns the manifest that is kept for the digest, or else asks the guest and keeps it.
func (e *Engine) manifestOf(ctx context.Context, g *guest, digest string) (*abi.Manifest, error) {
	if m := e.manifests.get(digest); m != nil {
		return m, nil
	}
	data, err := g.describe(ctx)
	if err != nil {
		return nil, err
	}
	m, err := abi.ParseManifest(data)
	if err != nil {
		return nil, host.Errorf(opLoad, abi.CodeContract, "%w", err)
	}
	if err := e.manifests.put(digest, data); err != nil {
		e.log.Warn("a manifest could not be kept; it will be asked for again", "plugin", g.name, "error", err)
	}
	return m, nil
}

// adopt registers a guest and its code.
func (e *Engine) adopt(a *Artifact) (*guest, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, host.Errorf(opLoad, abi.CodeUnavailable, "the sandbox is closed")
	}
	key := a.Digest + "/" + preparation
	c := e.codes[key]
	if c == nil {
		c = &code{engine: e, key: key, digest: a.Digest, wasm: a.Wasm}
		e.codes[key] = c
	}
	c.refs++
	g := newGuest(e, guestSpec{name: a.Name, digest: a.Digest, limits: a.Limits, isolation: a.Isolation, code: c})
	e.guests[g] = struct{}{}
	return g, nil
}

// forget takes a guest out; what it has done stays in the totals.
func (e *Engine) forget(g *guest) {
	e.mu.Lock()
	if _, there := e.guests[g]; there {
		st := g.stats()
		e.past.add(&st)
	}
	delete(e.guests, g)
	e.mu.Unlock()
}

func (e *Engine) all() []*guest {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]*guest, 0, len(e.guests))
	for g := range e.guests {
		out = append(out, g)
	}
	return out
}

// reclaim closes what has been idle longest; see runner.Reclaim.
func (e *Engine) reclaim() bool { return runner.Reclaim(e.all()) }

// Close closes every guest as its Close does, and then frees the compiled code. Loading fails from
// here on. Where a guest still runs when ctx is over, the error says so and the code stays, because
// it cannot be taken away under a running guest. Closing again does nothing.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	e.end()
	var errs []error
	for _, g := range e.all() {
		errs = append(errs, g.Close(ctx))
	}
	e.workers.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err := e.runtime.Close(context.WithoutCancel(ctx))
	if e.cache != nil {
		err = errors.Join(err, e.cache.Close(context.WithoutCancel(ctx)))
	}
	return err
}
