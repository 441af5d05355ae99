// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestAModuleWaitsOnDiskForItsFirstCall(t *testing.T) {
	dir, wasm := t.TempDir(), echo().bytes()
	load(t, newEngine(t, Config{CacheDir: dir}), wasm, host.Limits{})

	e := newEngine(t, Config{CacheDir: dir}) // the manifest is known now, so nothing is compiled
	g := load(t, e, wasm, host.Limits{})
	if g.code.wasm != nil || g.code.compiled != nil {
		t.Errorf("%d bytes of a module that nobody calls are kept in memory, compiled: %v", len(g.code.wasm), g.code.compiled != nil)
	}
	out, _, err := g.Call(t.Context(), &host.GuestCall{Input: []byte("x"), Border: &border{}})
	if err != nil || string(out.Data) != "x" {
		t.Errorf("got %q, %v", out.Data, err)
	}
}

func TestAModuleThatChangedOnDiskIsNotRun(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"changed": func(file string) error { return os.WriteFile(file, tool([]byte{}, i32c(1)).bytes(), 0o600) },
		"deleted": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			dir, wasm := t.TempDir(), echo().bytes()
			load(t, newEngine(t, Config{CacheDir: dir}), wasm, host.Limits{})
			e := newEngine(t, Config{CacheDir: dir})
			g := load(t, e, wasm, host.Limits{})
			files, err := filepath.Glob(filepath.Join(dir, "modules", "*.wasm"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			if err := spoil(files[0]); err != nil {
				t.Fatal(err)
			}
			_, _, err = g.Call(t.Context(), &host.GuestCall{Input: []byte("x"), Border: &border{}})
			if host.CodeOf(err) != abi.CodeUnavailable || !strings.Contains(err.Error(), "taken from the cache") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOldModulesArePruned(t *testing.T) {
	m := modules{t.TempDir()}
	digests := []string{"sha256:" + strings.Repeat("a", 64), "sha256:" + strings.Repeat("b", 64)}
	for _, d := range digests {
		if kept, err := m.put(d, []byte(d)); err != nil || !kept {
			t.Fatal(kept, err)
		}
	}
	now := time.Now()
	old := now.Add(-keepModules - time.Minute)
	if err := os.Chtimes(m.path(digests[0]), old, old); err != nil {
		t.Fatal(err)
	}
	if err := m.prune(now); err != nil {
		t.Fatal(err)
	}
	_, gone := os.Stat(m.path(digests[0]))
	_, kept := os.Stat(m.path(digests[1]))
	if gone == nil || kept != nil {
		t.Errorf("the old one: %v, the new one: %v", gone, kept)
	}
}
