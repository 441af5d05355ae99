// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/registry"
)

// promptFor is a prompt in the words of the protocol.
func promptFor(ref registry.PromptRef) *sdk.Prompt {
	p := &sdk.Prompt{Name: ref.Name, Title: ref.Prompt.Title, Description: ref.Prompt.Description}
	for _, a := range ref.Prompt.Arguments {
		p.Arguments = append(p.Arguments, &sdk.PromptArgument{
			Name: a.Name, Title: a.Title, Description: a.Description, Required: a.Required,
		})
	}
	return p
}

// getPrompt renders a prompt. Prompts have no results that say "failed", so every fault is a protocol error.
func (s *Server) getPrompt(ctx context.Context, req *sdk.GetPromptRequest) (*sdk.GetPromptResult, error) {
	era := eraOf(req)
	args := req.Params.Arguments
	if args == nil {
		args = map[string]string{}
	}
	call := invoke.Request{
		Tool: req.Params.Name, Input: marshal(args), SessionID: sessionName(req.Session.ID()), Client: era.client, Surface: surface,
		Answers: answersOf(req.Params.InputResponses), State: req.Params.RequestState,
	}
	var prompt *abi.PromptResult
	ask, err := s.converse(ctx, req.Session, &call, func(r invoke.Request) (required *abi.InputRequired, err error) {
		prompt, required, err = s.cfg.Pipeline.Prompt(ctx, r)
		return required, err
	})
	switch {
	case err != nil:
		return nil, s.protocolError(err, "prompt", call.Tool)
	case ask != nil:
		return &sdk.GetPromptResult{
			Messages: []*sdk.PromptMessage{}, InputRequests: ask.questions, RequestState: ask.state,
		}, nil
	}
	return promptResult(prompt, era), nil
}

func promptResult(p *abi.PromptResult, e era) *sdk.GetPromptResult {
	out := &sdk.GetPromptResult{Description: p.Description, Messages: make([]*sdk.PromptMessage, 0, len(p.Messages))}
	for _, m := range p.Messages {
		out.Messages = append(out.Messages, &sdk.PromptMessage{Role: sdk.Role(m.Role), Content: contentFor(m.Content, e.client.Protocol)})
	}
	return out
}

// readResource reads a document at a fixed URI or of a template.
func (s *Server) readResource(ctx context.Context, req *sdk.ReadResourceRequest) (*sdk.ReadResourceResult, error) {
	doc, err := s.read(ctx, req.Params.URI)
	switch {
	case host.CodeOf(err) == abi.CodeNotFound:
		return nil, sdk.ResourceNotFoundError(req.Params.URI)
	case err != nil:
		return nil, s.protocolError(err, "resource", req.Params.URI)
	}
	out := &sdk.ReadResourceResult{Contents: make([]*sdk.ResourceContents, 0, len(doc.Contents))}
	for _, c := range doc.Contents {
		out.Contents = append(out.Contents, resourceContents(c))
	}
	return out, nil
}

// subscribe lets a client follow what it can read.
func (v *view) subscribe(_ context.Context, req *sdk.SubscribeRequest) error {
	v.mu.Lock()
	_, known := v.resources[req.Params.URI]
	templates := len(v.templates)
	v.mu.Unlock()
	// A URI of a template is known only when it is read; following one that does not exist is harmless.
	if !known && templates == 0 {
		return sdk.ResourceNotFoundError(req.Params.URI)
	}
	return nil
}

// complete proposes values for an argument of a prompt or a variable of a template.
func (v *view) complete(ctx context.Context, req *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
	ask := &abi.CompleteRequest{Argument: req.Params.Argument.Name, Value: req.Params.Argument.Value}
	switch req.Params.Ref.Type {
	case "ref/prompt":
		ask.Prompt = req.Params.Ref.Name
	case "ref/resource":
		ask.Template = req.Params.Ref.URI
	}
	if req.Params.Context != nil {
		ask.Known = req.Params.Context.Arguments
	}
	got, err := v.s.completer(ask)(ctx, ask)
	if err != nil {
		return nil, v.s.protocolError(err, "completion", ask.Argument)
	}
	values := got.Values
	if values == nil {
		values = []string{}
	}
	return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: values, Total: got.Total, HasMore: got.More}}, nil
}

// protocolError is a failure where the protocol has no result for one.
func (s *Server) protocolError(err error, kind, name string) error {
	var own *jsonrpc.Error
	if errors.As(err, &own) {
		return own
	}
	out := host.Outward(err)
	code := int64(jsonrpc.CodeInternalError)
	switch out.Code {
	case abi.CodeInvalidArg, abi.CodeNotFound, abi.CodeUnknownTool:
		code = jsonrpc.CodeInvalidParams
	case abi.CodeInternal:
		s.cfg.Logger.Error("a request failed inside the host", "kind", kind, "name", name, "err", err)
	}
	return &jsonrpc.Error{Code: code, Message: out.Message, Data: marshal(out)}
}
