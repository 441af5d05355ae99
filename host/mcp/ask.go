// Copyright 2026 The Gantry Authors.

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// maxRounds bounds how often one call may ask its client for something.
const maxRounds = 10

// asked is what a modern client has to answer before it sends its request again.
type asked struct {
	questions sdk.InputRequestMap
	state     string
}

// converse runs a request until it needs nothing more from its client. A client of the older era is
// asked here and now; one of the modern era gets the questions and comes back with the answers.
func (s *Server) converse(ctx context.Context, ss *sdk.ServerSession, r *invoke.Request,
	run func(invoke.Request) (*abi.InputRequired, error)) (*asked, error) {
	for range maxRounds {
		required, err := run(*r)
		if err != nil || required == nil {
			return nil, err
		}
		questions, err := questionsOf(required, r.Client)
		if err != nil {
			return nil, err
		}
		if r.Client.Protocol >= firstModern {
			return &asked{questions, required.State}, nil
		}
		if r.Answers, err = s.ask(ctx, ss, questions); err != nil {
			return nil, err
		}
		r.State = required.State
	}
	return nil, host.Errorf("mcp.Ask", abi.CodeLimit, "%s asked its client %d times; that is the limit", r.Tool, maxRounds)
}

// capabilityFor says what a client has to be able to do for a question's method.
var capabilityFor = map[string]string{
	"elicitation/create":     abi.ClientElicitation,
	"sampling/createMessage": abi.ClientSampling,
	"roots/list":             abi.ClientRoots,
}

// lackingFor is what of the questions' methods the client cannot do.
func lackingFor(r *abi.InputRequired, c abi.Client) []string {
	var needs []string
	for _, q := range r.Requests {
		if need := capabilityFor[q.Method]; need != "" && !slices.Contains(needs, need) {
			needs = append(needs, need)
		}
	}
	slices.Sort(needs)
	return lacking(c, needs)
}

// questionsOf reads a tool's questions into the SDK's words. It fails with CodeContract where the
// tool asks something that is no question of the protocol. Where the client has not said that it
// can answer, the failure is the modern era's own error, or CodeClientCapability.
func questionsOf(r *abi.InputRequired, c abi.Client) (sdk.InputRequestMap, error) {
	const op = "mcp.Ask"
	if missing := lackingFor(r, c); len(missing) > 0 {
		if c.Protocol >= firstModern {
			return nil, capabilityError(missing)
		}
		return nil, host.Errorf(op, abi.CodeClientCapability, "the tool asks for something this client cannot do: %s", join(missing)).
			WithHint("use a client that declares %s", join(missing))
	}
	wire := make(map[string]abi.InputRequest, len(r.Requests))
	for key, q := range r.Requests {
		if capabilityFor[q.Method] == "" {
			return nil, host.Errorf(op, abi.CodeContract, "the tool asks with method %q; use elicitation/create, sampling/createMessage or roots/list", clip(q.Method))
		}
		if len(q.Params) == 0 {
			q.Params = json.RawMessage("{}")
		}
		wire[key] = q
	}
	out := sdk.InputRequestMap{} // never nil: a round may carry state alone
	if err := json.Unmarshal(marshal(wire), &out); err != nil {
		return nil, host.Errorf(op, abi.CodeContract, "the tool's questions are not what the protocol expects: %w", err)
	}
	return out, nil
}

// answersOf are the client's answers as a guest reads them.
func answersOf(in sdk.InputResponseMap) map[string]json.RawMessage {
	if len(in) == 0 {
		return nil
	}
	out := make(map[string]json.RawMessage, len(in))
	for key, answer := range in {
		out[key] = marshal(answer)
	}
	return out
}

// ask puts the questions to a client of the older era, one after the other, in order of their keys.
func (s *Server) ask(ctx context.Context, ss *sdk.ServerSession, questions sdk.InputRequestMap) (map[string]json.RawMessage, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.AskTimeout,
		host.Errorf("mcp.Ask", abi.CodeDeadline, "the client did not answer the tool's question within %v", s.cfg.AskTimeout))
	defer cancel()
	out := make(map[string]json.RawMessage, len(questions))
	for _, key := range slices.Sorted(maps.Keys(questions)) {
		answer, err := askOne(ctx, ss, questions[key])
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			return nil, host.Errorf("mcp.Ask", abi.CodeUpstream, "the client did not answer %q: %w", clip(key), err)
		}
		out[key] = marshal(answer)
	}
	return out, nil
}

func askOne(ctx context.Context, ss *sdk.ServerSession, q sdk.InputRequest) (any, error) {
	switch q := q.(type) {
	case *sdk.ElicitParams:
		return ss.Elicit(ctx, q)
	case *sdk.CreateMessageWithToolsParams:
		return ss.CreateMessageWithTools(ctx, q)
	case *sdk.ListRootsParams:
		return ss.ListRoots(ctx, q)
	}
	return nil, fmt.Errorf("no client can be asked a %T", q)
}

// opOpenState is the operation of the pipeline's errors about a state.
const opOpenState = "invoke.openState"

// badState tells whether err is about the state that the client sent back, which the protocol wants
// to be refused as such and not as a failure of the tool.
func badState(err error) bool {
	var he *host.Error
	return errors.As(err, &he) && he.Op == opOpenState
}

func join(words []string) string { return strings.Join(words, ", ") }
