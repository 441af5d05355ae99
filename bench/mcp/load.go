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
	"strings"
	"sync"
	"time"
)

// talk makes one whole call on a connection.
type talk func(c *conn) error

// conn is one keep-alive connection and what a talk keeps on it.
type conn struct {
	addr    string
	nc      net.Conn
	br      *bufio.Reader
	session string
	// id is which connection it is, n how many calls it has made.
	id, n int
}

// load calls one server from many connections.
type load struct {
	addr  string
	conns int
	talk  talk
}

// run calls for the window and returns how long each call took.
func (l *load) run(window time.Duration) ([]time.Duration, error) {
	var mu sync.Mutex
	var all []time.Duration
	var first error
	var wg sync.WaitGroup
	end := time.Now().Add(window)
	for id := range l.conns {
		wg.Go(func() {
			took, err := l.one(id, end)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, took...)
			if first == nil {
				first = err
			}
		})
	}
	wg.Wait()
	if first == nil && len(all) == 0 {
		first = fmt.Errorf("no call was made")
	}
	return all, first
}

func (l *load) one(id int, end time.Time) ([]time.Duration, error) {
	nc, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, err
	}
	defer nc.Close()
	c := &conn{addr: l.addr, nc: nc, id: id, br: bufio.NewReaderSize(nc, 16<<10)}
	var took []time.Duration
	for {
		start := time.Now()
		if start.After(end) {
			return took, nil
		}
		c.n++
		if err := l.talk(c); err != nil {
			return took, err
		}
		took = append(took, time.Since(start))
	}
}

// send writes one request and returns the response's status, headers and body.
func (c *conn) send(method, path string, headers []string, body []byte) (*http.Response, []byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", method, path, c.addr, len(body))
	for i := 0; i+1 < len(headers); i += 2 {
		fmt.Fprintf(&b, "%s: %s\r\n", headers[i], headers[i+1])
	}
	b.WriteString("\r\n")
	b.Write(body)
	_ = c.nc.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.nc.Write(b.Bytes()); err != nil {
		return nil, nil, err
	}
	resp, err := http.ReadResponse(c.br, &http.Request{Method: method})
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	return resp, out, err
}

const echoText = "hello, world"

// modern is a tools/call of protocol 2026-07-28.
func modern(s *server) talk {
	return func(c *conn) error {
		headers := append(s.auth(c.id), "Content-Type", "application/json", "Accept", "application/json, text/event-stream",
			"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", "tools/call", "Mcp-Name", s.tool)
		body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":{"text":"%s"},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"load","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`, c.n, s.tool, echoText)
		resp, out, err := c.send("POST", s.path, headers, body)
		return expectEcho(resp, out, err)
	}
}

// session is a tools/call within a session of protocol 2025-11-25; the first call shakes hands.
func session(s *server) talk {
	return func(c *conn) error {
		base := append(s.auth(c.id), "Content-Type", "application/json", "Accept", "application/json, text/event-stream")
		if c.session == "" {
			if err := shakeHands(c, s, base); err != nil {
				return err
			}
		}
		headers := append(base[:len(base):len(base)], "Mcp-Session-Id", c.session, "Mcp-Protocol-Version", "2025-11-25")
		body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}`, c.n+1, echoText)
		resp, out, err := c.send("POST", s.path, headers, body)
		return expectEcho(resp, out, err)
	}
}

func shakeHands(c *conn, s *server, base []string) error {
	const hello = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"load","version":"1"}}}`
	resp, out, err := c.send("POST", s.path, base, []byte(hello))
	if err != nil {
		return err
	}
	if c.session = resp.Header.Get("Mcp-Session-Id"); c.session == "" {
		return fmt.Errorf("initialize answered %s without a session: %.200s", resp.Status, out)
	}
	headers := append(base[:len(base):len(base)], "Mcp-Session-Id", c.session, "Mcp-Protocol-Version", "2025-11-25")
	resp, out, err = c.send("POST", s.path, headers, []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`))
	if err == nil && resp.StatusCode != http.StatusAccepted {
		err = fmt.Errorf("initialized answered %s: %.200s", resp.Status, out)
	}
	return err
}

// rest is execute and then the whole stream of the run.
func rest(s *server) talk {
	return func(c *conn) error {
		headers := append(s.auth(c.id), "Content-Type", "application/json")
		body := fmt.Appendf(nil, `{"tool":"echo","input":{"text":"%s"}}`, echoText)
		resp, out, err := c.send("POST", "/mcp/execute", headers, body)
		if err != nil {
			return err
		}
		var ack struct {
			CallID string `json:"call_id"`
		}
		if err := json.Unmarshal(out, &ack); err != nil || ack.CallID == "" {
			return fmt.Errorf("execute answered %s: %.200s", resp.Status, out)
		}
		resp, out, err = c.send("GET", "/mcp/stream/"+ack.CallID, headers, nil)
		if err == nil && !strings.Contains(string(out), "event: final") {
			err = fmt.Errorf("the stream has no final event: %.300s", out)
		}
		return expectEcho(resp, out, err)
	}
}

// bare posts the arguments to a handler that echoes them.
func bare(s *server) talk {
	headers := []string{"Content-Type", "application/json"}
	return func(c *conn) error {
		body := fmt.Appendf(nil, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"echo","arguments":{"text":"%s"}}}`, c.n, echoText)
		resp, out, err := c.send("POST", s.path, headers, body)
		return expectEcho(resp, out, err)
	}
}

func expectEcho(resp *http.Response, out []byte, err error) error {
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(out, []byte(echoText)) {
		return fmt.Errorf("answer %s without the echo: %.300s", resp.Status, out)
	}
	return nil
}
