// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"log/slog"
	"maps"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/crew"
	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/registry"
)

// Catalog is what is served; *registry.Registry is one.
type Catalog interface {
	// Snapshot is everything that is served at this moment.
	Snapshot() *registry.Snapshot
	// Acquire finds a tool that the tenant may see and keeps its guest open until release.
	Acquire(tenant host.TenantID, tool string) (ref registry.ToolRef, g host.Guest, release func(), ok bool)
	// Hold does the same for a plugin at hand; it is false when the plugin is not served any more.
	Hold(p *registry.Plugin) (g host.Guest, release func(), ok bool)
}

// Journal is told of every call; *journal.Journal is one.
type Journal interface {
	// Record must not wait.
	Record(e journal.Entry)
}

// Config is what a Pipeline needs. Catalog and Runs are required.
type Config struct {
	Catalog Catalog
	// Ops are the services' operations. The pipeline adds OpContext, OpConfig, OpCall and OpChanged.
	Ops host.Ops
	// Runs keeps runs. It need not sync: what it has taken has to survive the process, not the machine.
	Runs store.Store
	// Log keeps the runs without a request id; nil keeps them in Runs, when they have ended.
	Log RunLog
	// Policy says of which calls a person has to be asked; nil asks of none.
	Policy Policy
	// Journal hears of every call; nil keeps none.
	Journal Journal
	// Quota is asked before each call of a tool, prompt, resource or completion; nil bounds nothing.
	Quota Quota
	// Clock is the system's where nil.
	Clock host.Clock
	// Logger takes the plugins' log and the host's; nil is silent.
	Logger *slog.Logger
	// SealKey seals what a tool wants back with a client's answer (32 bytes or more). Without one a
	// key is made that ends with the process, and so do the questions that are open then.
	SealKey []byte
	// OnChanged hears that a plugin, called for a tenant, says its lists or resources are new. It must
	// not block.
	OnChanged func(t host.TenantID, plugin string, c abi.Changed)
	// Limits are the defaults of a call: a zero field is 60 s of wall time, 4 MiB of input, 8 MiB of
	// output, 10,000 operations and 10,000 events; the others are the runner's.
	Limits host.Limits
	// MaxConcurrentPerTenant is how many calls of a tenant run at once, more wait in turn; 0 means 64.
	MaxConcurrentPerTenant int
	// MaxWaitingPerTenant is how many may wait, not counting runs; 0 means 1,024.
	MaxWaitingPerTenant int
	// MaxRunsPerTenant is how many runs of a tenant may be under way, waiting included; 0 means 1,000.
	MaxRunsPerTenant int
	// RunTTL is how long a run can be asked for after its end, and its request id is remembered; 0
	// means 24 hours.
	RunTTL time.Duration
	// RunTimeout bounds a run, waiting included; 0 means 5 minutes, or the plugin's wall time where
	// that is longer.
	RunTimeout time.Duration
	// StateTTL is how long a client may take to answer a question, a tool's or the host's own; 0 means
	// 1 hour.
	StateTTL time.Duration
}

// maxDepth is how deep tools may call tools.
const maxDepth = 8

func (c *Config) validate(op string) error {
	switch {
	case c.Catalog == nil:
		return host.Errorf(op, abi.CodeInvalidArg, "Catalog is nil; give the registry")
	case c.Runs == nil:
		return host.Errorf(op, abi.CodeInvalidArg, "Runs is nil; give the store for runs")
	case len(c.SealKey) > 0 && len(c.SealKey) < 32:
		return host.Errorf(op, abi.CodeInvalidArg, "SealKey has %d bytes; it needs 32 or more", len(c.SealKey))
	case c.MaxConcurrentPerTenant < 0 || c.MaxWaitingPerTenant < 0 || c.MaxRunsPerTenant < 0 ||
		c.RunTTL < 0 || c.RunTimeout < 0 || c.StateTTL < 0:
		return host.Errorf(op, abi.CodeInvalidArg, "a limit is negative; 0 is the default")
	}
	return nil
}

func (c *Config) setDefaults() {
	if c.Clock == nil {
		c.Clock = host.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = fill(c.Limits, host.Limits{
		Wall: time.Minute, InputBytes: 4 << 20, OutputBytes: 8 << 20, Ops: 10_000, Events: 10_000,
	})
	orDefault(&c.MaxConcurrentPerTenant, 64)
	orDefault(&c.MaxWaitingPerTenant, 1024)
	orDefault(&c.MaxRunsPerTenant, 1000)
	orDefault(&c.RunTTL, 24*time.Hour)
	orDefault(&c.StateTTL, time.Hour)
}

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// fill puts d where l is zero.
func fill(l, d host.Limits) host.Limits {
	orDefault(&l.Wall, d.Wall)
	orDefault(&l.Fuel, d.Fuel)
	orDefault(&l.MemoryBytes, d.MemoryBytes)
	orDefault(&l.OutputBytes, d.OutputBytes)
	orDefault(&l.InputBytes, d.InputBytes)
	orDefault(&l.Ops, d.Ops)
	orDefault(&l.Events, d.Events)
	orDefault(&l.Concurrency, d.Concurrency)
	orDefault(&l.EgressBytes, d.EgressBytes)
	return l
}

// Pipeline calls plugins. All methods may be called concurrently; each finds the principal in its
// context and fails with CodeUnauthenticated where there is none.
type Pipeline struct {
	cfg      Config
	log      *slog.Logger
	ops      host.Ops
	sealer   sealer
	compiled compiled
	gates    gates
	runs     runs
	crew     crew.Crew

	// active counts what is under way; draining lets nothing new in, and idle is told when the last
	// has left.
	active   atomic.Int64
	draining atomic.Bool
	idle     chan struct{}
}

// New makes a pipeline. It starts no goroutines until a run is started; Drain ends those.
func New(c Config) (*Pipeline, error) {
	const op = "invoke.New"
	if err := c.validate(op); err != nil {
		return nil, err
	}
	c.setDefaults()
	s, err := newSealer(c.SealKey)
	if err != nil {
		return nil, host.E(op, abi.CodeInternal, err)
	}
	p := &Pipeline{cfg: c, log: c.Logger, sealer: s, idle: make(chan struct{}, 1)}
	p.gates.running, p.gates.waiting = c.MaxConcurrentPerTenant, c.MaxWaitingPerTenant
	p.runs.init()
	p.ops = host.Ops{}
	maps.Copy(p.ops, c.Ops)
	for name, f := range map[string]host.OpFunc{
		abi.OpContext: p.opContext, abi.OpConfig: p.opConfig, abi.OpCall: p.opCall, abi.OpChanged: p.opChanged,
	} {
		if p.ops[name] != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "Ops has %q, which the pipeline answers itself", name)
		}
		p.ops[name] = f
	}
	return p, nil
}

// enter counts a call in; leave has to follow where it succeeds.
func (p *Pipeline) enter(op string) error {
	p.active.Add(1)
	if !p.draining.Load() {
		return nil
	}
	p.leave()
	return host.Errorf(op, abi.CodeUnavailable, "the host is stopping; try again in a moment")
}

// Stats is what a pipeline has under way at one moment.
type Stats struct {
	// Active are calls and runs, waiting ones included; Runs are the runs among them, Waiting those that
	// wait because as many of their tenant run as may.
	Active, Runs, Waiting int
}

// Stats counts.
func (p *Pipeline) Stats() Stats {
	return Stats{Active: int(p.active.Load()), Runs: p.runs.count(), Waiting: p.gates.queued()}
}

func (p *Pipeline) leave() {
	if p.active.Add(-1) == 0 && p.draining.Load() {
		select {
		case p.idle <- struct{}{}:
		default:
		}
	}
}

// drainGrace is how long Drain waits for runs that it has cancelled.
const drainGrace = 5 * time.Second

// Drain lets nothing new in (CodeUnavailable), ends tasks that wait for an answer, waits until ctx ends
// for what is under way, and then cancels the runs that are left; they end with CodeInterrupted. Calls
// that are left belong to their callers, who end them by their contexts; the error says so. It may be
// called again.
func (p *Pipeline) Drain(ctx context.Context) error {
	const op = "invoke.Drain"
	p.draining.Store(true)
	p.crew.Dismiss()
	p.interruptWaiting()
	if p.waitIdle(ctx) {
		return nil
	}
	p.interruptRuns()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainGrace)
	defer cancel()
	if p.waitIdle(grace) {
		return nil
	}
	return host.Errorf(op, abi.CodeDeadline, "%d calls are still under way", p.active.Load())
}

// waitIdle looks again now and then, since more than one may wait for the one word of idle.
func (p *Pipeline) waitIdle(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for p.active.Load() != 0 {
		select {
		case <-p.idle:
		case <-tick.C:
		case <-ctx.Done():
			return p.active.Load() == 0
		}
	}
	return true
}
