// Copyright 2026 The Gantry Authors.

package invoke

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// settle makes an answer of what the guest has put out.
func (c *call) settle(ref registry.ToolRef, out host.Output) (*Answer, error) {
	a := &Answer{CallID: c.info.CallID, Usage: c.usage}
	var err error
	switch out.Kind {
	case abi.OutputStructured:
		if err := c.fits(ref, out.Data); err != nil {
			return nil, err
		}
		a.Result = structured(bytes.Clone(out.Data))
	case abi.OutputText:
		a.Result = &abi.Result{Content: []abi.Content{abi.Text(strings.ToValidUTF8(string(out.Data), "�"))}}
	case abi.OutputResult:
		a.Result, err = c.result(ref, out.Data)
	case abi.OutputError:
		return nil, toolError(c.reported(out.Data), ref.Tool)
	case abi.OutputInputRequired:
		a.InputRequired, err = c.inputRequired(c.cleared.bond, out.Data)
	default:
		return nil, c.broken("it returned %d, which is no kind of output", out.Kind)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (c *call) broken(format string, args ...any) error {
	return host.Errorf("invoke.settle", abi.CodeContract, "the plugin "+c.plugin.Name+" broke the contract: "+format, args...)
}

// structured is a structured result; clients that know no structured results read it as text.
func structured(data []byte) *abi.Result {
	return &abi.Result{Structured: data, Content: []abi.Content{abi.Text(string(data))}}
}

// fits holds a structured answer against what the tool promises of it.
func (c *call) fits(ref registry.ToolRef, data []byte) error {
	s, err := c.p.compiled.of(ref.Plugin, c.p.cfg.Catalog.Snapshot).answer(ref.Index, ref.Tool)
	if err != nil {
		c.p.log.Warn("an output schema cannot be used; answers are not held against it", "plugin", c.plugin.Name, "tool", ref.Tool.Name, "error", err)
	}
	if s == nil {
		if !json.Valid(data) {
			return c.broken("its structured answer is not JSON")
		}
		return nil
	}
	wrong, ok := errors.AsType[*host.Error](s.CheckAnswer(data))
	switch {
	case !ok:
		return nil
	case wrong.Details == nil:
		return c.broken("its structured answer is not JSON")
	}
	return c.broken("its answer does not fit its output_schema: %s", wrong.Message)
}

func (c *call) result(ref registry.ToolRef, data []byte) (*abi.Result, error) {
	var r abi.Result
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, c.broken("its result does not parse: %w", err)
	}
	for i, b := range r.Content {
		switch b.Type {
		case abi.ContentText, abi.ContentImage, abi.ContentAudio, abi.ContentLink, abi.ContentResource:
		default:
			return nil, c.broken("content[%d] has the unknown type %q", i, clip(string(b.Type)))
		}
	}
	if len(ref.Tool.OutputSchema) > 0 && len(r.Structured) > 0 && !r.IsError {
		if err := c.fits(ref, r.Structured); err != nil {
			return nil, err
		}
	}
	if len(r.Content) == 0 && len(r.Structured) > 0 {
		r.Content = structured(r.Structured).Content
	}
	return &r, nil
}

// reported is the error that a guest has put out, for runners that leave it to the pipeline.
func (c *call) reported(data []byte) error {
	var e abi.Error
	if err := json.Unmarshal(data, &e); err != nil {
		return c.broken("its error does not parse: %w", err)
	}
	if !abi.ValidCode(e.Code) {
		e.Code = abi.CodeUpstream
	}
	if e.Message == "" {
		e.Message = "the tool failed and does not say why"
	}
	return &e
}

// maxQuestions bounds what a tool may ask at once.
const maxQuestions = 16

// inputRequired checks a tool's questions and seals its state.
func (c *call) inputRequired(what string, data []byte) (*abi.InputRequired, error) {
	const op = "invoke.settle"
	var r abi.InputRequired
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, c.broken("what it asks for does not parse: %w", err)
	}
	switch {
	case len(r.Requests) == 0 && r.State == "":
		return nil, c.broken("it asks for input and says neither requests nor state")
	case len(r.Requests) > maxQuestions:
		return nil, c.broken("it asks %d questions at once; at most %d are allowed", len(r.Requests), maxQuestions)
	case len(r.State) > maxState:
		return nil, c.broken("its state has %d bytes; at most %d are allowed", len(r.State), maxState)
	}
	for key, q := range r.Requests {
		need, known := capabilityOf(q.Method)
		if !known {
			return nil, c.broken("requests[%q] has the unknown method %q", clip(key), clip(q.Method))
		}
		if !slices.Contains(c.info.Client.Can, need) {
			return nil, lacking(op, c.info.Tool, need)
		}
	}
	if c.kept {
		return &r, nil
	}
	// A confirmed call's answers have to come back with the proof that it was confirmed.
	if r.State != "" || c.cleared != nil && c.cleared.confirmed {
		r.State = c.p.sealer.seal(c.info.Principal, what, r.State, c.p.cfg.Clock.Now().Add(c.p.cfg.StateTTL))
	}
	return &r, nil
}

// capabilityOf is what a client has to declare to be asked by a method.
func capabilityOf(method string) (need string, known bool) {
	switch method {
	case "elicitation/create":
		return abi.ClientElicitation, true
	case "sampling/createMessage":
		return abi.ClientSampling, true
	case "roots/list":
		return abi.ClientRoots, true
	}
	return "", false
}

// textOf is the text of a result, for callers that read text only.
func textOf(r *abi.Result) string {
	if r == nil {
		return ""
	}
	var texts []string
	for _, b := range r.Content {
		if b.Type == abi.ContentText {
			texts = append(texts, b.Text)
		}
	}
	if len(texts) == 0 {
		return string(r.Structured)
	}
	return strings.Join(texts, "\n")
}
