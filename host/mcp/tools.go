// Copyright 2026 The Gantry Authors.

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

// surface names MCP in the journal.
const surface = "mcp"

var noInput = json.RawMessage(`{"type":"object","properties":{}}`)

// toolFor is a tool in the words of the protocol.
func toolFor(ref registry.ToolRef) *sdk.Tool {
	a := ref.Tool.Annotations
	t := &sdk.Tool{
		Name:        ref.Name,
		Title:       ref.Tool.Title,
		Description: ref.Tool.Description,
		InputSchema: ref.Tool.InputSchema,
		Annotations: &sdk.ToolAnnotations{
			ReadOnlyHint:    a.ReadOnly,
			DestructiveHint: &a.Destructive,
			IdempotentHint:  a.Idempotent,
			OpenWorldHint:   &a.OpenWorld,
		},
	}
	for _, i := range ref.Tool.Icons {
		t.Icons = append(t.Icons, sdk.Icon{Source: i.Src, MIMEType: i.MIMEType, Sizes: i.Sizes, Theme: sdk.IconTheme(i.Theme)})
	}
	if len(ref.Tool.InputSchema) == 0 {
		t.InputSchema = noInput
	}
	if len(ref.Tool.OutputSchema) > 0 {
		t.OutputSchema = ref.Tool.OutputSchema
	}
	return t
}

// forSessions leaves out of a listing what the older era cannot read: its clients take an output
// schema only where it is an object's, and would refuse the whole list.
func forSessions(tools []*sdk.Tool) []*sdk.Tool {
	out := make([]*sdk.Tool, len(tools))
	for i, t := range tools {
		out[i] = t
		if raw, ok := t.OutputSchema.(json.RawMessage); ok && !objectSchema(raw) {
			plain := *t
			plain.OutputSchema = nil
			out[i] = &plain
		}
	}
	return out
}

func objectSchema(raw json.RawMessage) bool {
	var head struct {
		Type any `json:"type"`
	}
	return json.Unmarshal(raw, &head) == nil && head.Type == "object"
}

// callTool runs a tool for the principal in ctx. Faults of the tool, and of its arguments, are
// results that a model can read; only what the protocol itself names is a protocol error.
func (s *Server) callTool(ctx context.Context, req *sdk.CallToolRequest, needs []string) (*sdk.CallToolResult, error) {
	era := eraOf(req)
	if missing := lacking(era.client, needs); len(missing) > 0 && era.modern {
		return nil, capabilityError(missing)
	}
	if token := req.Params.GetProgressToken(); token != nil {
		era.client.ProgressToken = marshal(token)
	}
	call := invoke.Request{
		Tool: req.Params.Name, Input: req.Params.Arguments, SessionID: sessionName(req.Session.ID()),
		Client: era.client, Surface: surface,
		Answers: answersOf(req.Params.InputResponses), State: req.Params.RequestState,
	}
	heard := &sink{ctx: ctx, session: req.Session, token: req.Params.GetProgressToken(), tool: req.Params.Name}
	run := func(r invoke.Request) (*invoke.Answer, error) { return s.cfg.Pipeline.Call(ctx, r, heard) }
	first := run
	if handed := handedTo(req.Extra); handed != nil {
		first = func(invoke.Request) (*invoke.Answer, error) { return handed.outcome(ctx) }
	}
	var result *abi.Result
	ask, err := s.converse(ctx, req.Session, &call, func(r invoke.Request) (*abi.InputRequired, error) {
		answer, err := first(r)
		first = run
		if err != nil {
			return nil, err
		}
		result = answer.Result
		return answer.InputRequired, nil
	})
	switch {
	case err != nil:
		return s.failed(err, &call)
	case ask != nil:
		return &sdk.CallToolResult{Content: []sdk.Content{}, InputRequests: ask.questions, RequestState: ask.state}, nil
	}
	return resultFor(result, era), nil
}

// callUnlisted answers a call of a tool that the caller's list does not have. The SDK would say that
// there is none; the pipeline knows whether there is one that the caller may not use, and which name
// comes near.
func (s *Server) callUnlisted(ctx context.Context, req *sdk.CallToolRequest) (sdk.Result, error) {
	res, err := s.callTool(ctx, req, nil)
	switch {
	case err != nil:
		return nil, err
	case res.InputRequests != nil: // it came into the list just now; only a listed tool may ask
		return errorResult(host.Outward(host.Errorf("mcp.Call", abi.CodeBusy, "the list of tools is changing; call again"))), nil
	}
	return res, nil
}

// failed turns an error of the pipeline into what the protocol says it is.
func (s *Server) failed(err error, call *invoke.Request) (*sdk.CallToolResult, error) {
	if own := protocolError(err, call.Client.Protocol); own != nil {
		return nil, own
	}
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: s.fault(err, call)}}}, nil
}

// fault is a failure as a model reads it: the error's JSON. The host's own are logged.
func (s *Server) fault(err error, call *invoke.Request) string {
	out := host.Outward(err)
	if out.Code == abi.CodeInternal {
		s.cfg.Logger.Error("a call failed inside the host", "tool", call.Tool, "err", err)
	}
	return string(marshal(out))
}

// protocolError is what the protocol itself says of err; nil where err is a result for the model to
// read: a fault of the tool, of its arguments or of the host.
func protocolError(err error, version string) *jsonrpc.Error {
	var own *jsonrpc.Error
	switch {
	case errors.As(err, &own):
		return own
	case version >= firstModern && invoke.Unconfirmed(err):
		out := host.Outward(err)
		return &jsonrpc.Error{Code: sdk.CodeMissingRequiredClientCapabilities, Message: out.Message,
			Data: withRequired(out, map[string]any{abi.ClientElicitation: struct{}{}})}
	case unknownTool(err), badState(err):
		out := host.Outward(err)
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: out.Message, Data: marshal(out)}
	}
	return nil
}

// unknownTool tells whether err is the host's word that there is no such tool. A plugin may use the
// same code for what it looked for itself; that is its result.
func unknownTool(err error) bool {
	var he *host.Error
	return errors.As(err, &he) && he.Code == abi.CodeUnknownTool
}

// errorResult is a failure as a model reads it: the error's JSON as the only text.
func errorResult(e *abi.Error) *sdk.CallToolResult {
	return &sdk.CallToolResult{IsError: true, Content: []sdk.Content{&sdk.TextContent{Text: string(marshal(e))}}}
}

// era is what is known of the client that sent a request.
type era struct {
	modern bool
	client abi.Client
}

func eraOf(req interface {
	ProtocolVersion() string
	ClientInfo() *sdk.Implementation
	ClientCapabilities() *sdk.ClientCapabilities
}) era {
	e := era{client: abi.Client{Protocol: req.ProtocolVersion()}}
	e.modern = e.client.Protocol >= firstModern
	if info := req.ClientInfo(); info != nil {
		e.client.Name, e.client.Version = info.Name, info.Version
	}
	if can := req.ClientCapabilities(); can != nil {
		// A client that names one mode of asking cannot do the other; one that names none can do forms.
		if el := can.Elicitation; el != nil && (el.Form != nil || el.URL == nil) {
			e.client.Can = append(e.client.Can, abi.ClientElicitation)
		}
		if can.Sampling != nil {
			e.client.Can = append(e.client.Can, abi.ClientSampling)
		}
		if can.RootsV2 != nil || can.Roots.ListChanged {
			e.client.Can = append(e.client.Can, abi.ClientRoots)
		}
	}
	return e
}

// readClient is eraOf for a client that describes itself with a request; false where the SDK would
// refuse the description.
func readClient(msg *plainCall) (era, bool) {
	meta := sdk.Meta{sdk.MetaKeyProtocolVersion: string(msg.version)}
	for key, raw := range map[string][]byte{sdk.MetaKeyClientInfo: msg.client, sdk.MetaKeyClientCapabilities: msg.capabilities} {
		var v any
		if raw != nil && json.Unmarshal(raw, &v) != nil {
			return era{}, false
		}
		if raw != nil {
			meta[key] = v
		}
	}
	req := &sdk.CallToolRequest{Params: &sdk.CallToolParamsRaw{Meta: meta}}
	if req.ClientCapabilities() == nil || msg.client != nil && req.ClientInfo() == nil {
		return era{}, false
	}
	return eraOf(req), true
}

func modernRequest(req sdk.Request) bool {
	v, ok := req.(interface{ ProtocolVersion() string })
	return ok && v.ProtocolVersion() >= firstModern
}

// lacking is what of needs the client cannot do.
func lacking(c abi.Client, needs []string) []string {
	var out []string
	for _, n := range needs {
		if !slices.Contains(c.Can, n) {
			out = append(out, n)
		}
	}
	return out
}

// capabilityError is the modern era's refusal of a client that cannot do what a call needs.
func capabilityError(missing []string) error {
	required := map[string]any{}
	for _, m := range missing {
		required[m] = struct{}{}
	}
	return &jsonrpc.Error{
		Code:    sdk.CodeMissingRequiredClientCapabilities,
		Message: "the call needs a client that can do " + join(missing),
		Data:    withRequired(nil, required),
	}
}

// withRequired is the data of an error for a client that lacks capabilities: those, and what else
// there is to say.
func withRequired(e *abi.Error, required map[string]any) json.RawMessage {
	return marshal(struct {
		*abi.Error
		Required map[string]any `json:"requiredCapabilities"`
	}{e, required})
}

// marshal is for values that always have a JSON form.
func marshal(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		return json.RawMessage("null")
	}
	return data
}
