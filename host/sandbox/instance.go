// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
)

// The entries that only the runner uses, beside those of package host.
const (
	entryDescribe host.Entry = -1
	entryStart    host.Entry = -2
)

// task is one run of an instance's code.
type task struct {
	entry  host.Entry
	arg    uint64
	input  []byte
	border host.Border
	limits host.Limits
}

// instance is one instantiated module. Whoever has it from the pool uses it alone; interrupt is the
// one method that others may call.
type instance struct {
	guest     *guest
	mod       api.Module
	mem       *memory
	ctx       guestContext
	functions map[host.Entry]api.Function
	// image is what the instance is put back to after each call; nil where it is not.
	image   *image
	globals []api.MutableGlobal
	scanner *scanner
	// left is the guest's count of fuel, nil until it is instantiated.
	left    api.MutableGlobal
	counter meter.Counter
	stdout  stream
	stderr  stream

	// tenant is the only one it has served; fresh says that it has served none.
	tenant    host.TenantID
	fresh     bool
	idleSince time.Time
	bornBytes int64
	interruption

	// What follows belongs to the run.
	task     task
	parent   context.Context
	opCtx    context.Context
	deadline time.Time
	stack    [1]uint64
	scratch  []byte
	output   []byte
	response []byte
	fault    error
	fuel     uint64
	ops      int
	events   int
	lines    int
}

// newInstance makes an instance, compiling the module first where nobody has, and runs its start
// function and _initialize under Config.InitTimeout.
func newInstance(ctx context.Context, g *guest) (*instance, error) {
	compiled, err := g.code.get(ctx)
	if err != nil {
		return nil, err
	}
	in := &instance{guest: g, fresh: true, scanner: newScanner(), functions: map[host.Entry]api.Function{}}
	in.ctx.in = in
	in.interruption.init()
	in.stdout = stream{in: in, level: abi.LogInfo}
	in.stderr = stream{in: in, level: abi.LogWarn}
	if err := in.begun(ctx, compiled, g.code.state); err != nil {
		in.close()
		return nil, err
	}
	in.bornBytes = in.mem.size
	return in, nil
}

// start instantiates the module and initialises it, or wakes it up from an image.
func (in *instance) start(ctx context.Context, compiled wazero.CompiledModule, im *image) (err error) {
	e := in.guest.engine
	if in.mem, err = newMemory(in.guest.limits.MemoryBytes, &e.budget); err != nil {
		return host.E(opCall, abi.CodeBusy, fmt.Errorf("no address space for an instance: %w", err))
	}
	least := uint64(compiled.ExportedMemories()[exportMemory].Min()) * pageBytes
	if in.mem.Reallocate(least) == nil {
		return in.outOfMemory()
	}
	lim := in.guest.limits
	lim.Wall = e.cfg.InitTimeout
	in.begin(ctx, &task{entry: entryStart, limits: lim})
	err = in.instantiate(compiled)
	if err == nil {
		in.left, _ = in.mod.ExportedGlobal(meter.ExportLeft).(api.MutableGlobal)
		err = in.initialize(im)
	}
	return in.finish(err)
}

// initialize runs _initialize, or brings the instance to where the image's was after it.
func (in *instance) initialize(im *image) error {
	if im != nil {
		return in.wake(im)
	}
	if f := in.mod.ExportedFunction(exportInitialize); f != nil {
		return f.CallWithStack(&in.ctx, in.stack[:])
	}
	return nil
}

// instantiate turns a panic into an error: what wazero does to a module before it runs is not under
// its own recover.
func (in *instance) instantiate(compiled wazero.CompiledModule) (err error) {
	defer func() {
		if r := recover(); r != nil {
			in.guest.engine.log.Error("instantiating panicked", "plugin", in.guest.name, "panic", r, "stack", string(debug.Stack()))
			err = fmt.Errorf("the module cannot be instantiated: %v", r)
		}
	}()
	cfg := wazero.NewModuleConfig().WithName("").WithStartFunctions().WithArgs(in.guest.name).
		WithStdout(&in.stdout).WithStderr(&in.stderr).WithRandSource(randomness{in}).
		WithSysWalltime().WithSysNanotime().WithNanosleep(in.sleep)
	in.mod, err = in.guest.engine.runtime.InstantiateModule(experimental.WithMemoryAllocator(&in.ctx, in.mem), compiled, cfg)
	return err
}

// function returns the export for an entry, or nil. Each has a stack of its own, so it is kept.
func (in *instance) function(entry host.Entry) api.Function {
	f, ok := in.functions[entry]
	if !ok {
		f = in.mod.ExportedFunction(exportOf(entry))
		in.functions[entry] = f
	}
	return f
}

func exportOf(entry host.Entry) string {
	return map[host.Entry]string{
		entryDescribe: abi.ExportDescribe, host.EntryTool: abi.ExportCall, host.EntryPrompt: abi.ExportPrompt,
		host.EntryRead: abi.ExportRead, host.EntryComplete: abi.ExportComplete,
	}[entry]
}

// call runs one entry to its end and reads the answer.
func (in *instance) call(ctx context.Context, t *task) (host.Output, error) {
	f := in.function(t.entry)
	if f == nil {
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin does not export %s", exportOf(t.entry))
	}
	in.begin(ctx, t)
	in.stack[0] = t.arg
	err := in.finish(f.CallWithStack(&in.ctx, in.stack[:]))
	if err != nil {
		return host.Output{}, err
	}
	return in.answer(abi.OutputKind(uint32(in.stack[0])))
}

// begin readies the instance for a run and arms its interruption.
func (in *instance) begin(ctx context.Context, t *task) {
	in.task, in.parent = *t, ctx
	in.output, in.response, in.fault = nil, nil, nil
	in.ops, in.events, in.lines = 0, 0, 0
	in.stdout.crash, in.stderr.crash = "", ""
	in.mem.refused = refusedNothing
	in.mem.limit = min(t.limits.MemoryBytes, in.guest.limits.MemoryBytes)
	if in.left != nil {
		in.left.Set(uint64(uint32(in.counter.Begin(0))))
	}
	in.deadline = in.arm(ctx, t.limits.Wall)
}

// finish disarms the interruption, says what err means and lets go of what belonged to the run.
func (in *instance) finish(err error) error {
	if in.left != nil {
		in.fuel = in.counter.End(int32(uint32(in.left.Get())))
	}
	in.flush()
	in.disarm()
	err = in.verdict(err)
	in.endOps()
	in.task, in.parent, in.opCtx, in.response = task{}, nil, nil, nil
	return err
}

// flush passes on the lines that the guest has not ended. The border is called outside of the
// guest's code here, so what would end the call is caught here.
func (in *instance) flush() {
	defer func() {
		if r := recover(); r != nil && r != errEnded {
			panic(r)
		}
	}()
	in.stdout.flush()
	in.stderr.flush()
}

// opContext is the context of the run's operations: the caller's, with the run's deadline. It is
// made at the first one, as many calls need none.
func (in *instance) opContext() context.Context {
	if in.opCtx == nil {
		ctx, cancel := context.WithDeadline(in.parent, in.deadline)
		in.opCtx = ctx
		in.watchOps(cancel)
	}
	return in.opCtx
}

// sleep is the guest's way to wait. It ends with the call.
func (in *instance) sleep(ns int64) {
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.interrupted:
		in.end(errInterrupted)
	}
}

// checkInterrupted ends the call where it has been interrupted.
func (in *instance) checkInterrupted() {
	select {
	case <-in.interrupted:
		in.end(errInterrupted)
	default:
	}
}

// randomness is the guest's source of random bytes. A guest may ask for as many as its memory holds,
// so an interruption is looked at in between.
type randomness struct{ in *instance }

// Read reads some of what is asked for; wazero comes back for the rest.
func (r randomness) Read(p []byte) (int, error) {
	r.in.checkInterrupted()
	return rand.Read(p[:min(len(p), 1<<20)])
}

// close frees what the instance holds. No code of it may run any more.
func (in *instance) close() {
	var err error
	if in.mod != nil {
		err = in.mod.Close(context.Background())
	}
	if in.mem != nil {
		err = errors.Join(err, in.mem.release())
	}
	if err != nil {
		in.guest.engine.log.Warn("an instance was not freed", "plugin", in.guest.name, "error", err)
	}
	in.guest.code.release()
}

// cause is why a run was interrupted.
type cause int

const (
	causeNone cause = iota
	causeWall
	causeDeadline
	causeCancelled
	causeClosed
)

func causeOf(ctxErr error) cause {
	if errors.Is(ctxErr, context.DeadlineExceeded) {
		return causeDeadline
	}
	return causeCancelled
}

// interruption ends a run from outside, once: the instance cannot be used after it.
type interruption struct {
	// interrupted is closed by interrupt. The guest's next tick or other call of the host sees it.
	interrupted chan struct{}
	// spoiled says that an interruption came when the run was over already.
	spoiled bool
	timer   *time.Timer
	unwatch func() bool

	mu        sync.Mutex
	cause     cause
	timeCause cause
	cancelOps context.CancelFunc
}

func (i *interruption) init() { i.interrupted = make(chan struct{}) }

// arm lets the run end after wall, by the context's deadline or with the context, whatever is first.
func (i *interruption) arm(ctx context.Context, wall time.Duration) time.Time {
	now := time.Now()
	end, why := now.Add(wall), causeWall
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end, why = d, causeDeadline
	}
	i.timeCause = why
	if i.timer == nil {
		i.timer = time.AfterFunc(end.Sub(now), func() { i.interrupt(i.timeCause) })
	} else {
		i.timer.Reset(end.Sub(now))
	}
	if ctx.Done() != nil {
		i.unwatch = context.AfterFunc(ctx, func() { i.interrupt(causeOf(ctx.Err())) })
	}
	return end
}

func (i *interruption) disarm() {
	if !i.timer.Stop() {
		i.spoiled = true
	}
	if i.unwatch != nil && !i.unwatch() {
		i.spoiled = true
	}
	i.unwatch = nil
}

// interrupt ends the run; the first cause counts.
func (i *interruption) interrupt(why cause) {
	i.mu.Lock()
	first, cancel := i.cause == causeNone, i.cancelOps
	if first {
		i.cause = why
	}
	i.mu.Unlock()
	if !first {
		return
	}
	close(i.interrupted)
	if cancel != nil {
		cancel()
	}
}

func (i *interruption) why() cause {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cause
}

// watchOps lets an interruption cancel the run's operations too.
func (i *interruption) watchOps(cancel context.CancelFunc) {
	i.mu.Lock()
	i.cancelOps = cancel
	late := i.cause != causeNone
	i.mu.Unlock()
	if late {
		cancel()
	}
}

func (i *interruption) endOps() {
	i.mu.Lock()
	cancel := i.cancelOps
	i.cancelOps = nil
	i.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}
