// Copyright 2026 The Gantry Authors.

package pdk

import (
	"fmt"
	"reflect"

	"github.com/gantryhost/gantry/abi"
)

// PromptResult and PromptMessage are abi's.
type (
	PromptResult  = abi.PromptResult
	PromptMessage = abi.PromptMessage
)

// User is a message of the person.
func User(block Content) PromptMessage { return PromptMessage{Role: "user", Content: block} }

// Assistant is a message of the model.
func Assistant(block Content) PromptMessage { return PromptMessage{Role: "assistant", Content: block} }

// Messages is a PromptResult of these messages.
func Messages(messages ...PromptMessage) PromptResult { return PromptResult{Messages: messages} }

// Prompt is a text template for a model that a person picks. In is a struct whose fields are all
// strings, the arguments, with the tags doc, title, default, enum; or map[string]string for none
// declared. fn may return Ask, as a tool may.
func Prompt[In any](name, description string, fn func(ctx *Context, in In) (PromptResult, error), options ...Option) Item {
	return prompt[In]{name, description, fn, options}
}

type prompt[In any] struct {
	name, description string
	fn                func(*Context, In) (PromptResult, error)
	options           []Option
}

func (p prompt[In]) addTo(s *Served) error {
	if err := p.add(s); err != nil {
		return fmt.Errorf("prompt %q: %w", p.name, err)
	}
	return nil
}

func (p prompt[In]) add(s *Served) error {
	if p.fn == nil {
		return fmt.Errorf("its function is nil")
	}
	in, err := newShape(reflect.TypeFor[In]())
	if err != nil {
		return fmt.Errorf("arguments: %w", err)
	}
	if !in.takesObjects() {
		return fmt.Errorf("arguments: they are a %s; use a struct of strings", reflect.TypeFor[In]())
	}
	def := abi.Prompt{Name: p.name, Description: p.description}
	for _, f := range in.root.fields {
		if f.node.kind != kindString {
			return fmt.Errorf("argument %s: it is a %s; the arguments of a prompt are strings", f.name, f.node.typ)
		}
		def.Arguments = append(def.Arguments, abi.PromptArgument{
			Name: f.name, Title: f.rules.title, Description: f.rules.doc, Required: f.required,
		})
	}
	if err := (&offer{prompt: &def}).with(p.options); err != nil {
		return err
	}
	s.manifest.Prompts = append(s.manifest.Prompts, def)
	s.prompts = append(s.prompts, func(ctx *Context, input []byte) (abi.OutputKind, []byte, error) {
		var v In
		if err := in.decode(input, reflect.ValueOf(&v).Elem()); err != nil {
			return 0, nil, err
		}
		out, err := p.fn(ctx, v)
		if err != nil {
			return 0, nil, err
		}
		return structured(out)
	})
	return nil
}

func structured(v any) (abi.OutputKind, []byte, error) {
	data, err := encodeJSON(v)
	return abi.OutputStructured, data, err
}
