// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// Result is how a call ended and what it said on the way. Exactly one of Err, Asked and an answer
// (Text, Structured or Content) is there.
type Result struct {
	// Err is the error the caller is told.
	Err *pdk.Error
	// Asked is the question that had no answer in Host.Answers.
	Asked *abi.InputRequired
	// Text is the whole text of the answer: a string, the text blocks of a Result joined, or the JSON
	// of a structured value.
	Text string
	// Structured is the answer's JSON value; Decode reads it into a type.
	Structured json.RawMessage
	// Content is what a tool that answers with a Result sent.
	Content []abi.Content
	// IsError is a Result's own.
	IsError bool

	// Partials, Progress and Logs are what the call said while it ran, in order, over all its rounds.
	Partials []string
	Progress []abi.Progress
	Logs     []Line

	raw []byte
	t   testing.TB
}

// Line is one line of the plugin's log.
type Line struct {
	Level abi.LogLevel
	Text  string
}

// Streamed is the partials joined.
func (r *Result) Streamed() string { return strings.Join(r.Partials, "") }

// Decode reads the structured answer into v; a call that failed, or an answer of another form, ends
// the test.
func (r *Result) Decode(v any) {
	r.t.Helper()
	r.OK()
	if r.Structured == nil {
		r.t.Fatalf("the answer is not structured: %q", r.Text)
	}
	if err := json.Unmarshal(r.Structured, v); err != nil {
		r.t.Fatalf("the answer %s does not fit: %v", r.Structured, err)
	}
}

// OK ends the test where the call failed or asked, and returns r.
func (r *Result) OK() *Result {
	r.t.Helper()
	switch {
	case r.Err != nil:
		r.t.Fatalf("the call failed with %s: %s", r.Err.Code, r.Err.Message)
	case r.Asked != nil:
		r.t.Fatalf("the call asked for %v; put answers into Host.Answers", r.Asked.Requests)
	case r.IsError:
		r.t.Fatalf("the tool answered with an error: %s", r.Text)
	}
	return r
}

// Fails ends the test unless the call failed with this code, and returns the error.
func (r *Result) Fails(code abi.Code) *pdk.Error {
	r.t.Helper()
	if r.Err == nil {
		r.t.Fatalf("the call did not fail with %s; it answered %q", code, r.Text)
	}
	if r.Err.Code != code {
		r.t.Fatalf("the call failed with %s (%s), want %s", r.Err.Code, r.Err.Message, code)
	}
	return r.Err
}

// read takes the output as a host does.
func (r *Result) read(kind abi.OutputKind, out []byte) {
	r.raw = out
	switch kind {
	case abi.OutputStructured:
		if len(out) == 0 || !json.Valid(out) {
			r.t.Fatalf("the structured answer is not JSON: %q", out)
		}
		r.Structured, r.Text = out, string(out)
	case abi.OutputText:
		r.Text = string(out)
	case abi.OutputError:
		r.Err = readError(out)
	case abi.OutputInputRequired:
		r.Asked = &abi.InputRequired{}
		r.unmarshal(out, r.Asked)
	case abi.OutputResult:
		var res abi.Result
		r.unmarshal(out, &res)
		r.Content, r.IsError, r.Structured = res.Content, res.IsError, res.Structured
		for _, c := range res.Content {
			if c.Type == abi.ContentText {
				r.Text += c.Text
			}
		}
	default:
		r.t.Fatalf("the plugin answered with output kind %d", kind)
	}
}

func (r *Result) unmarshal(out []byte, v any) {
	if err := json.Unmarshal(out, v); err != nil {
		r.t.Fatalf("the plugin's output %s does not parse: %v", out, err)
	}
}

func readError(out []byte) *pdk.Error {
	e := &pdk.Error{}
	if err := json.Unmarshal(out, e); err != nil {
		return &pdk.Error{Code: abi.CodeContract, Message: "the error does not parse: " + err.Error()}
	}
	return e
}

func decoded[T any](r *Result) (*T, error) {
	if r.Err != nil {
		return nil, r.Err
	}
	if r.Asked != nil {
		return nil, &pdk.Error{Code: abi.CodeClientCapability, Message: "a question has no answer in Host.Answers"}
	}
	v := new(T)
	r.unmarshal(r.raw, v)
	return v, nil
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	switch v := v.(type) {
	case nil:
		return []byte("{}")
	case []byte:
		return v
	case json.RawMessage:
		return v
	}
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v does not encode: %v", v, err)
	}
	return data
}

func expand(template string, variables map[string]string) string {
	for name, value := range variables {
		template = strings.ReplaceAll(template, "{"+name+"}", value)
	}
	return template
}
