// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// aside is a Config.Compiler in this process that counts what it was handed.
type aside struct {
	dir   string
	asked int
	err   error
}

func (a *aside) compile(ctx context.Context, wasm []byte) error {
	a.asked++
	if a.err != nil {
		return a.err
	}
	return Precompile(ctx, a.dir, wasm)
}

func compiledFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "code", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCompilingAside(t *testing.T) {
	wasm := tool(i32c(2)).bytes()
	a := &aside{dir: t.TempDir()}
	e := newEngine(t, Config{CacheDir: a.dir, Compiler: a.compile})
	t.Run("a ceiling's error is the plugin's", func(t *testing.T) {
		a.err = host.Errorf("test", abi.CodeLimit, "too dear")
		_, _, err := e.Load(t.Context(), Artifact{Name: "x", Digest: digestOf(wasm), Wasm: wasm})
		if !errors.Is(err, a.err) || a.asked != 1 || len(compiledFiles(t, a.dir)) != 0 {
			t.Errorf("got %v after asking %d times; compiled %v", err, a.asked, compiledFiles(t, a.dir))
		}
		a.err = nil
	})
	t.Run("what was refused is tried again, and the host finds the code", func(t *testing.T) {
		if _, err := callTool(t.Context(), load(t, e, wasm, host.Limits{}), 0, "", nil); err != nil {
			t.Fatal(err)
		}
		if files := compiledFiles(t, a.dir); a.asked != 2 || len(files) != 1 {
			t.Errorf("asked %d times; compiled %v", a.asked, files)
		}
	})
	t.Run("it is not asked again after a restart", func(t *testing.T) {
		e := newEngine(t, Config{CacheDir: a.dir, Compiler: a.compile})
		if _, err := callTool(t.Context(), load(t, e, wasm, host.Limits{}), 0, "", nil); err != nil || a.asked != 2 {
			t.Errorf("got %v, asked %d times", err, a.asked)
		}
	})
	t.Run("what does not compile breaks the contract, as it does in this process", func(t *testing.T) {
		bad := tool(drop).bytes()
		_, _, err := e.Load(t.Context(), Artifact{Name: "x", Digest: digestOf(bad), Wasm: bad})
		wantCode(t, err, abi.CodeContract)
		if marks, _ := os.ReadDir(filepath.Join(a.dir, provenDir)); len(marks) != 1 {
			t.Errorf("got %d marks, want that of the good module alone", len(marks))
		}
	})
	t.Run("a compilation ends with the engine", func(t *testing.T) {
		started := make(chan struct{})
		e, err := New(Config{CacheDir: t.TempDir(), Compiler: func(ctx context.Context, _ []byte) error {
			close(started)
			<-ctx.Done()
			return ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		failed := make(chan error, 1)
		go func() {
			_, _, err := e.Load(context.WithoutCancel(t.Context()), Artifact{Name: "x", Digest: digestOf(wasm), Wasm: wasm})
			failed <- err
		}()
		<-started
		if err := errors.Join(e.Close(t.Context())); err != nil {
			t.Error(err)
		}
		if err := <-failed; err == nil {
			t.Error("the load went well")
		}
	})
}
