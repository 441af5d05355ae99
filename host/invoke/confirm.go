// Copyright 2026 The Gantry Authors.

package invoke

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/registry"
)

// Policy is what a tenant's operator wants of its calls; *tenants.Service is one.
type Policy interface {
	// ConfirmDestructive tells whether a person has to confirm each call of a destructive tool. It is
	// asked at every such call, concurrently, and must not wait.
	ConfirmDestructive(t host.TenantID) bool
}

// ConfirmKey is the key of the question by which a person confirms a call, and of its answer.
const ConfirmKey = "gantry_confirm"

// clearance is what a call has been let through with.
type clearance struct {
	// state and answers are the tool's own: what its last question kept, and what came for it.
	state   string
	answers map[string]json.RawMessage
	// confirmed says that a person has confirmed this very call.
	confirmed bool
	// bond is what the state of the tool's next question is bound to; see bond.
	bond string
}

// mustConfirm tells whether a person has to confirm calls of the tool.
func (p *Pipeline) mustConfirm(t host.TenantID, tool *abi.Tool) bool {
	return tool.Annotations.Destructive && p.cfg.Policy != nil && p.cfg.Policy.ConfirmDestructive(t)
}

// clear lets the call through, or answers with the question that comes first.
func (c *call) clear(ctx context.Context, ref registry.ToolRef, input []byte) (ask *abi.InputRequired, err error) {
	if c.cleared == nil {
		if c.cleared, ask, err = c.p.clear(ctx, c.info.Principal, ref, c.request, input); ask != nil || err != nil {
			return ask, err
		}
	} else if !c.cleared.confirmed && c.p.mustConfirm(c.info.Principal.Tenant, ref.Tool) {
		// The policy, or the plugin, has changed since the run was accepted.
		return nil, nobodyToAsk(ref.Name, c.request.Surface)
	}
	c.info.State, c.info.Answers = c.cleared.state, c.cleared.answers
	return nil, nil
}

// clear opens the state that came with a request and holds a destructive call to the tenant's policy:
// a person's word is bound to the principal, the tool and the arguments to the byte, and good once
// and not for long. An answer alone, without the question's state, confirms nothing.
func (p *Pipeline) clear(ctx context.Context, who *host.Principal, ref registry.ToolRef, r *Request, input []byte) (*clearance, *abi.InputRequired, error) {
	now := p.cfg.Clock.Now()
	if !p.mustConfirm(who.Tenant, ref.Tool) {
		state, err := p.sealer.open(who, stateOf(ref), r.State, now)
		return &clearance{state: state, answers: r.Answers, bond: stateOf(ref)}, nil, err
	}
	this := fmt.Sprintf("%s with %s", stateOf(ref), digestOf(input))
	question, confirmed := "confirm "+this, "confirmed "+this
	if r.State == "" {
		ask, err := p.askToConfirm(who, ref, r, question, input)
		return nil, ask, err
	}
	if _, err := p.sealer.open(who, question, r.State, now); err != nil {
		state, err := p.sealer.open(who, confirmed, r.State, now)
		if err == nil {
			err = p.spend(ctx, who.Tenant, r.State)
		}
		return &clearance{state: state, answers: r.Answers, confirmed: true, bond: confirmed}, nil, err
	}
	answer, answered := r.Answers[ConfirmKey]
	if !answered {
		ask, err := p.askToConfirm(who, ref, r, question, input)
		return nil, ask, err
	}
	if err := accepted(ref, answer); err != nil {
		return nil, nil, err
	}
	rest := maps.Clone(r.Answers)
	delete(rest, ConfirmKey)
	return &clearance{answers: rest, confirmed: true, bond: confirmed}, nil, p.spend(ctx, who.Tenant, r.State)
}

// digestOf is of the arguments as they were written, white space apart: two writings of which some
// reader might make different arguments are not the same.
func digestOf(input []byte) string {
	var b bytes.Buffer
	if json.Compact(&b, input) == nil {
		input = b.Bytes()
	}
	d := digest(string(input))
	return hex.EncodeToString(d[:])
}

// maxShown bounds how much of a call's arguments the person is shown.
const maxShown = 2000

// askToConfirm is the question, for a client that can be asked.
func (p *Pipeline) askToConfirm(who *host.Principal, ref registry.ToolRef, r *Request, what string, input []byte) (*abi.InputRequired, error) {
	if !slices.Contains(r.Client.Can, abi.ClientElicitation) {
		return nil, nobodyToAsk(ref.Name, r.Surface)
	}
	shown := string(input)
	if len(shown) > maxShown {
		shown = fmt.Sprintf("%s… (%d bytes in all)", bytes.ToValidUTF8(input[:maxShown], nil), len(input))
	}
	params, err := json.Marshal(map[string]any{
		"mode":    "form",
		"message": fmt.Sprintf("The tool %s of the plugin %s may delete or overwrite things. It was called with %s. Shall it run?", ref.Name, ref.Plugin.Name, shown),
		"requestedSchema": json.RawMessage(`{"type":"object","properties":{"confirm":{"type":"boolean","title":"Run it",` +
			`"description":"Nothing happens unless this is set","default":false}},"required":["confirm"]}`),
	})
	if err != nil {
		return nil, host.E("invoke.confirm", abi.CodeInternal, err)
	}
	return &abi.InputRequired{
		Requests: map[string]abi.InputRequest{ConfirmKey: {Method: "elicitation/create", Params: params}},
		State:    p.sealer.seal(who, what, "", p.cfg.Clock.Now().Add(p.cfg.StateTTL)),
	}, nil
}

// accepted is nil where the answer is a yes.
func accepted(ref registry.ToolRef, answer json.RawMessage) error {
	const op = "invoke.confirm"
	var a struct {
		Action  string
		Content struct{ Confirm bool }
	}
	switch err := json.Unmarshal(answer, &a); {
	case err != nil:
		return host.Errorf(op, abi.CodeInvalidArg, "the answer to %s is not that of an elicitation: %w", ConfirmKey, err)
	case a.Action != "accept" || !a.Content.Confirm:
		return host.Errorf(op, abi.CodeDeclined, "the person who was asked did not confirm the call of %s; it has not run", ref.Name)
	}
	return nil
}

// nobodyToAsk refuses a call that a person would have to confirm, where none can be asked.
func nobodyToAsk(tool, surface string) error {
	err := host.Errorf("invoke.confirm", abi.CodeConfirmation,
		"%s may delete or overwrite things, and its tenant wants a person to confirm each call; nobody can be asked here", clip(tool))
	switch surface {
	case "tool":
		return err.WithHint("let the person's own client call %s", clip(tool))
	case "cli":
		return err.WithHint("say --yes to confirm the call")
	case "mcp":
		return err.WithHint("use a client that declares the capability elicitation")
	}
	return err.WithHint("call it over MCP from a client that declares the capability elicitation; REST has no step for it")
}

// Unconfirmed tells whether err is the host's word that a person has to confirm this very call, and
// that nobody could be asked. A plugin may use the code for matters of its own, such as a tool that it
// called in turn.
func Unconfirmed(err error) bool {
	var he *host.Error
	return errors.As(err, &he) && he.Code == abi.CodeConfirmation
}

// spend takes a state out of use. Another call with it is refused, also after a restart.
func (p *Pipeline) spend(ctx context.Context, t host.TenantID, state string) error {
	// The decoded bytes are what is unique: their text may have line breaks in it.
	raw, err := base64.RawURLEncoding.DecodeString(state)
	if err != nil {
		return host.E("invoke.confirm", abi.CodeInternal, err)
	}
	d := digest(string(raw))
	k := store.Key{"confirmed", string(t), hex.EncodeToString(d[:])}
	_, err = p.cfg.Runs.Put(context.WithoutCancel(ctx), k, []byte("1"), store.PutOptions{TTL: p.cfg.StateTTL + time.Minute})
	if host.CodeOf(err) == abi.CodeConflict {
		return host.Errorf("invoke.openState", abi.CodeInvalidArg, "the request state was used before, and a person's word is good for one call; call the tool again without it")
	}
	return err
}
