// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/pdk"
)

// defaultsSchema is a form with a default of each kind (SEP-1034).
const defaultsSchema = `{
  "type": "object",
  "properties": {
    "name": {"type": "string", "description": "User name", "default": "John Doe"},
    "age": {"type": "integer", "description": "User age", "default": 30},
    "score": {"type": "number", "description": "User score", "default": 95.5},
    "status": {"type": "string", "description": "User status", "enum": ["active", "inactive", "pending"], "default": "active"},
    "verified": {"type": "boolean", "description": "Verification status", "default": true}
  }
}`

// enumsSchema is a form with a choice of each form (SEP-1330).
const enumsSchema = `{
  "type": "object",
  "properties": {
    "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
    "titledSingle": {"type": "string", "oneOf": [
      {"const": "value1", "title": "First Option"},
      {"const": "value2", "title": "Second Option"},
      {"const": "value3", "title": "Third Option"}
    ]},
    "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"], "enumNames": ["Option One", "Option Two", "Option Three"]},
    "untitledMulti": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
    "titledMulti": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"anyOf": [
      {"const": "value1", "title": "First Choice"},
      {"const": "value2", "title": "Second Choice"},
      {"const": "value3", "title": "Third Choice"}
    ]}}
  }
}`

type nameForm struct {
	Name string `json:"name"`
}

type confirmForm struct {
	OK bool `json:"ok"`
}

func missingCapability(*pdk.Context, none) (string, error) {
	return "The client can sample, so the tool ran.", nil
}

func sampling(ctx *pdk.Context, in struct {
	Prompt string `json:"prompt" doc:"What to ask the model"`
}) (string, error) {
	var answer pdk.Sampled
	if ok, err := ctx.Answer("completion", &answer); err != nil || !ok {
		return "", orAsk(err, "", pdk.Sample("completion", in.Prompt, 100))
	}
	return "LLM response: " + answer.Text(), nil
}

func elicitation(ctx *pdk.Context, in struct {
	Message string `json:"message" doc:"What to ask the person"`
}) (string, error) {
	return elicited(ctx, in.Message, `{"type":"object","properties":{
		"username":{"type":"string","description":"User's response"},
		"email":{"type":"string","description":"User's email address"}},"required":["username"]}`)
}

func elicit(schema string) func(*pdk.Context, none) (string, error) {
	return func(ctx *pdk.Context, _ none) (string, error) {
		return elicited(ctx, "Please fill in the form", schema)
	}
}

func elicited(ctx *pdk.Context, message, schema string) (string, error) {
	var answer pdk.Elicited
	if ok, err := ctx.Answer("form", &answer); err != nil || !ok {
		return "", orAsk(err, "", pdk.ElicitSchema("form", message, schema))
	}
	return fmt.Sprintf("Elicitation completed: action=%s, content=%s", answer.Action, answer.Content), nil
}

func requiredElicitation(ctx *pdk.Context, _ none) (string, error) {
	form, ok, err := accepted[nameForm](ctx, "user_name")
	if err != nil || !ok || form.Name == "" {
		return "", orAsk(err, "", pdk.Elicit("user_name", "What is your name?", nameForm{}))
	}
	return fmt.Sprintf("Hello, %s!", form.Name), nil
}

func requiredSampling(ctx *pdk.Context, _ none) (string, error) {
	var answer pdk.Sampled
	if ok, err := ctx.Answer("capital_question", &answer); err != nil || !ok {
		return "", orAsk(err, "", pdk.Sample("capital_question", "What is the capital of France?", 100))
	}
	return "Sampling response: " + answer.Text(), nil
}

func requiredRoots(ctx *pdk.Context, _ none) (string, error) {
	var answer pdk.RootList
	if ok, err := ctx.Answer("client_roots", &answer); err != nil || !ok {
		return "", orAsk(err, "", pdk.Roots("client_roots"))
	}
	return fmt.Sprintf("The client has %d root(s): %s", len(answer.Roots), rootURIs(answer)), nil
}

func rootURIs(list pdk.RootList) string {
	uris := make([]string, len(list.Roots))
	for i, r := range list.Roots {
		uris[i] = r.URI
	}
	return strings.Join(uris, ", ")
}

// requiredState keeps a state between its rounds. That nobody has changed it is the host's promise,
// so all there is to check is that it came back.
func requiredState(ctx *pdk.Context, _ none) (string, error) {
	form, ok, err := accepted[confirmForm](ctx, "confirm")
	switch {
	case err != nil:
		return "", err
	case !ok || ctx.State() != "asked":
		return "", pdk.Ask("asked", pdk.Elicit("confirm", "Please confirm", confirmForm{}))
	}
	return fmt.Sprintf("state-ok: the state came back, and the answer was %v", form.OK), nil
}

func requiredMany(ctx *pdk.Context, _ none) (string, error) {
	form, named, err := accepted[nameForm](ctx, "user_name")
	if err != nil {
		return "", err
	}
	var greeting pdk.Sampled
	greeted, err := ctx.Answer("greeting", &greeting)
	if err != nil {
		return "", err
	}
	var roots pdk.RootList
	rooted, err := ctx.Answer("client_roots", &roots)
	if err != nil || !named || !greeted || !rooted {
		return "", orAsk(err, "many",
			pdk.Elicit("user_name", "What is your name?", nameForm{}),
			pdk.Sample("greeting", "Generate a greeting", 50),
			pdk.Roots("client_roots"))
	}
	return fmt.Sprintf("%s %s, with %d root(s)", greeting.Text(), form.Name, len(roots.Roots)), nil
}

// requiredRounds keeps the round, and the name from the first, in its state.
func requiredRounds(ctx *pdk.Context, _ none) (string, error) {
	type colorForm struct {
		Color string `json:"color"`
	}
	name, second := strings.CutPrefix(ctx.State(), "second:")
	if second {
		form, ok, err := accepted[colorForm](ctx, "step2")
		if err != nil || !ok {
			return "", orAsk(err, ctx.State(), pdk.Elicit("step2", "Step 2: What is your favorite color?", colorForm{}))
		}
		return fmt.Sprintf("%s likes %s", name, form.Color), nil
	}
	form, ok, err := accepted[nameForm](ctx, "step1")
	if err != nil || !ok {
		return "", orAsk(err, "first", pdk.Elicit("step1", "Step 1: What is your name?", nameForm{}))
	}
	return "", pdk.Ask("second:"+form.Name, pdk.Elicit("step2", "Step 2: What is your favorite color?", colorForm{}))
}

func requiredCapabilities(ctx *pdk.Context, _ none) (string, error) {
	if len(ctx.Info().Answers) > 0 {
		return "The client answered what it said it could.", nil
	}
	var questions []pdk.Question
	if ctx.Can("elicitation") {
		questions = append(questions, pdk.Elicit("user_name", "What is your name?", nameForm{}))
	}
	if ctx.Can("sampling") {
		questions = append(questions, pdk.Sample("greeting", "Generate a short greeting", 50))
	}
	if ctx.Can("roots") {
		questions = append(questions, pdk.Roots("client_roots"))
	}
	if len(questions) == 0 {
		return "The client can answer nothing.", nil
	}
	return "", pdk.Ask("", questions...)
}

func requiredPrompt(ctx *pdk.Context, _ none) (pdk.PromptResult, error) {
	type contextForm struct {
		Context string `json:"context"`
	}
	form, ok, err := accepted[contextForm](ctx, "user_context")
	if err != nil || !ok {
		return pdk.PromptResult{}, orAsk(err, "", pdk.Elicit("user_context", "Please provide context for the prompt", contextForm{}))
	}
	return pdk.Messages(pdk.User(pdk.Text("Context: " + form.Context))), nil
}

// accepted is the form under the key, where the person has filled it in.
func accepted[Form any](ctx *pdk.Context, key string) (form Form, ok bool, err error) {
	var answer pdk.Elicited
	if ok, err := ctx.Answer(key, &answer); err != nil || !ok {
		return form, false, err
	}
	ok, err = answer.Accepted(&form)
	return form, ok, err
}

// orAsk is err where there is one, and otherwise the questions.
func orAsk(err error, state string, questions ...pdk.Question) error {
	if err != nil {
		return err
	}
	return pdk.Ask(state, questions...)
}
