// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"runtime/debug"
	"time"

	"github.com/tetratelabs/wazero"

	"github.com/gantryhost/gantry/host"
)

// code is one module's compiled form, shared by all guests of the same digest: two generations of a
// plugin that differ in their settings alone compile once. Its fields are guarded by Engine.mu.
type code struct {
	engine *Engine
	key    string
	digest string
	// wasm is the admitted module, nil where the engine's modules keep it; it is dropped when it has
	// been compiled.
	wasm []byte
	// refs counts the guests, instances and compilations that need it.
	refs     int
	compiled wazero.CompiledModule
	// state is set with compiled, and not changed after.
	state   state
	running *compilation
}

// compilation is one attempt; done is closed when it is over.
type compilation struct {
	done chan struct{}
	err  error
}

// get returns the compiled module with a reference that the caller gives back by release. The first
// caller sets the compilation off, all wait for it, each no longer than its ctx. A failed attempt is
// not remembered, since a full disk may be to blame.
func (c *code) get(ctx context.Context) (wazero.CompiledModule, error) {
	for {
		e := c.engine
		e.mu.Lock()
		if c.compiled != nil {
			c.refs++
			defer e.mu.Unlock()
			return c.compiled, nil
		}
		if c.running == nil {
			run := &compilation{done: make(chan struct{})}
			c.running = run
			c.refs++
			e.workers.Go(func() { c.compile(run) })
		}
		running := c.running
		e.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, host.E(opCall, host.CodeOf(ctx.Err()), ctx.Err())
		case <-running.done:
			if running.err != nil {
				return nil, running.err
			}
		}
	}
}

// done tells whether the module has been compiled.
func (c *code) done() bool {
	c.engine.mu.Lock()
	defer c.engine.mu.Unlock()
	return c.compiled != nil
}

// compile runs on a goroutine of the engine's, because the first caller may give up before it is
// done and others still wait.
func (c *code) compile(run *compilation) {
	e := c.engine
	start := time.Now()
	compiled, st, err := c.build()
	took := time.Since(start)
	if err == nil {
		e.log.Debug("compiled", "module", c.key, "took", took)
	} else {
		run.err = err
	}
	e.mu.Lock()
	e.past.Compiles++
	e.past.Compiling += took
	if err == nil {
		c.compiled, c.state, c.wasm = compiled, st, nil
	}
	c.running = nil
	e.mu.Unlock()
	// Before those who wait hear of it: the guest of each has a reference of its own, and one that then
	// closes is to leave nothing behind.
	c.release()
	close(run.done)
}

// build compiles on the calling goroutine alone, without wazero's workers: a fault of the compiler is
// then a panic that can be caught here, and not the end of the process.
func (c *code) build() (compiled wazero.CompiledModule, st state, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.engine.log.Error("the compiler panicked", "module", c.key, "panic", r, "stack", string(debug.Stack()))
			err = contractf("the module does not compile: the compiler gave up: %v", r)
		}
	}()
	wasm := c.wasm
	if wasm == nil {
		if wasm, err = c.engine.modules.get(c.digest); err != nil {
			return nil, st, err
		}
	}
	wasm, st, err = prepare(wasm, c.engine.cfg.Admission)
	if err != nil {
		return nil, st, err
	}
	if err := c.aside(wasm); err != nil {
		return nil, st, err
	}
	compiled, err = c.engine.runtime.CompileModule(context.Background(), wasm)
	if err != nil {
		return nil, st, contractf("the module does not compile: %w", err)
	}
	return compiled, st, nil
}

// release gives a reference back. With the last one the compiled code goes.
func (c *code) release() {
	e := c.engine
	e.mu.Lock()
	c.refs--
	last := c.refs == 0
	if last {
		delete(e.codes, c.key)
	}
	e.mu.Unlock()
	if last && c.compiled != nil {
		if err := c.compiled.Close(context.Background()); err != nil {
			e.log.Warn("compiled code was not freed", "module", c.key, "error", err)
		}
	}
}
