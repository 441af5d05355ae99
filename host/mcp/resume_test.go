// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/invoke"
)

// send begins a request of a session, whose answer the test reads by itself.
func send(t *testing.T, ctx context.Context, method, url, session, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{
		"Authorization": {"Bearer acme:ann"}, "Content-Type": {"application/json"},
		"Accept": {"application/json, text/event-stream"}, "Mcp-Protocol-Version": {sessionEra},
	}
	if session != "" {
		req.Header.Set(headerSession, session)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// TestClientThatComesBack: in the older era a connection that breaks is no cancellation. The call
// goes on, and its answer waits for the client under the id of the last event that it saw.
func TestClientThatComesBack(t *testing.T) {
	f := newFake()
	begun, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	f.add(abi.Tool{Name: "patient"}, func(ctx context.Context, _ invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
		close(begun)
		<-release
		ended <- ctx.Err()
		return answer(abi.Text("worth the wait"))
	})
	_, url := up(t, f, nil)
	hello := send(t, t.Context(), "POST", url, "", `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`)
	if _, err := io.ReadAll(hello.Body); err != nil {
		t.Fatal(err)
	}
	session := hello.Header.Get(headerSession)
	ctx, leave := context.WithCancel(t.Context())
	call := send(t, ctx, "POST", url, session, `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"patient"}}`)
	id := ""
	for r := bufio.NewScanner(call.Body); id == "" && r.Scan(); {
		id, _ = strings.CutPrefix(r.Text(), "id: ")
		if !strings.HasPrefix(r.Text(), "id: ") {
			id = ""
		}
	}
	<-begun
	leave()
	call.Body.Close()
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the call was ended with its connection: %v", err)
	}
	back := send(t, t.Context(), "GET", url, session, "", "Last-Event-ID", id)
	for end := time.Now().Add(10 * time.Second); back.StatusCode == http.StatusConflict && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // the server has not noticed yet that the first connection is gone
		back = send(t, t.Context(), "GET", url, session, "", "Last-Event-ID", id)
	}
	line := ""
	for r := bufio.NewScanner(back.Body); !strings.Contains(line, "worth the wait") && r.Scan(); {
		line = r.Text()
	}
	if !strings.Contains(line, "worth the wait") {
		t.Errorf("the answer was lost; the last line is %q", line)
	}
}
