// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/gantryhost/gantry/host/sandbox"
	"github.com/gantryhost/gantry/host/sandbox/hostile"
)

// The ceilings of gantry serve, as they are by default.
const (
	cpuSeconds  = 30
	memoryBytes = 1 << 30
)

// compiled is what compiling one module took.
type compiled struct {
	shape  string
	bytes  int
	took   time.Duration
	cpu    time.Duration
	peak   int64
	result string
}

// compileHeaviest compiles each of the heaviest modules as gantry serve does.
func compileHeaviest(gantry string) (out []compiled, err error) {
	dir, err := os.MkdirTemp("", "gantry-hostile-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var now *compiled
	e, err := sandbox.New(sandbox.Config{
		CacheDir: dir, Logger: slog.New(slog.DiscardHandler),
		Compiler: func(ctx context.Context, wasm []byte) error { return now.compile(ctx, gantry, dir, wasm) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	for _, s := range hostile.Heaviest() {
		now = &compiled{shape: s.Name, bytes: len(s.Wasm("hostile"))}
		if g, err := load(e, artifact(&s)); err == nil {
			_ = g.Close(context.Background()) // nothing of it runs
		} else if now.result == "" {
			now.result = err.Error()
		}
		out = append(out, *now)
	}
	return out, nil
}

// compile is a sandbox.Config.Compiler that notes what it took.
func (c *compiled) compile(ctx context.Context, gantry, dir string, wasm []byte) error {
	cmd := exec.CommandContext(ctx, gantry, "compile-module", dir, strconv.Itoa(cpuSeconds), strconv.Itoa(memoryBytes))
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none", "GOMEMLIMIT=" + strconv.Itoa(memoryBytes/10*9)}
	cmd.Stdin = bytes.NewReader(wasm)
	var said bytes.Buffer
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	c.took, c.result = time.Since(start), "compiled"
	if cmd.ProcessState == nil {
		return err
	}
	c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.peak = u.Maxrss << 10
	}
	if err != nil {
		first, _, _ := bytes.Cut(said.Bytes(), []byte("\n"))
		c.result = fmt.Sprintf("refused: %v %s", err, first)
	}
	return err
}
