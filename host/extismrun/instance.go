// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"
	"github.com/tetratelabs/wazero/sys"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// instance is one instantiated plugin: a kernel and a module. Whoever has it from the pool uses it
// alone.
type instance struct {
	guest  *guest
	plugin *extism.Plugin
	mem    memories
	stdout stream
	stderr stream

	// tenant is the only one it has served; fresh says that it has served none.
	tenant    host.TenantID
	fresh     bool
	idleSince time.Time
	// ended says that the plugin closed itself.
	ended bool
	fuel  fuel
	turn  runner.Turn

	run *run
	// start is the run that made the instance.
	start run
}

// run is one run of an instance's code.
type run struct {
	// border is nil where no call runs, as at the start.
	border host.Border
	limits host.Limits

	ctx context.Context
	// fault is why a host function ended the run.
	fault error
	// output is a copy of what the plugin put out; answered says that it did. message is its error.
	output   []byte
	answered bool
	message  string
	ops      int
	lines    int

	// What the run used, known when it is over.
	wall time.Duration
	fuel uint64
}

// errEnded is what a host function panics with to end a run; the reason is in run.fault, or the
// run's context is over.
var errEnded = errors.New("ended by the host")

// instanceKey finds the instance in the context that the SDK passes through.
type instanceKey struct{}

func instanceOf(ctx context.Context) *instance {
	in, ok := ctx.Value(instanceKey{}).(*instance)
	if !ok {
		panic(errors.New("a host function was called outside of an instance"))
	}
	return in
}

// newInstance makes an instance and runs its start function under Config.InitTimeout. What Extism
// calls initialisation is part of the first call.
func newInstance(ctx context.Context, g *guest) (*instance, error) {
	in := &instance{guest: g, fresh: true}
	in.mem = memories{budget: &g.engine.budget, limit: g.limits.MemoryBytes, each: g.set.pageLimit()}
	in.stdout = stream{in: in, level: abi.LogInfo}
	in.stderr = stream{in: in, level: abi.LogWarn}
	lim := g.limits
	lim.Wall, lim.Fuel = g.engine.cfg.InitTimeout, 0
	in.start.limits = lim
	err := in.do(ctx, &in.start, func(ctx context.Context) (err error) {
		// The SDK's host functions look for their plugin. While it starts there is none yet.
		ctx = context.WithValue(ctx, extism.PluginCtxKey("plugin"), &extism.Plugin{})
		ctx = experimental.WithMemoryAllocator(ctx, &in.mem)
		ctx = experimental.WithCloseNotifier(ctx, experimental.CloseNotifyFunc(func(context.Context, uint32) { in.ended = true }))
		in.plugin, err = g.compiled.Instance(ctx, extism.PluginInstanceConfig{
			ModuleConfig: wazero.NewModuleConfig().WithArgs(g.name).
				WithStdout(&in.stdout).WithStderr(&in.stderr).WithRandSource(rand.Reader).
				WithSysWalltime().WithSysNanotime().WithNanosleep(in.sleep).WithOsyield(in.yield),
		})
		return err
	})
	if err != nil {
		in.close()
		return nil, startError(err)
	}
	return in, nil
}

// startError says of a failure to instantiate what the plugin's author can do.
func startError(err error) error {
	switch code := host.CodeOf(err); {
	case errors.Is(err, errWall):
		return contractf("the module did not finish starting in time: its start function runs too long")
	case code == abi.CodeTrap:
		return host.Errorf(opLoad, abi.CodeContract, "the module cannot be instantiated: %w", errors.Unwrap(err))
	}
	return err
}

// call calls an export. What it put out is in r.
func (in *instance) call(ctx context.Context, r *run, export string, input []byte) error {
	var rc uint32
	err := in.do(ctx, r, func(ctx context.Context) (err error) {
		rc, _, err = in.plugin.CallWithContext(ctx, export, input)
		return err
	})
	switch {
	case err != nil:
		return err
	case r.message != "":
		return &abi.Error{Code: codePlugin, Message: r.message}
	case rc != 0:
		return &abi.Error{Code: codePlugin, Message: fmt.Sprintf("the plugin returned %d and gave no reason", int32(rc))}
	}
	return nil
}

// do runs f with the context of a run, and says what its error means.
func (in *instance) do(parent context.Context, r *run, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	defer context.AfterFunc(in.guest.closing, func() { cancel(errClosed) })()
	ctx, stop := context.WithTimeoutCause(ctx, r.limits.Wall, errWall)
	defer stop()
	ctx = context.WithValue(ctx, instanceKey{}, in)
	r.ctx, in.run = ctx, r
	in.mem.clear()
	in.stdout.crash, in.stderr.crash = "", ""
	in.fuel.begin(r.limits.Fuel)
	began := time.Now()
	in.turn.Begin(began)
	err := in.shielded(ctx, f)
	in.flush()
	r.wall, r.fuel = time.Since(began), in.fuel.end()
	err = in.verdict(err)
	in.run = nil
	return err
}

// shielded turns a panic of the SDK, or of what it calls outside of Wasm, into an error.
func (in *instance) shielded(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		if p := recover(); p != nil && p != errEnded {
			in.guest.engine.log.Error("a plugin's run panicked", "plugin", in.guest.name, "panic", p, "stack", string(debug.Stack()))
			in.run.fault = host.Errorf(opCall, abi.CodeInternal, "panic: %v", p)
			err = errEnded
		}
	}()
	return f(ctx)
}

// verdict says what the end of a run means to the caller. What the SDK said stays as the cause, for
// the log.
func (in *instance) verdict(err error) error {
	r := in.run
	switch {
	case r.fault != nil:
		return r.fault
	case r.ctx.Err() != nil && err != nil:
		return in.interruptedBy(context.Cause(r.ctx))
	}
	switch in.mem.refusal(err != nil) {
	case runner.RefusedByBudget:
		return host.Errorf(opCall, abi.CodeBusy, "the host has no memory left for Extism plugins: their budget of %s is in use", runner.Size(in.guest.engine.budget.Limit))
	case runner.RefusedByLimit:
		e := in.guest.overLimit("memory", runner.Size(in.guest.memoryLimit()), "the plugin ran out of memory")
		e.Err = err
		return e
	}
	if err != nil {
		return &host.Error{Op: opCall, Code: abi.CodeTrap, Message: in.crashText(err), Err: err}
	}
	return nil
}

func (in *instance) interruptedBy(cause error) error {
	wall := in.run.limits.Wall.String()
	switch {
	case errors.Is(cause, errWall):
		e := host.Errorf(opCall, abi.CodeDeadline, "the call ran into its time limit of %s", wall).
			WithHint("raise limits: wall: in %s.yaml, and config: extism: timeout_ms where it is set", in.guest.name)
		e.Err = cause
		return e
	case errors.Is(cause, errClosed):
		return host.Errorf(opCall, abi.CodeUnavailable, "plugin %s was closed while the call ran", in.guest.name)
	case errors.Is(cause, context.DeadlineExceeded):
		return host.Errorf(opCall, abi.CodeDeadline, "the call ran into its caller's deadline")
	}
	return host.Errorf(opCall, abi.CodeCancelled, "the call was cancelled")
}

// crashText is a crash in one line: what the plugin's own runtime said, or else the trap.
func (in *instance) crashText(err error) string {
	said := in.run.message
	if said == "" {
		said = in.stderr.crash
	}
	if said == "" {
		said = in.stdout.crash
	}
	var exit *sys.ExitError
	switch {
	case said != "":
		return "the plugin crashed: " + said
	case errors.As(err, &exit):
		return "the plugin ended itself: " + strings.TrimPrefix(exit.Error(), "module closed with ")
	}
	text, _, _ := strings.Cut(err.Error(), "\n")
	return "the plugin crashed: " + clip(strings.TrimPrefix(text, "wasm error: "))
}

// usable tells whether the instance may serve another call after one with this error: only what the
// plugin said itself leaves it whole.
func (in *instance) usable(err error) bool {
	var told *abi.Error
	return !in.ended && (err == nil || errors.As(err, &told))
}

// end ends the run for a reason.
func (in *instance) end(fault error) {
	if in.run.fault == nil {
		in.run.fault = fault
	}
	panic(errEnded)
}

// outside calls what is not the plugin's. A panic of it is the host's fault and not a crash of the
// plugin, for which the SDK would take it.
func (in *instance) outside(f func()) {
	defer func() {
		if p := recover(); p != nil {
			in.guest.engine.log.Error("an operation panicked", "plugin", in.guest.name, "panic", p, "stack", string(debug.Stack()))
			in.end(host.Errorf(opCall, abi.CodeInternal, "panic: %v", p))
		}
	}()
	f()
}

// check ends the run where its time is over.
func (in *instance) check() {
	if in.run.ctx.Err() != nil {
		panic(errEnded)
	}
}

// sleep is the plugin's way to wait. It ends with the run.
func (in *instance) sleep(ns int64) {
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.run.ctx.Done():
		panic(errEnded)
	}
}

func (in *instance) yield() { in.check() }

// flush passes on the lines that the plugin has not ended. What would end the run is caught here.
func (in *instance) flush() {
	defer func() {
		if p := recover(); p != nil && p != errEnded {
			panic(p)
		}
	}()
	in.stdout.flush()
	in.stderr.flush()
}

// close frees what the instance holds. No code of it may run any more.
func (in *instance) close() {
	if in.plugin != nil {
		if err := in.plugin.CloseWithContext(context.Background()); err != nil {
			in.guest.engine.log.Warn("an instance was not freed", "plugin", in.guest.name, "error", err)
		}
	}
	if err := in.mem.release(); err != nil {
		in.guest.engine.log.Warn("an instance's memory was not freed", "plugin", in.guest.name, "error", err)
	}
}
