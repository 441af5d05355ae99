// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Config is what Open needs. Loader and Logger are required.
type Config struct {
	// Dir is the operator's plugins folder, made if it is not there; "" is none.
	Dir string
	// Embedded holds NAME.wasm and, for default settings, NAME.yaml of the plugins built into the
	// program; nil is none. A module in Dir comes before one of its name in here, and does not
	// inherit its settings; a settings file in Dir replaces the one in here.
	Embedded fs.FS
	// HistoryDir keeps the versions that were served, for Rollback; "" keeps none.
	HistoryDir string
	Loader     Loader
	// Lookup finds the variables of settings files, like os.LookupEnv; nil finds none.
	Lookup func(name string) (string, bool)
	Logger *slog.Logger
	// Debounce is how long a file has to be left alone before it is read: 50 ms where 0.
	Debounce time.Duration
	// Poll is how often the folder is looked at where no notice of a change came (network file
	// systems send none): 3 s where 0.
	Poll time.Duration
	// LoadTimeout bounds one Load: 1 minute where 0.
	LoadTimeout time.Duration
	// MaxModuleBytes bounds a module: 128 MiB where 0.
	MaxModuleBytes int64
	// Reserved are names of tools that the host serves itself; a plugin that has one, with its prefix,
	// is refused.
	Reserved []string
}

func (c *Config) validate() error {
	switch {
	case c.Loader == nil:
		return errors.New("config: Loader is missing")
	case c.Logger == nil:
		return errors.New("config: Logger is missing")
	case c.Debounce < 0 || c.Poll < 0 || c.LoadTimeout < 0 || c.MaxModuleBytes < 0:
		return errors.New("config: Debounce, Poll, LoadTimeout and MaxModuleBytes cannot be negative")
	}
	c.Debounce = orDefault(c.Debounce, 50*time.Millisecond)
	c.Poll = orDefault(c.Poll, 3*time.Second)
	c.LoadTimeout = orDefault(c.LoadTimeout, time.Minute)
	c.MaxModuleBytes = orDefault(c.MaxModuleBytes, 128<<20)
	return nil
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Registry serves plugins. All its methods may be called concurrently.
//
// One thing at a time changes what is served: who holds the turn. mu guards what Statuses reads, is
// held for moments only, and is taken after the turn.
type Registry struct {
	cfg      Config
	folder   folder
	history  history
	embedded map[string]bool

	snap atomic.Pointer[Snapshot]

	turn    chan struct{}
	entries map[string]*entry // a new one is added under both
	claims  map[claim]string  // who serves what; under the turn

	mu            sync.Mutex
	served        map[string]*Plugin
	folderProblem *refusal
	closed        bool

	touched touchedNames
	news    announcer

	ctx     context.Context
	stop    context.CancelFunc
	kill    chan struct{} // closed when Close will not wait for calls any longer
	tasks   sync.WaitGroup
	retired sync.WaitGroup
}

// entry is all that is known of one plugin name. Its fields change under turn and mu together, so
// either is enough to read them; last, looked and missing belong to the turn alone.
type entry struct {
	name    string
	served  *Plugin
	count   uint64
	rec     record
	refusal *refusal
	state   State

	last    seen
	looked  bool
	missing time.Time
}

// refusal is why something is not served.
type refusal struct {
	reason   string
	at       time.Time
	collided bool
	waiting  *Waiting // where a yes would do
}

// Open reads both sources, loads every plugin and serves them before it returns; what cannot be
// served is refused, logged and told by Problems. Then it watches the folder until Close. The error
// is about the config or the folders, never about one plugin.
func Open(c Config) (*Registry, error) {
	const op = "registry.Open"
	if err := c.validate(); err != nil {
		return nil, host.E(op, abi.CodeInvalidArg, err)
	}
	for _, dir := range []string{c.Dir, c.HistoryDir} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "the folder cannot be made: %w", err)
		}
	}
	names, err := embeddedNames(c.Embedded)
	if err != nil {
		return nil, host.Errorf(op, abi.CodeInternal, "embedded plugins: %w", err)
	}
	r := &Registry{
		cfg: c, folder: folder{dir: c.Dir}, history: history{dir: c.HistoryDir}, embedded: names,
		turn: make(chan struct{}, 1), entries: map[string]*entry{}, claims: map[claim]string{},
		served: map[string]*Plugin{}, kill: make(chan struct{}),
	}
	r.snap.Store(newSnapshot(0, nil))
	r.ctx, r.stop = context.WithCancel(context.Background())
	if err := r.start(); err != nil {
		r.stop()
		return nil, errors.Join(host.E(op, abi.CodeInvalidArg, err), r.Close(context.Background()))
	}
	return r, nil
}

// start begins to watch before it looks, so that no change falls between the two.
func (r *Registry) start() error {
	w := newWatch(r.cfg)
	if _, err := r.pass(r.ctx, lookFirst); err != nil {
		w.close()
		return fmt.Errorf("the plugins folder cannot be read: %w", err)
	}
	r.news.start(r.ctx, &r.tasks)
	r.tasks.Go(func() {
		defer w.close()
		r.follow(r.ctx, w)
	})
	return nil
}

// Close stops watching, serves nothing any more, waits for running calls up to ctx and closes every
// guest. A second Close does nothing. A subscriber must not call it.
func (r *Registry) Close(ctx context.Context) error {
	r.stop()
	r.tasks.Wait()
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return host.E("registry.Close", host.CodeOf(ctx.Err()), ctx.Err())
	}
	r.mu.Lock()
	was := r.closed
	r.closed = true
	gone := r.served
	r.served = map[string]*Plugin{}
	r.snap.Store(newSnapshot(r.snap.Load().generation+1, nil))
	r.mu.Unlock()
	if was {
		return nil
	}
	for _, p := range gone {
		r.retire(p)
	}
	stopWaiting := context.AfterFunc(ctx, func() { close(r.kill) })
	r.retired.Wait()
	if !stopWaiting() {
		return host.E("registry.Close", host.CodeOf(ctx.Err()), ctx.Err())
	}
	return nil
}

// takeTurn waits for the right to change what is served. The caller gives it back with endTurn.
func (r *Registry) takeTurn(ctx context.Context) error {
	if r.ctx.Err() != nil {
		return host.Errorf("registry", abi.CodeUnavailable, "the host is stopping")
	}
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return host.E("registry", host.CodeOf(ctx.Err()), ctx.Err())
	case <-r.ctx.Done():
		return host.Errorf("registry", abi.CodeUnavailable, "the host is stopping")
	}
	if r.ctx.Err() != nil {
		r.endTurn()
		return host.Errorf("registry", abi.CodeUnavailable, "the host is stopping")
	}
	return nil
}

func (r *Registry) endTurn() { <-r.turn }

// Snapshot is what is served now. It takes no lock and allocates nothing.
func (r *Registry) Snapshot() *Snapshot { return r.snap.Load() }

// Acquire finds a tool that the tenant sees and holds its plugin, so that the guest stays open until
// release is called. It must be called exactly once. ok is false where there is no such tool for this
// tenant; a swap at the same moment never makes it false. It takes no lock and allocates nothing.
func (r *Registry) Acquire(tenant host.TenantID, tool string) (ref ToolRef, guest host.Guest, release func(), ok bool) {
	for {
		t, found := r.snap.Load().tools[tool]
		if !found || !t.Plugin.VisibleTo(tenant) {
			return ToolRef{}, nil, nil, false
		}
		if t.Plugin.life.hold() {
			return t, t.Plugin.life.guest, t.Plugin.life.letGo, true
		}
		// Retired between the two lines: a snapshot without it is stored already.
	}
}

// Hold is Acquire for a plugin that a Snapshot named. It is false once the plugin is retired: the
// caller takes a new Snapshot, which holds its successor, and tries again.
func (r *Registry) Hold(p *Plugin) (guest host.Guest, release func(), ok bool) {
	if p == nil || !p.life.hold() {
		return nil, nil, false
	}
	return p.life.guest, p.life.letGo, true
}

// retire closes the guest when the last call has let go of it.
func (r *Registry) retire(p *Plugin) {
	p.life.retire()
	r.retired.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		select {
		case <-p.life.drained:
		case <-r.kill:
			cancel()
		}
		r.closeGuest(ctx, p.Name, p.life.guest)
		r.cfg.Logger.Debug("plugin generation closed", "plugin", p.Name, "digest", p.Digest, "generation", p.Generation)
	})
}

func (r *Registry) closeGuest(ctx context.Context, name string, g host.Guest) {
	if err := g.Close(ctx); err != nil {
		r.cfg.Logger.Warn("a plugin did not close cleanly", "plugin", name, "error", err)
	}
}
