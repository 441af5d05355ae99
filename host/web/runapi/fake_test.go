// Copyright 2026 The Gantry Authors.

package runapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

// fakePipeline is a pipeline whose tools are scripts of events. The tool "wait" runs until it is
// cancelled.
type fakePipeline struct {
	mu     sync.Mutex
	runs   map[string]*fakeRun
	byKey  map[string]*fakeRun
	closed int // how many readings were closed
	opened int
}

type fakeRun struct {
	invoke.Run
	tenant host.TenantID
	input  string
	events []invoke.Event
	more   chan struct{} // closed and replaced when an event comes
}

var (
	_ Pipeline = (*fakePipeline)(nil)
	_ Pipeline = (*invoke.Pipeline)(nil)
)

func newFake() *fakePipeline {
	return &fakePipeline{runs: make(map[string]*fakeRun), byKey: make(map[string]*fakeRun)}
}

var born = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

// scripts are the events of each tool.
func script(tool string) ([]invoke.Event, bool) {
	text := func(s string) *abi.Result { return &abi.Result{Content: []abi.Content{abi.Text(s)}} }
	switch tool {
	case "openai_chat":
		return []invoke.Event{
			{Type: invoke.EventPartial, Text: "Hel"},
			{Type: invoke.EventPartial, Text: "lo"},
			{Type: invoke.EventFinal, Text: "Hello", Result: text("Hello")},
		}, true
	case "count":
		return []invoke.Event{
			{Type: invoke.EventProgress, Progress: &abi.Progress{Done: 1, Total: 2, Message: "one"}},
			{Type: invoke.EventFinal, Text: `{"n":2}`, Result: &abi.Result{
				Content: []abi.Content{abi.Text(`{"n":2}`)}, Structured: json.RawMessage("{\n\"n\": 2}")}},
		}, true
	case "picture":
		return []invoke.Event{{Type: invoke.EventFinal, Text: "", Result: &abi.Result{
			Content: []abi.Content{{Type: abi.ContentImage, Data: []byte{1, 2}, MIMEType: "image/png"}}}}}, true
	case "provider_fails":
		return []invoke.Event{
			{Type: invoke.EventPartial, Text: "Hel"},
			{Type: invoke.EventError, Error: &abi.Error{Code: "OPENAI_ERROR", Message: "the provider answered 500", Retryable: true}},
		}, true
	case "tool_not_found_inside":
		return []invoke.Event{{Type: invoke.EventError, Error: &abi.Error{Code: abi.CodeNotFound, Message: "no such city"}}}, true
	case "wait":
		return []invoke.Event{{Type: invoke.EventPartial, Text: "waiting"}}, true
	}
	return nil, false
}

func (f *fakePipeline) Tools(context.Context) []registry.ToolRef {
	return []registry.ToolRef{
		{Name: "count", Tool: &abi.Tool{Name: "count", Title: "Count", Description: "Counts to two.",
			OutputSchema: json.RawMessage(`{"type":"object"}`), Annotations: abi.Annotations{ReadOnly: true}}},
		{Name: "my_openai_chat", Tool: &abi.Tool{Name: "openai_chat", Description: "Talks.",
			InputSchema: json.RawMessage(`{"type":"object","required":["messages"]}`)}},
	}
}

func (f *fakePipeline) Start(ctx context.Context, r invoke.Request) (invoke.Run, error) {
	const op = "invoke.Start"
	events, ok := script(r.Tool)
	if !ok {
		return invoke.Run{}, host.Errorf(op, abi.CodeUnknownTool, "there is no tool %q", r.Tool)
	}
	if r.Tool == "openai_chat" && !bytes.Contains(r.Input, []byte(`"messages"`)) {
		return invoke.Run{}, host.Errorf(op, abi.CodeInvalidArg, "/messages: is required")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := host.PrincipalFrom(ctx)
	key := string(p.Tenant) + "/" + r.RequestID
	if old := f.byKey[key]; old != nil && r.RequestID != "" {
		if old.input != string(r.Input) || old.Tool != r.Tool {
			return invoke.Run{}, host.Errorf(op, abi.CodeConflict, "request_id: was used for another request")
		}
		return old.Run, nil
	}
	run := &fakeRun{tenant: p.Tenant, input: string(r.Input), more: make(chan struct{}), Run: invoke.Run{
		CallID: fmt.Sprintf("00000000-0000-4000-8000-%012d", len(f.runs)+1), Tool: r.Tool, Status: invoke.StatusRunning,
		RequestID: r.RequestID, SessionID: r.SessionID, Metadata: r.Metadata, CreatedAt: born,
	}}
	for _, ev := range events {
		run.say(ev)
	}
	f.runs[run.CallID], f.byKey[key] = run, run
	return run.Run, nil
}

// say is called with the pipeline's lock held.
func (r *fakeRun) say(ev invoke.Event) {
	ev.Seq = uint64(len(r.events) + 1)
	r.events = append(r.events, ev)
	switch ev.Type {
	case invoke.EventFinal:
		r.Status, r.Result, r.EndedAt = invoke.StatusFinished, ev.Result, born.Add(time.Second)
	case invoke.EventError:
		r.Status, r.Error, r.EndedAt = invoke.StatusError, ev.Error, born.Add(time.Second)
		if ev.Error.Code == abi.CodeCancelled {
			r.Status = invoke.StatusCancelled
		}
	}
	close(r.more)
	r.more = make(chan struct{})
}

func (f *fakePipeline) find(ctx context.Context, id string) (*fakeRun, error) {
	r := f.runs[id]
	if r == nil || r.tenant != host.PrincipalFrom(ctx).Tenant {
		return nil, host.Errorf("invoke.Run", abi.CodeNotFound, "there is no run %q", id)
	}
	return r, nil
}

func (f *fakePipeline) Run(ctx context.Context, id string) (invoke.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(ctx, id)
	if err != nil {
		return invoke.Run{}, err
	}
	return r.Run, nil
}

func (f *fakePipeline) Cancel(ctx context.Context, id string) (invoke.Run, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(ctx, id)
	if err != nil {
		return invoke.Run{}, err
	}
	r.cancel()
	return r.Run, nil
}

func (r *fakeRun) cancel() {
	if !r.Status.Ended() {
		r.say(invoke.Event{Type: invoke.EventError, Error: &abi.Error{Code: abi.CodeCancelled, Message: "the call was cancelled"}})
	}
}

func (f *fakePipeline) CancelAll(ctx context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, r := range f.runs {
		if r.tenant == host.PrincipalFrom(ctx).Tenant && !r.Status.Ended() {
			r.cancel()
			n++
		}
	}
	return n, nil
}

func (f *fakePipeline) Events(ctx context.Context, id string, after uint64) (invoke.Stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := f.find(ctx, id)
	if err != nil {
		return nil, err
	}
	f.opened++
	return &fakeEvents{f: f, run: r, at: after}, nil
}

type fakeEvents struct {
	f   *fakePipeline
	run *fakeRun
	at  uint64
}

func (e *fakeEvents) Next(ctx context.Context) (invoke.Event, error) {
	for {
		e.f.mu.Lock()
		if e.at < uint64(len(e.run.events)) {
			ev := e.run.events[e.at]
			e.at++
			e.f.mu.Unlock()
			return ev, nil
		}
		ended, more := e.run.Status.Ended(), e.run.more
		e.f.mu.Unlock()
		if ended {
			return invoke.Event{}, io.EOF
		}
		select {
		case <-more:
		case <-ctx.Done():
			return invoke.Event{}, ctx.Err()
		}
	}
}

func (e *fakeEvents) Close() {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	e.f.closed++
}
