// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/gantryhost/gantry/abi"
)

// Question is one thing to ask of the person or the model behind the client. Key finds its answer.
type Question struct {
	Key string
	// Method and Params are as MCP writes them; Elicit, Sample and Roots fill them in.
	Method string
	Params any
	err    error
}

// Elicit asks the person to fill in a form: fields is a value of a struct type, whose tags (see
// Tool) describe it. Its fields have to be plain: strings, numbers, booleans and lists of strings.
func Elicit(key, message string, fields any) Question {
	q := Question{Key: key, Method: "elicitation/create"}
	shape, err := newShape(reflect.TypeOf(fields))
	if err == nil && shape.root.kind != kindStruct {
		err = fmt.Errorf("it is a %T", fields)
	}
	if err != nil {
		q.err = fmt.Errorf("question %s: the form has to be a struct: %w", key, err)
		return q
	}
	return ElicitSchema(key, message, string(shape.schema(forForm)))
}

// ElicitSchema is Elicit with a schema of your own.
func ElicitSchema(key, message, schema string) Question {
	return Question{Key: key, Method: "elicitation/create", Params: map[string]any{
		"mode": "form", "message": message, "requestedSchema": json.RawMessage(schema),
	}}
}

// Sample asks the client's model to answer one message of a person.
func Sample(key, message string, maxTokens int) Question {
	return Question{Key: key, Method: "sampling/createMessage", Params: map[string]any{
		"messages":  []any{map[string]any{"role": "user", "content": map[string]string{"type": "text", "text": message}}},
		"maxTokens": maxTokens,
	}}
}

// Roots asks which folders the client works on.
func Roots(key string) Question {
	return Question{Key: key, Method: "roots/list"}
}

// question is how Ask travels: as the error of the function that asks.
type question struct {
	abi.InputRequired
}

// Error says what happened to those who handle it as an error.
func (q *question) Error() string { return "the tool needs an answer from the client first" }

// Ask ends the call with questions. The host puts them to the client and calls the tool again, from
// the start, with the answers (Context.Answer) and with state (Context.State), which nobody can read
// a change into. A client that lacks the ability fails with abi.CodeClientCapability: check
// Context.Can, or demand it with Needs.
//
//	var name pdk.Elicited
//	if ok, err := ctx.Answer("name", &name); err != nil || !ok {
//		return out, cmp.Or(err, pdk.Ask("", pdk.Elicit("name", "Who are you?", form{})))
//	}
func Ask(state string, questions ...Question) error {
	q := &question{abi.InputRequired{State: state}}
	if len(questions) == 0 && state == "" {
		return fmt.Errorf("Ask needs a question or a state")
	}
	for _, one := range questions {
		if one.err != nil {
			return one.err
		}
		if one.Key == "" || q.Requests[one.Key].Method != "" {
			return fmt.Errorf("question %q: give each question a key of its own", one.Key)
		}
		var params json.RawMessage
		if one.Params != nil {
			data, err := encodeJSON(one.Params)
			if err != nil {
				return fmt.Errorf("question %s: %w", one.Key, err)
			}
			params = data
		}
		if q.Requests == nil {
			q.Requests = map[string]abi.InputRequest{}
		}
		q.Requests[one.Key] = abi.InputRequest{Method: one.Method, Params: params}
	}
	return q
}

// Answer decodes the answer to the question of this key, as MCP writes it, and tells whether there
// is one. v may be an *Elicited, a *Sampled, a *RootList or a pointer to anything JSON decodes into.
func (c *Context) Answer(key string, v any) (bool, error) {
	raw, ok := c.about().Answers[key]
	if !ok {
		return false, nil
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return false, Errorf(abi.CodeInvalidArg, "the answer to %s does not have the form expected: %w", key, err)
	}
	return true, nil
}

// State is what the Ask of the run before kept, "" in the first run.
func (c *Context) State() string { return c.about().State }

// Elicited is the answer to Elicit.
type Elicited struct {
	// Action is "accept", "decline" or "cancel".
	Action string `json:"action"`
	// Content is the filled-in form where Action is "accept".
	Content json.RawMessage `json:"content"`
}

// Accepted decodes the form into v, a pointer to a struct, by the rules of its tags; false, and v
// untouched, where the person declined.
func (e *Elicited) Accepted(v any) (bool, error) {
	if e.Action != "accept" {
		return false, nil
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return false, fmt.Errorf("Accepted needs a pointer to a struct, not %T", v)
	}
	shape, err := newShape(target.Type().Elem())
	if err != nil {
		return false, err
	}
	if err := shape.decode(e.Content, target.Elem()); err != nil {
		return false, err
	}
	return true, nil
}

// Sampled is the answer to Sample.
type Sampled struct {
	Role       string          `json:"role"`
	Model      string          `json:"model"`
	StopReason string          `json:"stopReason"`
	Content    json.RawMessage `json:"content"`
}

// Text is the text of the answer, of one block or of many.
func (s *Sampled) Text() string {
	type block struct {
		Text string `json:"text"`
	}
	var one block
	if json.Unmarshal(s.Content, &one) == nil {
		return one.Text
	}
	var many []block
	if json.Unmarshal(s.Content, &many) != nil {
		return ""
	}
	text := ""
	for _, b := range many {
		text += b.Text
	}
	return text
}

// RootList is the answer to Roots.
type RootList struct {
	Roots []Root `json:"roots"`
}

// Root is one folder of a client.
type Root struct {
	URI  string `json:"uri"`
	Name string `json:"name,omitempty"`
}
