// Copyright 2026 The Gantry Authors.

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// host is a running gantry serve.
type host struct {
	addr, dir, admin string
	cmd              *exec.Cmd
}

func start() (*host, error) {
	dir, err := os.MkdirTemp("", "gantry-bench")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &host{addr: l.Addr().String(), dir: dir}
	if err := l.Close(); err != nil {
		return nil, err
	}
	plugins := filepath.Join(dir, "plugins")
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		return nil, err
	}
	build := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", filepath.Join(plugins, "echo.wasm"), "./examples/echo")
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the echo example (run this from the repository's root): %w\n%s", err, out)
	}
	if h.admin, err = h.token("--kind", "admin"); err != nil {
		return nil, err
	}
	h.cmd = exec.Command("bin/gantry", "serve", "--data", filepath.Join(dir, "data"), "--plugins", plugins, "--listen", h.addr, "--log-level", "error",
		"--session-sleep", sleep.String())
	h.cmd.Stderr = os.Stderr
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + h.addr + "/readyz")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				http.DefaultClient.CloseIdleConnections()
				return h, nil
			}
		}
		if time.Now().After(end) {
			h.stop()
			return nil, fmt.Errorf("the host is not ready after a minute: %w", err)
		}
	}
}

func (h *host) stop() {
	_ = h.cmd.Process.Kill()
	_ = h.cmd.Wait() // it was killed: the error says so
	_ = os.RemoveAll(h.dir)
}

func (h *host) token(args ...string) (string, error) {
	out, err := exec.Command("bin/gantry", append([]string{"token", "create", "--data", filepath.Join(h.dir, "data")}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("bin/gantry token create (run make build first): %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// vitals are what the host holds. Resident is the kernel's count, inUse what Go's heap and stacks hold.
type vitals struct {
	resident, inUse         int64
	goroutines, descriptors int
}

func (h *host) vitals() (v vitals, err error) {
	req, err := http.NewRequest(http.MethodGet, "http://"+h.addr+"/metrics", nil)
	if err != nil {
		return v, err
	}
	req.Header.Set("Authorization", "Bearer "+h.admin)
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return v, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		return v, fmt.Errorf("/metrics answered %s: %.200s %w", resp.Status, body, err)
	}
	for line := range strings.Lines(string(body)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		f, _ := strconv.ParseFloat(value, 64)
		switch name {
		case "go_goroutines":
			v.goroutines = int(f)
		case "process_resident_memory_bytes":
			v.resident = int64(f)
		case "go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes":
			v.inUse += int64(f)
		}
	}
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.cmd.Process.Pid))
	v.descriptors = len(files)
	if err == nil && (v.resident == 0 || v.goroutines == 0) {
		err = fmt.Errorf("/metrics lacks the process's memory or goroutines")
	}
	return v, err
}

// settled are the vitals of a host that has been left alone for a moment.
func (h *host) settled() (vitals, error) {
	time.Sleep(3 * time.Second)
	return h.vitals()
}

// until asks for the vitals until they are good, or the time is over, and tells how long it took.
func (h *host) until(limit time.Duration, good func(vitals) bool) (vitals, time.Duration, error) {
	begin := time.Now()
	for {
		v, err := h.vitals()
		if took := time.Since(begin); err != nil || good(v) || took > limit {
			return v, took, err
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// stream is one open answer.
type stream struct{ conn net.Conn }

func (s *stream) close() { _ = s.conn.Close() }

// opener returns what opens the i-th stream of an era. Sessions are bounded for each user, so a user
// has a hundred.
func (h *host) opener(era string) (func(i int) (*stream, error), error) {
	if era >= "2026" {
		key, err := h.token()
		return func(int) (*stream, error) { return h.listen(key) }, err
	}
	keys := map[int]string{}
	return func(i int) (s *stream, err error) {
		key, ok := keys[i/100]
		if !ok {
			if key, err = h.token("--user", fmt.Sprintf("user%d", i/100)); err != nil {
				return nil, err
			}
			keys[i/100] = key
		}
		return h.session(key)
	}, nil
}

const both = "application/json, text/event-stream"

// listen opens subscriptions/listen and reads its acknowledgement.
func (h *host) listen(key string) (*stream, error) {
	body := `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	s, err := h.dial()
	if err != nil {
		return nil, err
	}
	return s, s.begin("POST", h.addr, body, "Authorization", "Bearer "+key, "Accept", both, "Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "subscriptions/listen")
}

// session shakes hands and opens the session's stream.
func (h *host) session(key string) (*stream, error) {
	var id string
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`,
	} {
		req, err := http.NewRequest(http.MethodPost, "http://"+h.addr+"/mcp", strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key}, "Accept": {both}, "Content-Type": {"application/json"}}
		if id != "" {
			req.Header["Mcp-Session-Id"] = []string{id}
			req.Header["Mcp-Protocol-Version"] = []string{"2025-11-25"}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if id == "" {
			id = resp.Header.Get("Mcp-Session-Id")
		}
		if resp.StatusCode >= 300 || id == "" {
			return nil, fmt.Errorf("the handshake answered %s", resp.Status)
		}
	}
	s, err := h.dial()
	if err != nil {
		return nil, err
	}
	return s, s.begin("GET", h.addr, "", "Authorization", "Bearer "+key, "Accept", "text/event-stream", "Mcp-Session-Id", id, "Mcp-Protocol-Version", "2025-11-25")
}

func (h *host) dial() (*stream, error) {
	conn, err := net.Dial("tcp", h.addr)
	if err != nil {
		return nil, err
	}
	return &stream{conn}, nil
}

// begin sends a request to /mcp and reads until the first event or comment: the stream stands.
func (s *stream) begin(method, addr, body string, headers ...string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s /mcp HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", method, addr, len(body))
	for i := 0; i+1 < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	b.WriteString("\r\n" + body)
	if _, err := s.conn.Write(b.Bytes()); err != nil {
		return err
	}
	_ = s.conn.SetReadDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReaderSize(s.conn, 1<<10)
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		return fmt.Errorf("the stream answered %s (%s)", resp.Status, resp.Header.Get("Content-Type"))
	}
	if method == "POST" { // the acknowledgement comes at once
		_, err = bufio.NewReader(resp.Body).ReadString('\n')
	}
	return err
}

// slowReaders lets clients ask for a large answer again and again on one connection and read none of it.
func (h *host) slowReaders(n int) ([]row, error) {
	key, err := h.token("--user", "slow")
	if err != nil {
		return nil, err
	}
	call, err := h.run(key, strings.Repeat("x", 700<<10))
	if err != nil {
		return nil, err
	}
	before, err := h.settled()
	if err != nil {
		return nil, err
	}
	request := fmt.Sprintf("GET /mcp/stream/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n\r\n", call, h.addr, key)
	for range n {
		s, err := h.dial()
		if err != nil {
			return nil, err
		}
		defer s.close()
		if _, err := io.WriteString(s.conn, strings.Repeat(request, 20)); err != nil {
			return nil, err
		}
	}
	v, took, err := h.until(time.Minute, func(v vitals) bool { return v.descriptors <= before.descriptors+4 })
	cut := v.descriptors <= before.descriptors+4
	return []row{{fmt.Sprintf("%d clients that stop reading are cut after", n), took.Seconds(), "s", 10, cut && took <= 10*time.Second,
		fmt.Sprintf("descriptors %d → %d", before.descriptors, v.descriptors)}}, err
}

// run executes an echo over REST and returns its call once it has ended.
func (h *host) run(key, text string) (string, error) {
	body, err := json.Marshal(map[string]any{"tool": "echo", "input": map[string]string{"text": text}})
	if err != nil {
		return "", err
	}
	for _, path := range []string{"/mcp/execute", "/mcp/stream/"} {
		method := http.MethodPost
		if path == "/mcp/stream/" {
			method, path, body = http.MethodGet, path+string(body), nil
		}
		req, err := http.NewRequest(method, "http://"+h.addr+path, bytes.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header = http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		out, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return "", fmt.Errorf("%s answered %s: %.200s %w", path, resp.Status, out, err)
		}
		if method == http.MethodGet {
			return strings.TrimPrefix(path, "/mcp/stream/"), nil
		}
		var ack struct {
			CallID string `json:"call_id"`
		}
		if err := json.Unmarshal(out, &ack); err != nil {
			return "", err
		}
		body = []byte(ack.CallID)
	}
	return "", nil
}
