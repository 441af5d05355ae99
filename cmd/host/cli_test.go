// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain makes the test binary a gantry of its own for the scripts.
func TestMain(m *testing.M) {
	// A host that is opened inside this process compiles modules by starting its own program, which is
	// this one.
	if len(os.Args) > 1 && os.Args[1] == compileCommand {
		os.Exit(run(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
	}
	testscript.Main(m, map[string]func(){
		"gantry": func() {
			os.Exit(run(context.Background(), os.Args[1:], stdio{os.Stdin, os.Stdout, os.Stderr}))
		},
	})
}

// TestScripts runs the command line as a person types it; see testdata/script.
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if built, err := filepath.Glob("../../plugins/dist/*.wasm"); err != nil || len(built) == 0 {
		t.Fatal("the shipped plugins are not built; run make plugins (make test does)")
	}
	// Compiling under the race detector takes minutes, so make test brings the shipped plugins compiled
	// along; without it a program without the detector compiles them here.
	cache := os.Getenv("GANTRY_TEST_CACHE")
	if cache == "" {
		cache = t.TempDir()
		warm(t, cache)
	}
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("GANTRY_CACHE", cache)
			env.Setenv("GANTRY_DATA", filepath.Join(env.WorkDir, "data"))
			env.Setenv("ROOT", root)
			env.Setenv("HOME", env.WorkDir)
			for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH", "GOFLAGS", "GOPROXY", "PATH"} {
				if v := goEnv(name); v != "" {
					env.Setenv(name, v)
				}
			}
			return nil
		},
	})
}

// warm compiles the shipped plugins into a cache. That doctor finds fault is not its business.
func warm(t *testing.T, cache string) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "gantry")
	if text, err := exec.Command("go", "build", "-o", bin, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if text, err := exec.Command(bin, "doctor", "--data", t.TempDir(), "--cache", cache).CombinedOutput(); err != nil {
		t.Logf("doctor: %v: %s", err, text)
	}
}

// goEnv is a variable of the machine, or what the Go toolchain would use where it is not set.
func goEnv(name string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	switch name {
	case "GOCACHE":
		return filepath.Join(cache, "go-build")
	case "GOPATH":
		return filepath.Join(home, "go")
	case "GOMODCACHE":
		return filepath.Join(home, "go", "pkg", "mod")
	}
	return ""
}

func TestSettingsComeFromFlagThenVariableThenFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "g.yaml")
	if err := os.WriteFile(file, []byte("call-limit: 10s\nlog-level: debug\nmemory: 1GiB\nlisten: 127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errb strings.Builder
	s := &settings{}
	root := newRoot(stdio{strings.NewReader(""), &out, &errb})
	doctor, _, err := root.Find([]string{"doctor"})
	if err != nil {
		t.Fatal(err)
	}
	s.bind(doctor.Flags())
	if err := doctor.ParseFlags([]string{"--config", file, "--memory", "3GiB"}); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"GANTRY_LOG_LEVEL": "warn", "GANTRY_MEMORY": "2GiB"}
	if err := s.fill(doctor, func(k string) (string, bool) { v, ok := env[k]; return v, ok }); err != nil {
		t.Fatal(err)
	}
	if s.Memory != 3<<30 {
		t.Errorf("memory: got %v, want the flag's 3GiB", s.Memory)
	}
	if s.LogLevel != "warn" {
		t.Errorf("log-level: got %q, want the variable's warn", s.LogLevel)
	}
	if s.CallLimit.String() != "10s" {
		t.Errorf("call-limit: got %v, want the file's 10s", s.CallLimit)
	}
}

func TestWhatClientsAreTold(t *testing.T) {
	for _, c := range []struct {
		name string
		s    settings
		ok   bool
	}{
		{"a public URL with a path", settings{PublicURL: "https://example.com/gantry/"}, true},
		{"a public URL without a scheme is refused", settings{PublicURL: "example.com"}, false},
		{"a public URL with a password is refused", settings{PublicURL: "https://a:b@example.com"}, false},
		{"a public URL with a query is refused", settings{PublicURL: "https://example.com/?a"}, false},
		{"a server name", settings{ServerName: "acme-coworker"}, true},
		{"a server name with a blank is refused", settings{ServerName: "acme coworker"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.s.checkNames(); (err == nil) != c.ok {
				t.Errorf("got %v", err)
			}
		})
	}
	if got, want := (&settings{PublicURL: "https://example.com/gantry/"}).baseURL(), "https://example.com/gantry"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := (&settings{Listen: "0.0.0.0:8000"}).baseURL(), "http://127.0.0.1:8000"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
