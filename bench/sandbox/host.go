// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
	"github.com/gantryhost/gantry/registry"
)

// smallHost is the registry over the sandbox, and nothing else.
type smallHost struct {
	dir      string
	engine   *sandbox.Engine
	registry *registry.Registry
	room     [roomBytes]byte
}

func openHost(dir string) (*smallHost, error) {
	e, err := newEngine(filepath.Join(dir, "cache"))
	if err != nil {
		return nil, err
	}
	r, err := registry.Open(registry.Config{Dir: filepath.Join(dir, "plugins"), Loader: loader{e}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	return &smallHost{dir: dir, engine: e, registry: r}, nil
}

func (h *smallHost) close() {
	ctx := context.Background()
	if err := errors.Join(h.registry.Close(ctx), h.engine.Close(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "closing:", err)
	}
}

type loader struct{ engine *sandbox.Engine }

// Load implements registry.Loader.
func (l loader) Load(ctx context.Context, a *registry.Artifact) (host.Guest, *abi.Manifest, error) {
	return l.engine.Load(ctx, sandbox.Artifact{Name: a.Name, Digest: a.Digest, Wasm: a.Wasm, Limits: a.Settings.Limits, Isolation: a.Settings.Isolation})
}

// call calls a tool; its answer is there until the next call.
func (h *smallHost) call(ctx context.Context, tool string, input []byte) ([]byte, error) {
	ref, guest, release, ok := h.registry.Acquire(host.DefaultTenant, tool)
	if !ok {
		return nil, fmt.Errorf("the tool %s is not served: %v", tool, h.registry.Problems())
	}
	defer release()
	out, _, err := guest.Call(ctx, &host.GuestCall{
		Entry: host.EntryTool, Index: ref.Index, Tenant: host.DefaultTenant, Input: input, Border: noBorder{}, Room: h.room[:0],
	})
	return out.Data, err
}

const (
	childDir    = "GANTRY_BENCH_DIR"
	childWindow = "GANTRY_BENCH_WINDOW"
)

// told is what a host in a process of its own says: what it holds when it is ready, and what a call
// of one plugin costs and one of all in turn.
type told struct{ ReadyMS, ResidentMB, OneNS, AllNS float64 }

// serveChild is that process.
func serveChild(w io.Writer) error {
	window, err := time.ParseDuration(os.Getenv(childWindow))
	if err != nil {
		return err
	}
	h, err := openHost(os.Getenv(childDir))
	if err != nil {
		return err
	}
	defer h.close()
	enc := json.NewEncoder(w)
	if err := enc.Encode(true); err != nil {
		return err
	}
	debug.FreeOSMemory() // as the program does once it listens
	t := told{ResidentMB: residentMB()}
	if err := h.measure(&t, contest{rounds: 3, window: window}); err != nil {
		return err
	}
	return enc.Encode(t)
}

func (h *smallHost) measure(t *told, c contest) error {
	n := len(h.registry.Statuses())
	input := bytes.Repeat([]byte("x"), 1<<10)
	names := make([]string, n)
	for i := range names {
		names[i], _ = named(nil, i)
		names[i] += "_echo"
	}
	ctx := context.Background()
	calling := func(next func() string) func() error {
		return func() error {
			out, err := h.call(ctx, next(), input)
			if err == nil && !bytes.Equal(out, input) {
				err = fmt.Errorf("the answer is %.60q", out)
			}
			return err
		}
	}
	for _, name := range names { // compile, and make an instance
		if _, err := h.call(ctx, name, nil); err != nil {
			return err
		}
	}
	at := 0
	took, err := c.run(
		subject{"one", calling(func() string { return names[0] })},
		subject{"all", calling(func() string { at++; return names[at%n] })},
	)
	t.OneNS, t.AllNS = took["one"], took["all"]
	return err
}

// residentMB is the process's resident memory, or 0 where /proc does not tell.
func residentMB() float64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, after, _ := bytes.Cut(data, []byte("VmRSS:"))
	var kb float64
	if _, err := fmt.Sscanf(string(bytes.TrimSpace(after)), "%f kB", &kb); err != nil {
		return 0
	}
	return kb / 1000
}
