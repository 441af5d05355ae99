// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	childMode = "GANTRY_BENCH_MODE"
	childAddr = "GANTRY_BENCH_ADDR"

	oursModern   = "gantry MCP 2026-07-28, Go guest"
	oursC        = "gantry MCP 2026-07-28, C guest"
	oursSession  = "gantry MCP session, Go guest"
	oursREST     = "gantry REST execute + stream"
	sdkStateless = "SDK server stateless + JSON, native"
	sdkStateful  = "SDK server stateful + SSE, native"
	bareFiber    = "bare Fiber + encoding/json, native"
)

// subjects are all that is measured. Without a C compiler there is no guest in C.
func subjects() ([]subject, error) {
	plugin, err := buildEcho()
	if err != nil {
		return nil, err
	}
	ours := func() (*server, error) { return startGantry(plugin, "echo") }
	all := []subject{
		{oursModern, ours, modern},
		{oursSession, ours, session},
		{oursREST, ours, rest},
		{sdkStateless, func() (*server, error) { return startChild("stateless") }, modern},
		{sdkStateful, func() (*server, error) { return startChild("stateful") }, session},
		{bareFiber, func() (*server, error) { return startChild("bare") }, bare},
	}
	if _, err := exec.LookPath("clang"); err != nil {
		fmt.Fprintln(os.Stderr, "no clang: the guest in C is left out")
		return all, nil
	}
	inC, err := buildC()
	if err != nil {
		return nil, err
	}
	return append(all, subject{oursC, func() (*server, error) { return startGantry(inC, "c_echo") }, modern}), nil
}

// server is a process under measurement.
type server struct {
	addr, path string
	// keys are of one user each, since a user may have so many sessions; none where the server asks for none.
	keys []string
	// tool is the echo's name there.
	tool string
	cmd  *exec.Cmd
	dir  string
}

// users is how many the load's connections are spread over.
const users = 8

// auth is the header of the n-th connection.
func (s *server) auth(n int) []string {
	if len(s.keys) == 0 {
		return nil
	}
	return []string{"Authorization", "Bearer " + s.keys[n%len(s.keys)]}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it was killed: the error says so
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// cpu is the process's user and system time so far, good to 10 ms.
func (s *server) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	user, err := strconv.Atoi(fields[11])
	if err != nil {
		return 0, err
	}
	system, err := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond, err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// buildEcho compiles the echo example and returns its file.
func buildEcho() (string, error) {
	dir, err := os.MkdirTemp("", "gantry-bench")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "echo.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", file, "./examples/echo")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the echo example (run this from the repository's root): %w\n%s", err, out)
	}
	return file, nil
}

// buildC compiles the example in C and returns its file.
func buildC() (string, error) {
	dir, err := os.MkdirTemp("", "gantry-bench")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "c.wasm")
	cmd := exec.Command("clang", "--target=wasm32", "-O2", "-mbulk-memory", "-nostdlib",
		"-Wl,--no-entry,--stack-first,--strip-all", "-o", file, "examples/c/plugin.c")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the example in C (it needs wasm-ld too): %w\n%s", err, out)
	}
	return file, nil
}

// startGantry serves one plugin, whose tool is the echo.
func startGantry(plugin, tool string) (*server, error) {
	dir, err := os.MkdirTemp("", "gantry-bench")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.MkdirAll(filepath.Join(data, "plugins"), 0o700); err != nil {
		return nil, err
	}
	wasm, err := os.ReadFile(plugin)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(data, "plugins", filepath.Base(plugin)), wasm, 0o600); err != nil {
		return nil, err
	}
	var keys []string
	for n := range users {
		key, err := exec.Command("bin/gantry", "token", "create", "--user", fmt.Sprintf("user%d", n), "--data", data).Output()
		if err != nil {
			return nil, fmt.Errorf("bin/gantry token create (run make build first): %w", err)
		}
		keys = append(keys, strings.TrimSpace(string(key)))
	}
	cmd := exec.Command("bin/gantry", "serve", "--data", data, "--listen", addr, "--log-level", "error")
	cmd.Stderr = os.Stderr
	s := &server{addr: addr, path: "/mcp", tool: tool, keys: keys, cmd: cmd, dir: dir}
	return s, s.begin()
}

func startChild(mode string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childMode+"="+mode, childAddr+"="+addr)
	cmd.Stderr = os.Stderr
	s := &server{addr: addr, path: "/mcp", tool: "echo", cmd: cmd}
	return s, s.begin()
}

// begin starts the process and waits until it accepts connections.
func (s *server) begin() error {
	if err := s.cmd.Start(); err != nil {
		return err
	}
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			return c.Close()
		}
	}
	s.stop()
	return fmt.Errorf("the server does not accept connections after 30 s")
}

type echoIn struct {
	Text string `json:"text"`
}

type echoOut struct {
	Text string `json:"text"`
}

// serveBaseline is the child process: one of the baselines, as its makers ship it.
func serveBaseline(mode, addr string) error {
	if mode == "bare" {
		return serveBare(addr)
	}
	srv := mcp.NewServer(&mcp.Implementation{Name: "baseline", Version: "1"}, nil)
	mcp.AddTool(srv, &mcp.Tool{Name: "echo", Description: "Echo a text."},
		func(_ context.Context, _ *mcp.CallToolRequest, in echoIn) (*mcp.CallToolResult, echoOut, error) {
			return nil, echoOut(in), nil
		})
	opts := &mcp.StreamableHTTPOptions{Stateless: mode == "stateless", JSONResponse: mode == "stateless"}
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return srv }, opts)
	return http.ListenAndServe(addr, handler)
}

// serveBare is the least that could be called an echo over HTTP: decode, answer, encode.
func serveBare(addr string) error {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Post("/mcp", func(c *fiber.Ctx) error {
		var req struct {
			ID     json.RawMessage `json:"id"`
			Params struct {
				Arguments echoIn `json:"arguments"`
			} `json:"params"`
		}
		if err := json.Unmarshal(c.Body(), &req); err != nil {
			return err
		}
		text := req.Params.Arguments.Text
		return c.JSON(map[string]any{"jsonrpc": "2.0", "id": req.ID, "result": map[string]any{
			"content":           []map[string]any{{"type": "text", "text": text}},
			"structuredContent": echoOut{text},
		}})
	})
	return app.Listen(addr)
}
