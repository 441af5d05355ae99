// Copyright 2026 The Gantry Authors.

// Package gantrytest starts the real binary for end-to-end tests and speaks to it as a stranger
// would: over HTTP, over MCP's wire format, and through the command line.
//
// It imports nothing of the host, so that what it proves is what the outside sees.
package gantrytest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Host is a running gantry serve.
type Host struct {
	Bin     string
	Data    string
	Plugins string
	URL     string
	Addr    string
	// Extra are more arguments for serve.
	Extra []string

	t    testing.TB
	mu   sync.Mutex
	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan error
}

// Binary is the program under test: GANTRY_BIN, or bin/gantry of this checkout.
func Binary(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("GANTRY_BIN")
	if bin == "" {
		bin = filepath.Join(root(t), "bin", "gantry")
	}
	if _, err := os.Stat(bin); err != nil {
		t.Fatalf("the binary is not there; run make build: %v", err)
	}
	return bin
}

func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above the test")
	return ""
}

// New makes a host on folders and a port of its own; it does not start it.
func New(t testing.TB) *Host {
	t.Helper()
	dir := t.TempDir()
	h := &Host{Bin: Binary(t), Data: filepath.Join(dir, "data"), Plugins: filepath.Join(dir, "plugins"), t: t}
	if err := os.MkdirAll(h.Plugins, 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.Addr = l.Addr().String()
	h.URL = "http://" + h.Addr
	l.Close()
	t.Cleanup(h.Kill)
	return h
}

// Start runs serve and waits until it is ready.
func (h *Host) Start() {
	h.t.Helper()
	args := append([]string{"serve", "--listen", h.Addr, "--data", h.Data, "--plugins", h.Plugins}, h.Extra...)
	if cache := os.Getenv("GANTRY_TEST_CACHE"); cache != "" { // what is compiled need not be again
		args = append(args, "--cache", cache)
	}
	h.mu.Lock()
	h.log = &bytes.Buffer{}
	h.cmd = exec.Command(h.Bin, args...)
	h.cmd.Stderr = h.log
	h.cmd.Stdout = io.Discard
	h.done = make(chan error, 1)
	err := h.cmd.Start()
	cmd, done := h.cmd, h.done
	h.mu.Unlock()
	if err != nil {
		h.t.Fatal(err)
	}
	go func() { done <- cmd.Wait() }()
	deadline := time.Now().Add(60 * time.Second)
	for {
		resp, err := http.Get(h.URL + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-done:
			h.t.Fatalf("gantry serve ended: %v\n%s", err, h.log)
		default:
		}
		if time.Now().After(deadline) {
			h.Kill()
			h.t.Fatalf("gantry serve is not ready after 60 s\n%s", h.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// PID is the running process's id, 0 where none runs.
func (h *Host) PID() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cmd == nil {
		return 0
	}
	return h.cmd.Process.Pid
}

// Kill ends the process as kill -9 does, and waits until it is gone. Killing twice is no error.
func (h *Host) Kill() { h.end(syscall.SIGKILL) }

// Stop ends the process as an operator does, and returns what it wrote to its log.
func (h *Host) Stop() string {
	h.end(syscall.SIGTERM)
	return h.log.String()
}

func (h *Host) end(sig syscall.Signal) {
	h.mu.Lock()
	cmd, done := h.cmd, h.done
	h.cmd = nil
	h.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(sig)
	select {
	case <-done:
	case <-time.After(60 * time.Second):
		_ = cmd.Process.Kill()
		<-done
	}
}

// CLI runs the command line on the host's data folder and returns its standard output, trimmed.
func (h *Host) CLI(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	args = append(args, "--data", h.Data, "--plugins", h.Plugins)
	cmd := exec.CommandContext(ctx, h.Bin, args...)
	if cache := os.Getenv("GANTRY_TEST_CACHE"); cache != "" { // where no host runs, the same one loads plugins
		cmd.Env = append(os.Environ(), "GANTRY_CACHE="+cache)
	}
	var out, errb bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errb
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("gantry %s: %w\n%s", strings.Join(args, " "), err, errb.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// Token makes a key; the arguments are those of token create.
func (h *Host) Token(args ...string) string {
	h.t.Helper()
	key, err := h.CLI(append([]string{"token", "create"}, args...)...)
	if err != nil {
		h.t.Fatal(err)
	}
	return key
}

// BuildPlugin compiles a Go plugin folder of this checkout, with linker flags, to a file. What was
// built is kept in the checkout, so that go build links it again only where something changed: many
// tests want the same few plugins. Tests of several processes may build at the same time.
func BuildPlugin(t testing.TB, folder, out, ldflags string) {
	t.Helper()
	dir := filepath.Join(root(t), ".gantry", "e2e")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	key := sha256.Sum256([]byte(folder + "\n" + ldflags))
	kept := filepath.Join(dir, fmt.Sprintf("%s-%x.wasm", filepath.Base(folder), key[:4]))
	lock, err := os.OpenFile(kept+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err == nil {
		defer lock.Close() // which gives it back
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-ldflags", ldflags, "-o", kept, "./"+folder)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, msg)
	}
	data, err := os.ReadFile(kept)
	if err == nil {
		err = os.WriteFile(out, data, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Put places a file in the plugins folder, atomically, as a careful operator would.
func (h *Host) Put(name string, data []byte) {
	h.t.Helper()
	tmp := filepath.Join(h.Plugins, "."+name+".tmp")
	if err := os.WriteFile(tmp, data, 0o644); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(tmp, filepath.Join(h.Plugins, name)); err != nil {
		h.t.Fatal(err)
	}
}
