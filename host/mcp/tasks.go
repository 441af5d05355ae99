// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"maps"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// tasksExtension is the extension for calls that a client comes back for (SEP-2663), which clients
// of the modern era declare with each request. The tasks that were part of 2025-11-25 as an
// experiment are not offered: they are another protocol under the same name.
const tasksExtension = "io.modelcontextprotocol/tasks"

// pollEvery is how often a client is told to look after its task.
const pollEvery = time.Second

// Tasks is what the tasks extension asks of the host. Every method finds the principal in the
// context; a task that is not the principal's is abi.CodeNotFound, like one that is not there. All
// may be called concurrently.
type Tasks interface {
	// StartTask starts a call as a task, kept before it returns; or answers with what its client has
	// to be asked first.
	StartTask(ctx context.Context, r invoke.Request) (invoke.Task, *abi.InputRequired, error)
	// Task tells where a task stands.
	Task(ctx context.Context, id string) (invoke.Task, error)
	// AnswerTask passes answers on, and ignores those to what is not open.
	AnswerTask(ctx context.Context, id string, answers map[string]json.RawMessage) error
	// CancelTask ends a task. One that has ended stays as it is.
	CancelTask(ctx context.Context, id string) error
}

// taskParams are those of all three methods.
type taskParams struct {
	sdk.ParamsBase
	TaskID         string                     `json:"taskId"`
	InputResponses map[string]json.RawMessage `json:"inputResponses,omitempty"`
}

// taskResult is a task as the protocol writes it.
type taskResult struct {
	sdk.ResultBase
	ResultType     string                      `json:"resultType"`
	TaskID         string                      `json:"taskId"`
	Status         string                      `json:"status"`
	StatusMessage  string                      `json:"statusMessage,omitempty"`
	CreatedAt      time.Time                   `json:"createdAt"`
	LastUpdatedAt  time.Time                   `json:"lastUpdatedAt"`
	TTLMs          int64                       `json:"ttlMs"`
	PollIntervalMs int64                       `json:"pollIntervalMs"`
	InputRequests  map[string]abi.InputRequest `json:"inputRequests,omitempty"`
	Result         *completeResult             `json:"result,omitempty"` // clients refuse one that says no type
	Error          *jsonrpc.Error              `json:"error,omitempty"`
}

// acknowledged is the empty answer to an update and to a cancellation.
type acknowledged struct {
	sdk.ResultBase
	ResultType string `json:"resultType"`
}

var (
	_ sdk.Result = (*taskResult)(nil)
	_ sdk.Result = (*acknowledged)(nil)
)

// hasTasks tells whether the view's callers are offered the extension.
func (v *view) hasTasks() bool { return v.s.cfg.Tasks != nil && v.who.Kind != host.KindWorkspace }

// offerTasks adds the extension's methods to a view's server.
func (v *view) offerTasks() {
	if !v.hasTasks() {
		return
	}
	tasks := v.s.cfg.Tasks
	for method, handle := range map[string]func(context.Context, *taskParams) (sdk.Result, error){
		"tasks/get": func(ctx context.Context, p *taskParams) (sdk.Result, error) {
			t, err := tasks.Task(ctx, p.TaskID)
			if err != nil {
				return nil, err
			}
			return detailed(&t), nil
		},
		"tasks/update": func(ctx context.Context, p *taskParams) (sdk.Result, error) {
			return &acknowledged{ResultType: "complete"}, tasks.AnswerTask(ctx, p.TaskID, p.InputResponses)
		},
		"tasks/cancel": func(ctx context.Context, p *taskParams) (sdk.Result, error) {
			return &acknowledged{ResultType: "complete"}, tasks.CancelTask(ctx, p.TaskID)
		},
	} {
		err := sdk.AddReceivingCustomMethod(v.server, method, func(ctx context.Context, _ *sdk.ServerSession, p *taskParams) (sdk.Result, error) {
			if err := permitted(method, p); err != nil {
				return nil, err
			}
			res, err := handle(ctx, p)
			if err != nil {
				return nil, v.s.protocolError(err, "task", p.TaskID)
			}
			return res, nil
		})
		if err != nil { // only a name of the protocol's own is refused
			v.s.cfg.Logger.Error("a method is not offered", "method", method, "err", err)
		}
	}
}

// permitted refuses a request by one who has not said that it knows tasks.
func permitted(method string, p *taskParams) error {
	switch {
	case p == nil:
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "params.taskId is missing"}
	case !modernMeta(p.Meta):
		return &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: method + " is part of protocol " + firstModern + " and its extension " + tasksExtension}
	case !declaresTasks(p.Meta):
		return tasksNeeded()
	case p.TaskID == "":
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "params.taskId is missing"}
	}
	return nil
}

func modernMeta(m sdk.Meta) bool {
	version, _ := m[sdk.MetaKeyProtocolVersion].(string)
	return version >= firstModern
}

// declaresTasks tells whether the client said, with this request, that it knows tasks.
func declaresTasks(m sdk.Meta) bool {
	can, _ := m[sdk.MetaKeyClientCapabilities].(map[string]any)
	extensions, _ := can["extensions"].(map[string]any)
	_, ok := extensions[tasksExtension]
	return ok
}

// tasksRequired is what a client lacks that does not know tasks.
func tasksRequired() map[string]any {
	return map[string]any{"extensions": map[string]any{tasksExtension: struct{}{}}}
}

func tasksNeeded() *jsonrpc.Error {
	return &jsonrpc.Error{
		Code:    sdk.CodeMissingRequiredClientCapabilities,
		Message: "this needs a client that declares the extension " + tasksExtension,
		Data:    withRequired(nil, tasksRequired()),
	}
}

// withoutTasks takes the extension out of a handshake, whose era has other tasks or none.
func withoutTasks(hello *sdk.InitializeResult) {
	if hello.Capabilities == nil || hello.Capabilities.Extensions[tasksExtension] == nil {
		return
	}
	c := *hello.Capabilities
	c.Extensions = maps.Clone(c.Extensions)
	delete(c.Extensions, tasksExtension)
	if len(c.Extensions) == 0 {
		c.Extensions = nil
	}
	hello.Capabilities = &c
}

// toolNamed is a tool of the view, nil where it has none of that name.
func (v *view) toolNamed(name string) *abi.Tool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tools[name].tool
}

// meant is the tool that a call is for in the end, and its arguments.
func (v *view) meant(p *sdk.CallToolParamsRaw) (name string, input json.RawMessage) {
	var ask struct {
		Name      string
		Arguments json.RawMessage
	}
	if p.Name != callTool || readArguments(v.s.meta.call, p.Arguments, &ask) != nil {
		return p.Name, p.Arguments
	}
	return ask.Name, ask.Arguments
}

// callAsTask answers a call that is to become a task; nil and no error for all others.
func (v *view) callAsTask(ctx context.Context, req *sdk.CallToolRequest) (sdk.Result, error) {
	name, input := v.meant(req.Params)
	tool := v.toolNamed(name)
	if tool == nil || tool.Task == "" || !v.hasTasks() {
		return nil, nil
	}
	e := eraOf(req)
	switch declared := e.modern && declaresTasks(req.Params.Meta); {
	case !declared && tool.Task == abi.TaskOptional:
		return nil, nil
	case !declared && e.modern:
		return nil, tasksNeeded()
	case !declared:
		return errorResult(host.Outward(host.Errorf("mcp.Call", abi.CodeClientCapability,
			"%s runs only as a task, which protocol %s does not have", tool.Name, e.client.Protocol).
			WithHint("use a client of protocol %s that declares %s, or start it over REST", firstModern, tasksExtension))), nil
	}
	if missing := lacking(e.client, tool.Needs); len(missing) > 0 {
		return nil, capabilityError(missing)
	}
	p := req.Params
	if tool.AsksFirst && len(p.InputResponses) == 0 && p.RequestState == "" {
		return nil, nil // its questions come before the task
	}
	return v.s.startTask(ctx, e, invoke.Request{
		Tool: name, Input: input, Client: e.client, Surface: surface,
		Answers: answersOf(p.InputResponses), State: p.RequestState,
	})
}

func (s *Server) startTask(ctx context.Context, e era, r invoke.Request) (sdk.Result, error) {
	t, ask, err := s.cfg.Tasks.StartTask(ctx, r)
	if err != nil {
		res, err := s.failed(err, &r)
		if err != nil {
			return nil, err
		}
		return completeResult{res, "complete"}, nil
	}
	if ask != nil {
		questions, err := questionsOf(ask, e.client)
		if err != nil {
			return nil, s.protocolError(err, "tool", r.Tool)
		}
		return completeResult{&sdk.CallToolResult{
			Content: []sdk.Content{}, InputRequests: questions, RequestState: ask.State}, "input_required"}, nil
	}
	created := described(&t)
	created.ResultType = "task"
	return created, nil
}

// described is what is told of a task in any case.
func described(t *invoke.Task) *taskResult {
	return &taskResult{
		ResultType: "complete", TaskID: t.CallID, Status: "working", StatusMessage: t.Message,
		CreatedAt: t.CreatedAt, LastUpdatedAt: t.UpdatedAt,
		TTLMs: t.TTL.Milliseconds(), PollIntervalMs: pollEvery.Milliseconds(),
	}
}

// detailed is a task with what its status brings along.
func detailed(t *invoke.Task) *taskResult {
	out := described(t)
	switch t.Status {
	case invoke.StatusInputRequired:
		out.Status, out.InputRequests = "input_required", t.Questions
	case invoke.StatusFinished:
		out.Status = "completed"
		out.Result = &completeResult{resultFor(t.Result, era{modern: true, client: abi.Client{Protocol: firstModern}}), "complete"}
	case invoke.StatusCancelled:
		out.Status = "cancelled"
	case invoke.StatusError:
		out.StatusMessage = t.Error.Message
		if hostsOwn(t.Error.Code) {
			out.Status, out.Error = "failed", &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: t.Error.Message, Data: marshal(t.Error)}
			return out
		}
		out.Status, out.Result = "completed", &completeResult{errorResult(t.Error), "complete"}
	}
	return out
}

// hostsOwn tells whether a failure of this code is the host's word about the execution, and not what
// a tool that ran has to say.
func hostsOwn(c abi.Code) bool {
	switch c {
	case abi.CodeTrap, abi.CodeContract, abi.CodeInternal, abi.CodeInterrupted, abi.CodeDeadline,
		abi.CodeUnavailable, abi.CodeBusy, abi.CodeUnknownTool:
		return true
	}
	return false
}
