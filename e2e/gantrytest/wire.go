// Copyright 2026 The Gantry Authors.

package gantrytest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Caller speaks REST and MCP with one key. It may be used from many goroutines.
type Caller struct {
	URL, Key string
	HTTP     *http.Client
	// Can are the capabilities that Modern declares; none where nil.
	Can map[string]any
}

// NewCaller returns a caller with connections of its own.
func NewCaller(url, key string) *Caller {
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	return &Caller{URL: url, Key: key, HTTP: &http.Client{Transport: tr, Timeout: 2 * time.Minute}}
}

// Do sends JSON and returns the status and the whole body.
func (c *Caller) Do(method, path string, body any, headers ...string) (int, []byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	var r io.Reader = bytes.NewReader(data)
	if body == nil {
		r = nil
	}
	req, err := http.NewRequest(method, c.URL+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	return resp.StatusCode, out, err
}

// Execute starts a run and returns its id.
func (c *Caller) Execute(tool string, input any, requestID string) (string, error) {
	body := map[string]any{"tool": tool, "input": input}
	if requestID != "" {
		body["request_id"] = requestID
	}
	status, out, err := c.Do("POST", "/mcp/execute", body)
	if err != nil {
		return "", err
	}
	var ack struct {
		CallID string `json:"call_id"`
	}
	if err := json.Unmarshal(out, &ack); status != http.StatusOK || err != nil || ack.CallID == "" {
		return "", fmt.Errorf("execute answered %d: %s", status, out)
	}
	return ack.CallID, nil
}

// StreamEvent is one event of a run's stream.
type StreamEvent struct {
	ID, Event string
	Data      []byte
}

// Stream reads a run's stream to its end.
func (c *Caller) Stream(callID string, headers ...string) ([]StreamEvent, error) {
	status, out, err := c.Do("GET", "/mcp/stream/"+callID, nil, headers...)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("stream answered %d: %s", status, out)
	}
	return ParseSSE(out), nil
}

// ParseSSE splits an event stream.
func ParseSSE(body []byte) []StreamEvent {
	var events []StreamEvent
	var ev StreamEvent
	sc := bufio.NewScanner(bytes.NewReader(body))
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		line := sc.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch {
		case line == "":
			if ev.Event != "" || ev.Data != nil {
				events = append(events, ev)
			}
			ev = StreamEvent{}
		case field == "id":
			ev.ID = value
		case field == "event":
			ev.Event = value
		case field == "data":
			ev.Data = append(ev.Data, value...)
		}
	}
	return events
}

// Run executes a tool over REST and returns the final event's text.
func (c *Caller) Run(tool string, input any) (string, error) {
	id, err := c.Execute(tool, input, "")
	if err != nil {
		return "", err
	}
	events, err := c.Stream(id)
	if err != nil {
		return "", err
	}
	if len(events) == 0 || events[len(events)-1].Event != "final" {
		return "", fmt.Errorf("the stream of %s did not end with final: %s", id, render(events))
	}
	var final struct {
		Text string `json:"text"`
	}
	return final.Text, json.Unmarshal(events[len(events)-1].Data, &final)
}

func render(events []StreamEvent) string {
	var b strings.Builder
	for _, ev := range events {
		fmt.Fprintf(&b, "[%s %s %s]", ev.ID, ev.Event, ev.Data)
	}
	return b.String()
}

// RPC is a JSON-RPC answer.
type RPC struct {
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	} `json:"error"`
}

// Modern sends one request in protocol 2026-07-28: stateless, version and client in _meta.
func (c *Caller) Modern(method, name string, params map[string]any) (*RPC, error) {
	if params == nil {
		params = map[string]any{}
	}
	can := c.Can
	if can == nil {
		can = map[string]any{}
	}
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    "2026-07-28",
		"io.modelcontextprotocol/clientInfo":         map[string]any{"name": "gantrytest", "version": "1"},
		"io.modelcontextprotocol/clientCapabilities": can,
	}
	headers := []string{"Mcp-Protocol-Version", "2026-07-28", "Mcp-Method", method}
	if name != "" {
		headers = append(headers, "Mcp-Name", name)
	}
	status, out, err := c.Do("POST", "/mcp", map[string]any{"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers...)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(bytes.TrimSpace(out), []byte("{")) {
		return decodeRPC(status, out)
	}
	events := ParseSSE(out)
	if len(events) == 0 {
		return nil, fmt.Errorf("%s answered %d: %.300s", method, status, out)
	}
	return decodeRPC(status, events[len(events)-1].Data)
}

func decodeRPC(status int, data []byte) (*RPC, error) {
	var r RPC
	if err := json.Unmarshal(data, &r); err != nil || r.Result == nil && r.Error == nil {
		return nil, fmt.Errorf("answer %d is not JSON-RPC: %.300s", status, data)
	}
	return &r, nil
}

// CallTool calls a tool over MCP and returns its first text block and whether it is an error.
func (c *Caller) CallTool(tool string, args any) (text string, isError bool, err error) {
	r, err := c.Modern("tools/call", tool, map[string]any{"name": tool, "arguments": args})
	if err != nil {
		return "", false, err
	}
	if r.Error != nil {
		return "", false, fmt.Errorf("tools/call %s: %d %s", tool, r.Error.Code, r.Error.Message)
	}
	var res struct {
		Content []struct {
			Text string `json:"text"`
		} `json:"content"`
		IsError bool `json:"isError"`
	}
	if err := json.Unmarshal(r.Result, &res); err != nil {
		return "", false, err
	}
	if len(res.Content) == 0 {
		return "", res.IsError, nil
	}
	return res.Content[0].Text, res.IsError, nil
}
