// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// lines is a log that can be counted in.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), text)
}

func logged() (*slog.Logger, *lines) {
	l := &lines{}
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug})), l
}

func TestCompiling(t *testing.T) {
	wasm := tool(i32c(2)).bytes()
	dir := t.TempDir()
	log, said := logged()
	first := newEngine(t, Config{CacheDir: dir, Logger: log})
	load(t, first, wasm, host.Limits{})
	if n := said.count("msg=compiled"); n != 1 {
		t.Fatalf("the first load compiled %d times, want 1", n)
	}

	log, said = logged()
	e := newEngine(t, Config{CacheDir: dir, Logger: log})
	g, m, err := e.Load(t.Context(), Artifact{Name: "guest", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a known manifest needs no compiling, also after a restart", func(t *testing.T) {
		if n := said.count("msg=compiled"); n != 0 || m.Name != "asm" || len(m.Tools) != 2 {
			t.Errorf("compiled %d times, manifest %+v", n, m)
		}
	})
	other := load(t, e, wasm, host.Limits{Ops: 7})
	t.Run("the first calls compile once between them", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				g := []*guest{g.(*guest), other}[i%2]
				if _, err := callTool(t.Context(), g, 0, "", nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := said.count("msg=compiled"); n != 1 {
			t.Errorf("compiled %d times, want 1", n)
		}
	})
	t.Run("code goes with the last guest that needs it", func(t *testing.T) {
		if err := g.Close(t.Context()); err != nil || len(e.codes) != 1 {
			t.Errorf("%d codes, %v; want 1", len(e.codes), err)
		}
		if _, err := callTool(t.Context(), other, 0, "", nil); err != nil {
			t.Error(err)
		}
		if err := other.Close(t.Context()); err != nil || len(e.codes) != 0 {
			t.Errorf("%d codes, %v; want 0", len(e.codes), err)
		}
	})
	t.Run("a caller that gives up leaves the compiling to the others", func(t *testing.T) {
		g := load(t, e, wasm, host.Limits{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.code.get(ctx); err != nil {
			wantCode(t, err, abi.CodeCancelled)
		} else {
			g.code.release()
		}
		if _, err := callTool(t.Context(), g, 0, "", nil); err != nil {
			t.Error(err)
		}
	})
	t.Run("a manifest file that is damaged is asked for again", func(t *testing.T) {
		path := e.manifests.path(digestOf(wasm))
		if err := os.WriteFile(path, []byte(`{"abi":1,`), 0o600); err != nil {
			t.Fatal(err)
		}
		load(t, e, wasm, host.Limits{})
		if e.manifests.get(digestOf(wasm)) == nil {
			t.Error("the file was not replaced")
		}
	})
}

func TestLogOutsideOfCalls(t *testing.T) {
	log, said := logged()
	e := newEngine(t, Config{Logger: log})
	m := tool(i32c(2))
	// The start function logs the manifest's first 5 bytes, and asks for an operation in vain.
	m.funcs = append(m.funcs, asmFunc{"", signature{}, bytes.Join([][]byte{
		i32c(4), i32c(manifestAt), i32c(5), call(fnLog), i32c(0), i32c(0), i32c(0), i32c(0), call(fnOp), drop}, nil)})
	m.start = 2
	load(t, e, m.bytes(), host.Limits{})
	if said.count(`level=WARN msg="{\"abi" plugin=guest`) != 1 {
		t.Errorf("the log is %s", said.String())
	}
}

func FuzzManifest(f *testing.F) {
	f.Add(asmManifest)
	f.Add(`{"abi":1,"name":"x","tools":[{"name":"a","input_schema":{"type":"object"}}],"prompts":[{"name":"p"}]}`)
	f.Add(`[]`)
	f.Add(strings.Repeat(`{"a":`, 2000))
	e := newEngine(f, Config{})
	f.Fuzz(func(t *testing.T, text string) {
		m := tool(i32c(2))
		m.data = text
		if len(text) > manifestAt {
			return
		}
		wasm := m.bytes()
		g, got, err := e.Load(t.Context(), Artifact{Name: "x", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
		if err != nil {
			wantCode(t, err, abi.CodeContract)
			return
		}
		if err := got.Validate(); err != nil {
			t.Errorf("an invalid manifest was taken: %v", err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
