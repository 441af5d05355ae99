// Copyright 2026 The Gantry Authors.

package main

import (
	"cmp"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/bearer"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/egress"
	"github.com/gantryhost/gantry/host/extismrun"
	"github.com/gantryhost/gantry/host/files"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/host/kv"
	"github.com/gantryhost/gantry/host/mcp"
	"github.com/gantryhost/gantry/host/memory"
	"github.com/gantryhost/gantry/host/metrics"
	"github.com/gantryhost/gantry/host/quota"
	"github.com/gantryhost/gantry/host/runlog"
	"github.com/gantryhost/gantry/host/sandbox"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/tenants"
	"github.com/gantryhost/gantry/plugins"
	"github.com/gantryhost/gantry/registry"
)

// app is the whole host without its listeners. Everything in it was made by openApp, from the
// bottom up, and is closed in the opposite order by close.
type app struct {
	s       *settings
	dir     *dataDir
	log     *slog.Logger
	started time.Time

	pepper   []byte
	state    *badgerstore.Store
	runs     *badgerstore.Store
	keys     *keys.Service
	drive    *drive.Service
	memory   *memory.Service
	tokens   *bearer.Service // nil without issuers
	egress   *egress.Service
	engine   *sandbox.Engine
	extism   *extismrun.Engine
	registry *registry.Registry
	journal  *journal.Journal
	runlog   *runlog.Log
	metrics  *metrics.Metrics
	quota    *quota.Service
	pipeline *invoke.Pipeline
	skills   *skills.Service
	tenants  *tenants.Service
	mcp      *mcp.Server

	// closers undo what was opened, last first.
	closers []closer
	net     *listeners
}

type closer struct {
	name string
	fn   func(context.Context) error
}

// openApp makes every part of the host. The caller holds dir, and keeps it until close has returned.
// When it fails, what was opened is closed again.
func openApp(ctx context.Context, s *settings, dir *dataDir, log *slog.Logger) (*app, error) {
	a := &app{s: s, dir: dir, log: log, started: time.Now()}
	for _, open := range []func(context.Context) error{
		a.openStores, a.openServices, a.openDrive, a.openTokens, a.openPlugins, a.openPipeline, a.openSkills, a.openMCP,
	} {
		if err := open(ctx); err != nil {
			a.close(context.WithoutCancel(ctx))
			return nil, err
		}
	}
	return a, nil
}

// onClose registers what undoes an opening.
func (a *app) onClose(name string, fn func(context.Context) error) {
	a.closers = append(a.closers, closer{name, fn})
}

// close ends every part, the last opened first, and gives the data folder up.
func (a *app) close(ctx context.Context) {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i].fn(ctx); err != nil {
			a.log.Error("closing", "part", a.closers[i].name, "err", err)
		}
	}
	a.closers = nil
}

// openStores opens the two Badger folders: state is synced before it is acknowledged, runs and
// journal are written in batches.
func (a *app) openStores(context.Context) error {
	var err error
	if a.state, err = badgerstore.Open(badgerstore.Config{
		Dir: a.dir.join("state"), Sync: true, MinFreeBytes: int64(a.s.MinFree), Logger: a.log.With("store", "state"),
	}); err != nil {
		return err
	}
	a.onClose("state", func(context.Context) error { return a.state.Close() })
	if a.runs, err = badgerstore.Open(badgerstore.Config{
		Dir: a.dir.join("runs"), MinFreeBytes: int64(a.s.MinFree), Logger: a.log.With("store", "runs"),
	}); err != nil {
		return err
	}
	a.onClose("runs", func(context.Context) error { return a.runs.Close() })
	return nil
}

func (a *app) openServices(context.Context) error {
	var err error
	if a.pepper, err = keys.LoadPepper(a.dir.path); err != nil {
		return err
	}
	if a.keys, err = keys.New(keys.Config{Store: a.state, Pepper: a.pepper, Logger: a.log}); err != nil {
		return err
	}
	a.onClose("keys", func(context.Context) error { return a.keys.Close() })
	if a.memory, err = memory.New(memory.Config{
		Store: a.state, QuotaBytes: int64(a.s.MemoryQuota), MaxFiles: a.s.MemoryFiles,
	}); err != nil {
		return err
	}
	if a.tenants, err = tenants.New(tenants.Config{Store: a.state, Confirm: tenants.Confirm(a.s.Confirm), Logger: a.log}); err != nil {
		return err
	}
	a.onClose("tenants", func(context.Context) error { return a.tenants.Close() })
	if a.egress, err = egress.New(egress.Config{Logger: a.log, UserAgent: "Gantry/" + version}); err != nil {
		return err
	}
	a.onClose("egress", func(context.Context) error { return a.egress.Close() })
	if a.journal, err = journal.New(journal.Config{Store: a.runs, Logger: a.log}); err != nil {
		return err
	}
	a.onClose("journal", a.journal.Close)
	if a.runlog, err = runlog.Open(runlog.Config{Dir: a.dir.join("runlog"), Store: a.runs, Logger: a.log}); err != nil {
		return err
	}
	a.onClose("runlog", a.runlog.Close)
	if a.quota, err = quota.New(quota.Config{Store: a.state, Defaults: a.s.Quota, Logger: a.log}); err != nil {
		return err
	}
	a.onClose("quota", a.quota.Close)
	a.metrics, err = metrics.New(metrics.Config{Version: version, Families: a.families()})
	return err
}

// extismShare is the part of the plugins' memory that those built with Extism's kits may hold: the
// two runners count for themselves, and together they keep to what the operator gave.
const extismShare = 4

// openPlugins opens the runners and the registry above them.
func (a *app) openPlugins(context.Context) error {
	var err error
	var compileAside func(context.Context, []byte) error
	if compilesAside {
		c := compiler{cache: a.s.Cache, cpu: a.s.CompileCPU, memory: int64(a.s.CompileMemory), log: a.log}
		compileAside = c.Compile
	}
	if a.engine, err = sandbox.New(sandbox.Config{
		CacheDir:     a.s.Cache,
		Compiler:     compileAside,
		MemoryBudget: int64(a.s.Memory) - int64(a.s.Memory)/extismShare,
		Defaults:     host.Limits{Wall: a.s.CallLimit},
		Admission:    a.s.admission(),
		Logger:       a.log,
	}); err != nil {
		return err
	}
	a.onClose("sandbox", a.engine.Close)
	if a.extism, err = extismrun.New(extismrun.Config{
		CacheDir:     filepath.Join(a.s.Cache, "extism"),
		MemoryBudget: int64(a.s.Memory) / extismShare,
		Defaults:     host.Limits{Wall: a.s.CallLimit},
		Logger:       a.log,
	}); err != nil {
		return err
	}
	a.onClose("extism", a.extism.Close)
	if a.registry, err = registry.Open(registry.Config{
		Dir:        a.s.Plugins,
		Embedded:   plugins.FS(),
		HistoryDir: a.dir.join("versions"),
		// Modules over --max-module are the sandbox's to refuse; it says so with the flag.
		MaxModuleBytes: max(int64(a.s.MaxModule)+1, 128<<20),
		Loader:         loader{a.engine, a.extism},
		Lookup:         os.LookupEnv,
		Reserved:       mcp.HostTools(),
		Logger:         a.log,
	}); err != nil {
		return err
	}
	a.onClose("registry", a.registry.Close)
	return nil
}

// loader makes the runners one registry.Loader, and refuses rights that could not be enforced.
type loader struct {
	engine *sandbox.Engine
	extism *extismrun.Engine
}

// Load checks the operator's grants and loads the module with the runner it was built for.
func (l loader) Load(ctx context.Context, art *registry.Artifact) (host.Guest, *abi.Manifest, error) {
	if err := egress.CheckRights(&art.Settings.Grants); err != nil {
		return nil, nil, fmt.Errorf("grants: %w", err)
	}
	if extismrun.Detect(art.Wasm) {
		return l.extism.Load(ctx, extismrun.Artifact{
			Name: art.Name, Digest: art.Digest, Wasm: art.Wasm, Config: art.Settings.Config, Limits: art.Settings.Limits,
			Isolation: art.Settings.Isolation,
		})
	}
	return l.engine.Load(ctx, sandbox.Artifact{
		Name: art.Name, Digest: art.Digest, Wasm: art.Wasm, Limits: art.Settings.Limits, Isolation: art.Settings.Isolation,
	})
}

func (a *app) openPipeline(context.Context) error {
	kvs, err := kv.New(kv.Config{Store: a.state, QuotaBytes: int64(a.s.KVQuota)})
	if err != nil {
		return err
	}
	folders, err := files.New(files.Config{
		Root: a.dir.join("files"), QuotaBytes: int64(a.s.FilesQuota), MaxFiles: a.s.MaxFiles,
	})
	if err != nil {
		return err
	}
	ops := host.Ops{}
	for _, service := range []host.Ops{a.egress.Ops(), kvs.Ops(), folders.Ops(), a.memory.Ops(), a.drive.Ops()} {
		maps.Copy(ops, service)
	}
	// The seal of questions to clients is not the pepper of keys, but it may come from the same root.
	seal, err := hkdf.Key(sha256.New, a.pepper, nil, "gantry invoke state", 32)
	if err != nil {
		return err
	}
	if a.pipeline, err = invoke.New(invoke.Config{
		Catalog: a.registry,
		Ops:     ops,
		Runs:    a.runs,
		Log:     a.runlog,
		Journal: hearers{a.journal, a.metrics},
		Policy:  a.tenants,
		Quota:   a.quota,
		SealKey: seal,
		Logger:  a.log,
		Limits:  host.Limits{Wall: a.s.CallLimit},

		MaxConcurrentPerTenant: a.s.TenantConcurrency, MaxWaitingPerTenant: a.s.TenantWaiting,
		MaxRunsPerTenant: a.s.TenantRuns, RunTimeout: a.s.RunLimit,
		// Calls come in only after openMCP has set a.mcp.
		OnChanged: func(t host.TenantID, plugin string, c abi.Changed) { a.mcp.Changed(t, plugin, c) },
	}); err != nil {
		return err
	}
	a.onClose("pipeline", a.pipeline.Drain)
	return nil
}

func (a *app) openMCP(context.Context) error {
	sessions, err := hkdf.Key(sha256.New, a.pepper, nil, "gantry mcp sessions", 32)
	if err != nil {
		return err
	}
	if a.mcp, err = mcp.New(mcp.Config{
		Pipeline: a.pipeline, Tasks: a.pipeline, Name: a.s.ServerName, Version: version, Logger: a.log, AllowedOrigins: a.s.Origins,
		MaxBodyBytes: int64(a.s.MaxRequest), MaxSessions: a.s.MaxSessions, SessionTimeout: a.s.SessionIdle,
		SleepAfter: cmp.Or(a.s.SessionSleep, -1), NoHotPath: a.s.NoHotPath, PageSize: a.s.PageSize, SessionKey: sessions,
		Documents: a.skills, Skills: skillMethods{a.skills},
	}); err != nil {
		return err
	}
	a.onClose("mcp", a.mcp.Close)
	cancel := a.registry.Subscribe(func(registry.Change) { a.mcp.Refresh() })
	a.onClose("changes", func(context.Context) error { cancel(); return nil })
	deaf := a.keys.OnRevoked(a.mcp.EndCredential)
	a.onClose("revocations", func(context.Context) error { deaf(); return nil })
	return nil
}
