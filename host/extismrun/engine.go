// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

const (
	opNew  = "extismrun.New"
	opLoad = "extismrun.Load"
	opCall = "extismrun.Call"

	pageBytes = runner.PageBytes
)

// Config says how an Engine works. The zero value is usable.
type Config struct {
	// CacheDir keeps compiled code across restarts. It is made where it is missing, and must be
	// writable by the host alone: what lies there is run. Empty keeps nothing.
	CacheDir string
	// Defaults fill the zero fields of a plugin's limits. Their own zero fields mean: Wall 60 s,
	// MemoryBytes 256 MiB, OutputBytes 8 MiB, InputBytes 4 MiB, Ops 10,000, Concurrency MaxInstances.
	// Events and EgressBytes are not the runner's business.
	Defaults host.Limits
	// MaxInstances bounds the instances of one plugin, and so its Concurrency. 0 means 16.
	MaxInstances int
	// MemoryBudget bounds, in bytes, the linear memory of all instances together. 0 means 1 GiB.
	MemoryBudget int64
	// IdleAfter is how long an unused instance is kept. 0 means one minute.
	IdleAfter time.Duration
	// InitTimeout bounds the start function of one instance and, at Load, its describe. 0 means 10 s.
	// Compiling is not part of it.
	InitTimeout time.Duration
	// Logger hears of crashes, and what a plugin logs outside of calls. Nil means slog.Default.
	Logger *slog.Logger
}

// Engine loads and runs plugins. All methods may be called concurrently.
type Engine struct {
	cfg    Config
	log    *slog.Logger
	budget runner.Budget

	mu     sync.Mutex
	closed bool
	guests map[*guest]struct{}
	// waits and waited are those of guests that are closed.
	waits  int64
	waited time.Duration

	stop    chan struct{}
	workers sync.WaitGroup
}

// New makes an engine. Close ends it. The error is of CodeInvalidArg and names the field, or of
// CodeInternal where the cache folder cannot be made.
func New(cfg Config) (*Engine, error) {
	if err := runner.CheckLimits(opNew, cfg.Defaults); err != nil {
		return nil, err
	}
	if cfg.MaxInstances < 0 || cfg.MemoryBudget < 0 || cfg.IdleAfter < 0 || cfg.InitTimeout < 0 {
		return nil, host.Errorf(opNew, abi.CodeInvalidArg, "MaxInstances, MemoryBudget, IdleAfter and InitTimeout must not be negative")
	}
	cfg.MaxInstances = cmp.Or(cfg.MaxInstances, 16)
	cfg.MemoryBudget = cmp.Or(cfg.MemoryBudget, 1<<30)
	cfg.IdleAfter = cmp.Or(cfg.IdleAfter, time.Minute)
	cfg.InitTimeout = cmp.Or(cfg.InitTimeout, 10*time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	cfg.Defaults = runner.FillLimits(cfg.Defaults, host.Limits{
		Wall: time.Minute, MemoryBytes: 256 << 20, OutputBytes: 8 << 20, InputBytes: 4 << 20,
		Ops: 10_000, Concurrency: cfg.MaxInstances,
	})
	if cfg.CacheDir != "" {
		if err := os.MkdirAll(cfg.CacheDir, 0o700); err != nil {
			return nil, host.E(opNew, abi.CodeInternal, err)
		}
	}
	e := &Engine{cfg: cfg, log: cfg.Logger, guests: map[*guest]struct{}{}, stop: make(chan struct{})}
	e.budget = runner.Budget{Limit: cfg.MemoryBudget, Reclaim: e.reclaim}
	e.workers.Go(func() { runner.Sweep(e.stop, e.cfg.IdleAfter, e.all) })
	return e, nil
}

func (e *Engine) adopt(g *guest) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return host.Errorf(opLoad, abi.CodeUnavailable, "the runner of Extism plugins is closed")
	}
	e.guests[g] = struct{}{}
	return nil
}

// forget takes a guest out; how its calls waited stays in the totals.
func (e *Engine) forget(g *guest) {
	e.mu.Lock()
	if _, there := e.guests[g]; there {
		slots := g.pool.slots.Stats()
		e.waits, e.waited = e.waits+slots.Waits, e.waited+slots.Waited
	}
	delete(e.guests, g)
	e.mu.Unlock()
}

// Stats is what an engine holds at one moment.
type Stats struct {
	// MemoryBytes is the linear memory of all instances, MemoryBudget what it may be.
	MemoryBytes, MemoryBudget int64
	// Plugins has one entry for each loaded guest, in no order; two generations of a plugin are two.
	Plugins []PluginStats
	// Waits are the calls that had to wait for their turn since New, Waited how long all of them did.
	Waits  int64
	Waited time.Duration
}

// PluginStats is what one guest holds.
type PluginStats struct {
	Name string
	// Instances is how many are alive, Idle how many of them wait for a call; Waiting are calls that
	// wait for their turn.
	Instances, Idle, Waiting int
}

// Stats counts. The numbers of different guests are not of exactly the same moment.
func (e *Engine) Stats() Stats {
	s := Stats{MemoryBytes: e.budget.Used(), MemoryBudget: e.budget.Limit}
	e.mu.Lock()
	defer e.mu.Unlock()
	s.Waits, s.Waited = e.waits, e.waited
	for g := range e.guests {
		idle, busy := g.pool.count()
		slots := g.pool.slots.Stats()
		s.Waits, s.Waited = s.Waits+slots.Waits, s.Waited+slots.Waited
		s.Plugins = append(s.Plugins, PluginStats{Name: g.name, Instances: idle + busy, Idle: idle, Waiting: slots.Waiting})
	}
	return s
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

// Close closes every guest as its Close does. Loading fails from here on. Closing again does nothing.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	e.mu.Unlock()
	close(e.stop)
	var errs []error
	for _, g := range e.all() {
		errs = append(errs, g.Close(ctx))
	}
	e.workers.Wait()
	return errors.Join(errs...)
}
