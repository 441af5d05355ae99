// Copyright 2026 The Gantry Authors.

package scaffold_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/pdk/scaffold"
)

func TestFilesCarryTheName(t *testing.T) {
	files, err := scaffold.Files("my-plugin")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"README.md", "go.mod", "main.go", "main_test.go", "my-plugin.yaml"}
	if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for name, text := range files {
		if strings.Contains(string(text), "NAME") {
			t.Errorf("%s still says NAME", name)
		}
	}
}

func TestABadNameIsRefused(t *testing.T) {
	for _, name := range []string{"", "../x", "Text", "a b"} {
		if _, err := scaffold.Files(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// TestANewPluginWorks does what the README says, against this checkout and without a network.
func TestANewPluginWorks(t *testing.T) {
	files, err := scaffold.Files("my-plugin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		env  []string
		args string
	}{
		{nil, "mod edit -require github.com/gantryhost/gantry@v0.0.0 -replace github.com/gantryhost/gantry=" + root},
		{nil, "vet ."},
		{nil, "test ."},
		{[]string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "build -trimpath -buildmode=c-shared -o my-plugin.wasm ."},
	} {
		cmd := exec.CommandContext(t.Context(), "go", strings.Fields(step.args)...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
		cmd.Env = append(cmd.Env, step.env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", step.args, err, out)
		}
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "my-plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, export := range []string{"gantry_describe", "gantry_call", "gantry_prompt", "gantry_read", "gantry_complete", "memory", "_initialize"} {
		if !strings.Contains(string(wasm), string(rune(len(export)))+export) {
			t.Errorf("the module does not export %s", export)
		}
	}
}
