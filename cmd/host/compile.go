// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
)

const compileCommand = "compile-module"

// exitContract says that the module does not compile; standard output has the reason.
const exitContract = 10

// newCompile is the command this program starts itself with to compile one module: a process whose
// CPU time and memory have a ceiling, since compiling takes what the module's author likes.
func newCompile(std stdio) *cobra.Command {
	cmd := &cobra.Command{
		Use:    compileCommand + " CACHE CPU-SECONDS MEMORY-BYTES",
		Short:  "Compile the module on standard input into a cache folder",
		Hidden: true,
		Args:   cobra.ExactArgs(3),
		// It reads no settings: who started it has decided everything.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(cmd *cobra.Command, args []string) error {
			seconds, err := strconv.ParseUint(args[1], 10, 32)
			if err != nil {
				return usageError{fmt.Errorf("CPU-SECONDS: %w", err)}
			}
			memory, err := strconv.ParseUint(args[2], 10, 63)
			if err != nil {
				return usageError{fmt.Errorf("MEMORY-BYTES: %w", err)}
			}
			wasm, err := io.ReadAll(std.in)
			if err != nil {
				return err
			}
			if err := setCeilings(seconds, memory); err != nil {
				return err
			}
			err = sandbox.Precompile(cmd.Context(), args[0], wasm)
			if host.CodeOf(err) == abi.CodeContract {
				fmt.Fprint(std.out, host.Outward(err).Message)
				return contractError{err}
			}
			return err
		},
	}
	return cmd
}

// contractError is a module that does not compile; it has been printed.
type contractError struct{ error }

// compiler compiles modules for the sandbox in processes of their own.
type compiler struct {
	cache  string
	cpu    time.Duration
	memory int64
	log    *slog.Logger
}

// Compile is a sandbox.Config.Compiler.
func (c *compiler) Compile(ctx context.Context, wasm []byte) error {
	seconds := int64((c.cpu + time.Second - 1) / time.Second)
	// Wall time is bounded too, should the machine be so busy that CPU time does not pass.
	ctx, cancel := context.WithTimeout(ctx, 10*time.Duration(seconds)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, ownProgram, compileCommand, c.cache, strconv.FormatInt(seconds, 10), strconv.FormatInt(c.memory, 10))
	cmd.Args[0] = os.Args[0]
	// No secret of the host's environment, one core, and no stacks of thousands of lines at the end.
	cmd.Env = []string{"GOMAXPROCS=1", "GOTRACEBACK=none", "GOMEMLIMIT=" + strconv.FormatInt(c.memory/10*9, 10)}
	cmd.Stdin = bytes.NewReader(wasm)
	var said, complaint head
	cmd.Stdout, cmd.Stderr = &said, &complaint
	cmd.SysProcAttr = diesWithParent()
	// The thread that starts it has to stay: it is the parent whose death the kernel watches.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	start := time.Now()
	err := cmd.Run()
	c.log.Debug("compiled aside", "bytes", len(wasm), "took", time.Since(start), "err", err)
	if err == nil {
		return nil
	}
	return c.verdict(ctx, cmd.ProcessState, outcome{err, said.String(), complaint.String()})
}

// outcome is how a compiling process ended.
type outcome struct {
	err             error
	said, complaint string
}

// verdict says why a compiling process failed.
func (c *compiler) verdict(ctx context.Context, state *os.ProcessState, o outcome) error {
	const op = "compile"
	memory := byteSize(c.memory)
	var exit *exec.ExitError
	if !errors.As(o.err, &exit) {
		return host.E(op, abi.CodeUnavailable, fmt.Errorf("the process that compiles modules could not be started: %w", o.err))
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case outOfMemory(o.complaint) || outOfMemory(o.said):
		return host.Errorf(op, abi.CodeLimit, "compiling the module took more than %s of memory", memory.String()).
			WithHint("where the plugin is trusted, the operator can serve with a higher --compile-memory")
	case exit.ExitCode() == exitContract:
		return host.Errorf(op, abi.CodeContract, "%s", o.said)
	case status.Signaled() && state.UserTime()+state.SystemTime() >= c.cpu-time.Second/2,
		errors.Is(ctx.Err(), context.DeadlineExceeded):
		return host.Errorf(op, abi.CodeLimit, "compiling the module took more than %s of CPU time", c.cpu).
			WithHint("where the plugin is trusted, the operator can serve with a higher --compile-cpu")
	case ctx.Err() != nil:
		return host.E(op, host.CodeOf(ctx.Err()), ctx.Err())
	}
	return host.E(op, abi.CodeInternal, fmt.Errorf("compiling: %w: %s", o.err, o.complaint))
}

// outOfMemory knows how Go's runtime says that it was given no more.
func outOfMemory(text string) bool {
	for _, s := range []string{"out of memory", "cannot allocate memory", "failed to allocate", "failed to create new OS thread"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// head keeps the first few kilobytes that are written to it.
type head struct{ strings.Builder }

// Write never fails.
func (h *head) Write(p []byte) (int, error) {
	h.Builder.Write(p[:min(len(p), max(0, 4096-h.Len()))])
	return len(p), nil
}
