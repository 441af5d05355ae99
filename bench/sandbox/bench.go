// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
)

// bench is what the parts share: a folder, an engine, and what was built or opened on the way.
type bench struct {
	contest  contest
	quick    bool
	progress io.Writer

	dir    string
	engine *sandbox.Engine
	// undo is called at the end, the last first.
	undo []func() error
}

func (b *bench) open() error {
	var err error
	if b.dir, err = os.MkdirTemp("", "gantry-bench-"); err != nil {
		return err
	}
	b.undo = append(b.undo, func() error { return os.RemoveAll(b.dir) })
	b.engine, err = newEngine(filepath.Join(b.dir, "cache"))
	if err == nil {
		b.undo = append(b.undo, func() error { return b.engine.Close(context.Background()) })
	}
	return err
}

func newEngine(cache string) (*sandbox.Engine, error) {
	return sandbox.New(sandbox.Config{CacheDir: cache, MemoryBudget: 16 << 30, Logger: slog.New(slog.DiscardHandler)})
}

func (b *bench) close(err error) error {
	for i := len(b.undo) - 1; i >= 0; i-- {
		err = errors.Join(err, b.undo[i]())
	}
	return err
}

// build compiles one of the guests in testdata. The variables are set by the linker.
func (b *bench) build(guest string, variables ...string) ([]byte, error) {
	out := filepath.Join(b.dir, guest+".wasm")
	flags := "-s -w"
	for _, v := range variables {
		flags += " -X main." + v
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags="+flags, "-o", out, "./bench/sandbox/testdata/src/"+guest)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the guest %s (run this from the repository's root): %w\n%s", guest, err, text)
	}
	return os.ReadFile(out)
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// caller is a context that may be cancelled, as those of requests; it is at the end.
func (b *bench) caller() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	b.undo = append(b.undo, func() error { cancel(); return nil })
	return ctx
}

// load makes a guest of our own sandbox.
func (b *bench) load(wasm []byte, isolation host.Isolation) (host.Guest, error) {
	g, _, err := b.engine.Load(context.Background(), sandbox.Artifact{
		Name: "bench", Digest: digestOf(wasm), Wasm: wasm, Isolation: isolation, Limits: host.Limits{MemoryBytes: 64 << 20},
	})
	return g, err
}

// calling calls a tool of a guest as the host does: with a context that may be cancelled, and room
// for an answer that calls use one after the other. A nil want takes any answer.
func (b *bench) calling(name string, g host.Guest, tool int, input, want []byte) subject {
	ctx := b.caller()
	c := &host.GuestCall{Entry: host.EntryTool, Index: tool, Tenant: host.DefaultTenant, Input: input, Border: noBorder{}, Room: make([]byte, 0, roomBytes)}
	return subject{name, func() error {
		out, _, err := g.Call(ctx, c)
		if err == nil && want != nil && !bytes.Equal(out.Data, want) {
			err = fmt.Errorf("the answer is %.60q, not %.60q", out.Data, want)
		}
		return err
	}}
}

// roomBytes is what the host keeps for answers; those that are larger get memory of their own.
const roomBytes = 16 << 10

// noBorder is for guests that ask for nothing.
type noBorder struct{}

func (noBorder) Emit(context.Context, abi.EventKind, []byte) error { return nil }
func (noBorder) Log(context.Context, abi.LogLevel, []byte)         {}
func (noBorder) Op(_ context.Context, name string, _ []byte) ([]byte, error) {
	return nil, host.Errorf("bench", abi.CodeForbidden, "no operation is there, %s neither", name)
}
