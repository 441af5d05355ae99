// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/runner"
)

// The entries that only the runner uses, beside those of package host.
const (
	entryDescribe host.Entry = -1
	entryStart    host.Entry = -2

	// entries is how many there are that an export stands for: from entryDescribe on.
	entries = host.EntryComplete - entryDescribe + 1
)

// task is one run of an instance's code.
type task struct {
	entry  host.Entry
	arg    uint64
	input  []byte
	room   []byte
	border host.Border
	limits host.Limits
}

// instance is one instantiated module. Whoever has it from the pool uses it alone; interrupt is the
// one method that others may call.
type instance struct {
	guest *guest
	mod   api.Module
	mem   *memory
	ctx   guestContext
	// functions are the exports by entry; see function.
	functions [entries]api.Function
	// image is what the instance is put back to after each call; nil where it is not.
	image   *image
	globals []api.MutableGlobal
	scanner *scanner
	// left is the guest's count of fuel, nil until it is instantiated.
	left    api.MutableGlobal
	counter meter.Counter
	turn    runner.Turn
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
	in := &instance{guest: g, fresh: true, scanner: newScanner()}
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
	def := compiled.ExportedMemories()[exportMemory]
	if in.mem, err = newMemory(in.guest.limits.MemoryBytes, maximumOf(def), &e.budget); err != nil {
		return host.E(opCall, abi.CodeBusy, fmt.Errorf("no address space for an instance: %w", err))
	}
	if in.mem.Reallocate(uint64(def.Min())*pageBytes) == nil {
		return in.outOfMemory()
	}
	lim := in.guest.limits
	lim.Wall, lim.Fuel = e.cfg.InitTimeout, 0
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
	f := &in.functions[entry-entryDescribe]
	if *f == nil {
		*f = in.mod.ExportedFunction(exportOf(entry))
	}
	return *f
}

func exportOf(entry host.Entry) string {
	return [entries]string{
		abi.ExportDescribe, abi.ExportCall, abi.ExportPrompt, abi.ExportRead, abi.ExportComplete,
	}[entry-entryDescribe]
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
		in.output = nil // which may be the caller's room
		return host.Output{}, err
	}
	return in.answer(abi.OutputKind(uint32(in.stack[0])))
}

// begin readies the instance for a run and arms its interruption.
func (in *instance) begin(ctx context.Context, t *task) {
	in.task = *t
	in.output, in.response, in.fault = t.room[:0], nil, nil
	in.ops, in.events, in.lines = 0, 0, 0
	in.stdout.crash, in.stderr.crash = "", ""
	in.mem.refused = runner.NotRefused
	in.mem.limit = min(t.limits.MemoryBytes, in.guest.limits.MemoryBytes)
	if in.left != nil {
		in.left.Set(uint64(uint32(in.counter.Begin(t.limits.Fuel))))
	}
	in.arm(ctx, t.limits.Wall)
	in.turn.Begin(in.began)
}

// finish disarms the interruption, says what err means and lets go of what belonged to the run.
func (in *instance) finish(err error) error {
	if in.left != nil {
		in.fuel = in.counter.End(int32(uint32(in.left.Get())))
	}
	in.flush()
	err = in.verdict(err)
	in.disarm()
	in.task, in.response = task{}, nil
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

// randomness is the guest's source of random bytes. A guest may ask for as many as its memory holds,
// so an interruption is looked at in between.
type randomness struct{ in *instance }

// Read reads some of what is asked for; wazero comes back for the rest.
func (r randomness) Read(p []byte) (int, error) {
	r.in.look()
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
