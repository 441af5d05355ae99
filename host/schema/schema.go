// Copyright 2026 The Gantry Authors.

// Package schema checks JSON against JSON Schema (draft 2020-12, and draft-07 where a schema says
// so) and tells the caller which field is wrong and how to mend it.
//
// A schema is compiled once per tool and checked on the path of every call, so the keywords that
// nearly every schema is made of are checked by a small compiled checker over the bytes, without
// decoding them; a schema that uses a rarer keyword is checked by google/jsonschema-go as well,
// whose home this package is. It does not fetch anything: a $ref leads to a place in the same
// schema. It does not fill in defaults, and format is a hint, not a check.
package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a schema and of what is checked against it.
const (
	// MaxDepth is how deep schemas and instances may nest.
	MaxDepth = 64
	// MaxRules is how many subschemas a schema may have; for one that needs the library, with every
	// $ref written out.
	MaxRules = 10_000
	// MaxSteps is how much work one check may be: one step is one subschema held against one value.
	MaxSteps = 1 << 20
	// MaxPattern is how long a regular expression may be.
	MaxPattern = 4 << 10
)

// Schema is a compiled schema. It is immutable; Check may be called from any number of goroutines.
type Schema struct {
	root *rule
	// rest is set where the schema uses keywords that rule does not know.
	rest *jsonschema.Resolved
}

// Compile reads a schema of at most abi.MaxSchemaBytes. An empty one takes any object. The error has
// CodeContract, since it is the schema's author who can mend it. Compile never panics, and a schema
// that it takes cannot make Check run without end.
func Compile(raw json.RawMessage) (s *Schema, err error) {
	const op = "schema.Compile"
	if len(raw) == 0 {
		raw = json.RawMessage(`{"type":"object"}`)
	}
	if len(raw) > abi.MaxSchemaBytes {
		return nil, host.Errorf(op, abi.CodeContract, "the schema has %d bytes; at most %d are allowed", len(raw), abi.MaxSchemaBytes)
	}
	// The library is strange code that meets a stranger's schema; what it may trip over is not ours
	// to foresee.
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, host.Errorf(op, abi.CodeContract, "the schema cannot be read: %v", r)
		}
	}()
	s, err = compile(raw)
	if err != nil {
		return nil, host.Errorf(op, abi.CodeContract, "the schema cannot be used: %w", err)
	}
	return s, nil
}

func compile(raw json.RawMessage) (*Schema, error) {
	t := newTape()
	defer t.free()
	if err := t.parse(raw); err != nil {
		return nil, err
	}
	var js jsonschema.Schema
	if err := json.Unmarshal(raw, &js); err != nil {
		return nil, err
	}
	c := &compiler{root: &js, rules: map[*jsonschema.Schema]*rule{}}
	switch js.Schema {
	case "", "https://json-schema.org/draft/2020-12/schema", "https://json-schema.org/draft/2020-12/schema#":
		// The library knows the first spelling only.
		js.Schema = ""
	case "http://json-schema.org/draft-07/schema#", "https://json-schema.org/draft-07/schema#",
		"http://json-schema.org/draft-07/schema", "https://json-schema.org/draft-07/schema":
		js.Schema = "http://json-schema.org/draft-07/schema#"
		c.draft7 = true
	default:
		return nil, fmt.Errorf("$schema is %q; use draft 2020-12 or draft-07", clip(js.Schema))
	}
	root, err := c.compile(&js, "#")
	if err != nil {
		return nil, err
	}
	if err := c.refuseLoops(); err != nil {
		return nil, err
	}
	rest, err := js.Resolve(nil)
	if err != nil {
		return nil, err
	}
	s := &Schema{root: root}
	if c.rare != "" {
		if err := c.refuseBlowUp(root); err != nil {
			return nil, err
		}
		s.rest = rest
	}
	return s, nil
}

// Check holds an instance, one JSON value, against the schema. The error is a *host.Error with
// CodeInvalidArg whose message names the first wrong field, as a JSON pointer, and the mend; its
// Details are a JSON list of {"field","problem"}, at most 8. JSON that is not well formed, that
// nests deeper than MaxDepth, that has a key twice in one object or anything after the value is an
// error of the same code.
func (s *Schema) Check(instance []byte) error {
	const op = "schema.Check"
	t := newTape()
	defer t.free()
	if err := t.parse(instance); err != nil {
		return host.Errorf(op, abi.CodeInvalidArg, "the input is not usable JSON: %w", err)
	}
	c := checker{tape: t, path: t.path[:0], loose: s.rest != nil}
	ok := c.check(s.root, 0)
	t.path = c.path[:0]
	if c.steps > MaxSteps {
		return host.Errorf(op, abi.CodeLimit, "checking the input against the tool's schema took more than %d steps; send a smaller input", MaxSteps)
	}
	if !ok {
		return c.failure(op)
	}
	if s.rest == nil {
		return nil
	}
	return s.checkRest(op, instance)
}

// CheckAnswer holds what a tool answered against the schema. It is Check, but what only Check's bounds
// would refuse (depth, work, a key twice) passes: an answer is its author's, and nobody has to read it
// twice. Not being JSON is an error without Details.
func (s *Schema) CheckAnswer(answer []byte) error {
	err := s.Check(answer)
	if he, ok := errors.AsType[*host.Error](err); ok && he.Details == nil && json.Valid(answer) {
		return nil
	}
	return err
}

// checkRest lets the library look at what the compiled rules have let through.
func (s *Schema) checkRest(op string, instance []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = host.Errorf(op, abi.CodeInvalidArg, "the input cannot be checked against the tool's schema: %v", r)
		}
	}()
	var v any
	if err := json.Unmarshal(instance, &v); err != nil {
		return host.Errorf(op, abi.CodeInvalidArg, "the input is not usable JSON: %w", err)
	}
	if err := s.rest.Validate(v); err != nil {
		return fromLibrary(op, err)
	}
	return nil
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
