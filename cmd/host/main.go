// Copyright 2026 The Gantry Authors.

// Command host is Gantry: the program that loads plugins as sandboxed Wasm and serves their tools
// over MCP, REST and this command line. It is built as bin/gantry.
//
// It holds the flags, the settings file, the wiring of all parts (wire.go) and the commands; what
// the parts do is in the packages below host.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// version is set by the linker.
var version = "dev"

// The exit codes, as `gantry --help` lists them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitTool   = 3
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
}

// stdio is where a command reads and writes, so that a test can stand in.
type stdio struct {
	in       io.Reader
	out, err io.Writer
}

// usageError is a mistake in the words of the command line.
type usageError struct{ error }

// toolError is a tool that ran and answered with an error; it has been printed.
type toolError struct{ error }

// run is main without the process: it returns the exit code.
func run(ctx context.Context, args []string, std stdio) int {
	root := newRoot(std)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var tool toolError
	var contract contractError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &tool):
		return exitTool
	case errors.As(err, &contract):
		return exitContract
	case errors.As(err, &usage):
		fmt.Fprintf(std.err, "gantry: %v\n", err)
		return exitUsage
	}
	printError(std.err, err)
	return exitFailed
}

// printError tells a person what failed and, where it is known, what to do. The command line is
// its owner's own, so a cause is shown even when a network caller would not see it.
func printError(w io.Writer, err error) {
	out := host.Outward(err)
	msg := out.Message
	if out.Code == abi.CodeInternal {
		msg = err.Error()
	}
	fmt.Fprintf(w, "gantry: %s\n", msg)
	if out.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", out.Hint)
	}
}
