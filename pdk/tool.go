// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/gantryhost/gantry/abi"
)

// Tool is a callable thing: name is what callers say, description tells a model what it does and
// when to use it.
//
// In is a struct; its exported fields are the arguments, named as encoding/json does, and these
// tags say more (all optional):
//
//	doc, title, example            words for people and models
//	enum:"a,b"                     the allowed values
//	default:"a"                    used where the argument is missing
//	minimum, maximum (min, max)    bounds of a number
//	minLength, maxLength           bounds of a string, in characters
//	minItems, maxItems             bounds of a list
//	pattern, format                a regular expression (checked by the host), a JSON Schema format
//
// On a list, all but default, minItems and maxItems speak of its elements. An argument is required
// unless it has omitempty, omitzero, a default or a pointer type. Input that breaks a rule, or has
// an argument of another name, never reaches fn. In may also be map[string]any or json.RawMessage
// for tools that take any object.
//
// Out decides how the answer is told: a string is text; a Result (or *Result) is content of any
// kind; anything else is a JSON value, with a schema where its type says more than "any". MCP
// clients before 2026 take only objects, so a struct serves best.
//
// fn may return an error of any type (see Error), or Ask to put a question to the client. A panic
// ends the call with abi.CodeTrap.
func Tool[In, Out any](name, description string, fn func(ctx *Context, in In) (Out, error), options ...Option) Item {
	return tool[In, Out]{name, description, fn, options}
}

type tool[In, Out any] struct {
	name, description string
	fn                func(*Context, In) (Out, error)
	options           []Option
}

func (t tool[In, Out]) addTo(s *Served) error {
	if err := t.add(s); err != nil {
		return fmt.Errorf("tool %q: %w", t.name, err)
	}
	return nil
}

func (t tool[In, Out]) add(s *Served) error {
	if t.fn == nil {
		return fmt.Errorf("its function is nil")
	}
	def := abi.Tool{Name: t.name, Description: t.description}
	in, err := newShape(reflect.TypeFor[In]())
	if err != nil {
		return fmt.Errorf("input: %w", err)
	}
	if !in.takesObjects() {
		return fmt.Errorf("input: it is a %s; use a struct, map[string]any or json.RawMessage", reflect.TypeFor[In]())
	}
	def.InputSchema = in.schema(forInput)
	encode, outSchema, err := outputOf[Out]()
	if err != nil {
		return fmt.Errorf("output: %w", err)
	}
	def.OutputSchema = outSchema
	o := &offer{tool: &def}
	if err := o.with(t.options); err != nil {
		return err
	}
	in.loose = o.verbatim
	s.manifest.Tools = append(s.manifest.Tools, def)
	s.tools = append(s.tools, t.handler(in, encode))
	return nil
}

// frame is what one call of a tool works with.
type frame[In, Out any] struct {
	in  In
	out Out
	dec decoder
}

// handler runs the tool. A Wasm instance serves one call at a time, so there the frame is one for
// all of them: what is allocated anew in each call has to be put back after each call.
func (t tool[In, Out]) handler(in *shape, encode encoder[Out]) handler {
	kept := new(frame[In, Out])
	return func(ctx *Context, input []byte) (abi.OutputKind, []byte, error) {
		f := kept
		if oneAtATime {
			*f = frame[In, Out]{}
		} else {
			f = new(frame[In, Out])
		}
		if err := in.decodeWith(&f.dec, input, reflect.ValueOf(&f.in).Elem()); err != nil {
			return 0, nil, err
		}
		var err error
		if f.out, err = t.fn(ctx, f.in); err != nil {
			return 0, nil, err
		}
		return encode(outputBuffer(), &f.out)
	}
}

// encoder appends an answer to a buffer that may be nil.
type encoder[Out any] func(b []byte, v *Out) (abi.OutputKind, []byte, error)

// outputOf chooses how values of type Out are answered, once, so that a call does not ask again.
func outputOf[Out any]() (encoder[Out], json.RawMessage, error) {
	switch any((*Out)(nil)).(type) {
	case *string:
		return func(b []byte, v *Out) (abi.OutputKind, []byte, error) {
			return abi.OutputText, append(b, *any(v).(*string)...), nil
		}, nil, nil
	case *Result, **Result:
		return func(_ []byte, v *Out) (abi.OutputKind, []byte, error) {
			data, err := encodeJSON(*v)
			return abi.OutputResult, data, err
		}, nil, nil
	}
	out, err := newShape(reflect.TypeFor[Out]())
	if err != nil {
		return nil, nil, err
	}
	if out.root.kind == kindStruct {
		// encoding/json learns a type when it first meets it. Met here, that is part of the state each
		// call starts from; met in a call, it might be learned and forgotten every time.
		_, _ = encodeJSON(reflect.New(out.root.typ).Interface())
	}
	return func(b []byte, v *Out) (abi.OutputKind, []byte, error) {
		data, err := out.encode(b, v)
		return abi.OutputStructured, data, err
	}, out.promise(), nil
}
