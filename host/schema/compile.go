// Copyright 2026 The Gantry Authors.

package schema

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// rule is one subschema, compiled. A nil pointer or an empty list is a keyword that is not there.
type rule struct {
	at    string
	never bool // the schema false

	types    kinds
	enum     []literal
	enumText string

	minimum, maximum, above, below, multiple *float64
	minLength, maxLength                     *int
	pattern                                  *regexp.Regexp

	fields                          map[string]field
	names                           []string
	required                        []string
	patterns                        []patternField
	additional, propertyNames       *rule
	minProperties, maxProperties    *int
	prefix                          []*rule
	items                           *rule
	minItems, maxItems              *int
	ref                             *rule
	all, any, one                   []*rule
	not, condition, then, otherwise *rule
}

type field struct {
	rule     *rule
	required bool
}

type patternField struct {
	name *regexp.Regexp
	rule *rule
}

type compiler struct {
	root   *jsonschema.Schema
	draft7 bool
	rules  map[*jsonschema.Schema]*rule
	// rare names a keyword that only the library checks, "" where there is none.
	rare string
}

// compile turns js into a rule, once; a $ref back to it finds the same rule.
func (c *compiler) compile(js *jsonschema.Schema, at string) (*rule, error) {
	if js == nil {
		return nil, nil
	}
	if r, done := c.rules[js]; done {
		return r, nil
	}
	if len(c.rules) >= MaxRules {
		return nil, fmt.Errorf("it has more than %d subschemas", MaxRules)
	}
	r := &rule{at: at}
	c.rules[js] = r
	if js.ID != "" && js != c.root || js.DynamicRef != "" || js.DynamicAnchor != "" {
		return nil, fmt.Errorf("%s: $id, $dynamicRef and $dynamicAnchor inside a schema are not supported; use $ref to a place in $defs", at)
	}
	if js.Ref != "" {
		if err := c.compileRef(r, js); err != nil || c.draft7 {
			return r, err // in draft-07 the siblings of $ref count for nothing
		}
	}
	c.noteRare(js)
	for _, step := range []func(*rule, *jsonschema.Schema) error{
		c.compileValue, c.compileObject, c.compileArray, c.compileLogic,
	} {
		if err := step(r, js); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (c *compiler) noteRare(js *jsonschema.Schema) {
	for keyword, used := range map[string]bool{
		"items as a list":       js.ItemsArray != nil || js.AdditionalItems != nil,
		"prefixItems":           c.draft7 && js.PrefixItems != nil,
		"contains":              js.Contains != nil,
		"unevaluatedItems":      js.UnevaluatedItems != nil,
		"uniqueItems":           js.UniqueItems,
		"dependentRequired":     js.DependentRequired != nil,
		"dependentSchemas":      js.DependentSchemas != nil,
		"unevaluatedProperties": js.UnevaluatedProperties != nil,
		"dependencies":          js.DependencySchemas != nil || js.DependencyStrings != nil,
	} {
		if used {
			c.rare = keyword
		}
	}
}

func (c *compiler) compileRef(r *rule, js *jsonschema.Schema) error {
	target, err := c.lookup(js.Ref)
	if err != nil {
		return fmt.Errorf("%s: $ref %q: %w", r.at, clip(js.Ref), err)
	}
	r.ref, err = c.compile(target, js.Ref)
	return err
}

// lookup follows a JSON pointer. Only pointers are followed: an anchor is a second way to say the
// same, and a URL would have to be fetched.
func (c *compiler) lookup(ref string) (*jsonschema.Schema, error) {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok || pointer != "" && pointer[0] != '/' {
		return nil, errors.New("only places in the same schema can be referred to, such as #/$defs/name")
	}
	at := c.root
	steps := strings.Split(pointer, "/")[1:]
	unescape := strings.NewReplacer("~1", "/", "~0", "~")
	for i := 0; i < len(steps); i++ {
		arg := ""
		if i+1 < len(steps) {
			arg = unescape.Replace(steps[i+1])
		}
		var two bool
		if at, two = child(at, steps[i], arg); at == nil {
			return nil, errors.New("there is no such place in the schema")
		}
		if two {
			i++
		}
	}
	return at, nil
}

// child is one step of a pointer; two tells that it took arg as well.
func child(s *jsonschema.Schema, keyword, arg string) (at *jsonschema.Schema, two bool) {
	index := func(list []*jsonschema.Schema) (*jsonschema.Schema, bool) {
		if i, err := strconv.Atoi(arg); err == nil && i >= 0 && i < len(list) {
			return list[i], true
		}
		return nil, true
	}
	switch keyword {
	case "$defs":
		return s.Defs[arg], true
	case "definitions":
		return s.Definitions[arg], true
	case "properties":
		return s.Properties[arg], true
	case "patternProperties":
		return s.PatternProperties[arg], true
	case "allOf":
		return index(s.AllOf)
	case "anyOf":
		return index(s.AnyOf)
	case "oneOf":
		return index(s.OneOf)
	case "prefixItems":
		return index(s.PrefixItems)
	case "items":
		return s.Items, false
	case "additionalProperties":
		return s.AdditionalProperties, false
	case "not":
		return s.Not, false
	}
	return nil, false
}

func (c *compiler) compileValue(r *rule, js *jsonschema.Schema) (err error) {
	types := js.Types
	if js.Type != "" {
		types = []string{js.Type}
	}
	for _, t := range types {
		k, known := kindsByName[t]
		if !known {
			return fmt.Errorf("%s: type %q is not one of string, number, integer, boolean, object, array, null", r.at, clip(t))
		}
		r.types |= k
	}
	enum := js.Enum
	if js.Const != nil {
		// Both may stand side by side; the value has to satisfy each.
		if enum != nil {
			r.all = append(r.all, &rule{at: r.at, enum: literals([]any{*js.Const}), enumText: enumText([]any{*js.Const})})
		} else {
			enum = []any{*js.Const}
		}
	}
	if enum != nil {
		r.enum, r.enumText = literals(enum), enumText(enum)
	}
	if js.MultipleOf != nil && !(*js.MultipleOf > 0) {
		return fmt.Errorf("%s: multipleOf has to be greater than 0", r.at)
	}
	r.minimum, r.maximum, r.multiple = js.Minimum, js.Maximum, js.MultipleOf
	r.above, r.below = js.ExclusiveMinimum, js.ExclusiveMaximum
	r.minLength, r.maxLength = js.MinLength, js.MaxLength
	if js.Pattern != "" {
		r.pattern, err = compilePattern(r.at, js.Pattern)
	}
	return err
}

func compilePattern(at, pattern string) (*regexp.Regexp, error) {
	if len(pattern) > MaxPattern {
		return nil, fmt.Errorf("%s: a pattern has %d bytes; at most %d are allowed", at, len(pattern), MaxPattern)
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("%s: pattern: %w", at, err)
	}
	return re, nil
}

func (c *compiler) compileObject(r *rule, js *jsonschema.Schema) (err error) {
	r.minProperties, r.maxProperties = js.MinProperties, js.MaxProperties
	if len(js.Properties)+len(js.Required) > 0 {
		r.fields = make(map[string]field, len(js.Properties))
	}
	r.names = slices.Sorted(maps.Keys(js.Properties))
	for _, name := range r.names {
		sub, err := c.compile(js.Properties[name], r.at+"/properties/"+name)
		if err != nil {
			return err
		}
		r.fields[name] = field{rule: sub}
	}
	for _, name := range js.Required {
		if f := r.fields[name]; !f.required {
			f.required = true
			r.fields[name] = f
			r.required = append(r.required, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(js.PatternProperties)) {
		re, err := compilePattern(r.at, name)
		if err != nil {
			return err
		}
		sub, err := c.compile(js.PatternProperties[name], r.at+"/patternProperties/"+name)
		if err != nil {
			return err
		}
		r.patterns = append(r.patterns, patternField{re, sub})
	}
	if r.additional, err = c.compile(js.AdditionalProperties, r.at+"/additionalProperties"); err != nil {
		return err
	}
	r.propertyNames, err = c.compile(js.PropertyNames, r.at+"/propertyNames")
	return err
}

func (c *compiler) compileArray(r *rule, js *jsonschema.Schema) (err error) {
	r.minItems, r.maxItems = js.MinItems, js.MaxItems
	if !c.draft7 {
		if r.prefix, err = c.compileList(js.PrefixItems, r.at+"/prefixItems"); err != nil {
			return err
		}
	}
	r.items, err = c.compile(js.Items, r.at+"/items")
	return err
}

func (c *compiler) compileLogic(r *rule, js *jsonschema.Schema) (err error) {
	if js.Not != nil && isEmpty(js.Not) {
		r.never = true
		return nil
	}
	all, err := c.compileList(js.AllOf, r.at+"/allOf")
	if err != nil {
		return err
	}
	r.all = append(r.all, all...)
	if r.any, err = c.compileList(js.AnyOf, r.at+"/anyOf"); err != nil {
		return err
	}
	if r.one, err = c.compileList(js.OneOf, r.at+"/oneOf"); err != nil {
		return err
	}
	for _, p := range []struct {
		to *(*rule)
		js *jsonschema.Schema
		at string
	}{
		{&r.not, js.Not, "/not"}, {&r.condition, js.If, "/if"}, {&r.then, js.Then, "/then"}, {&r.otherwise, js.Else, "/else"},
	} {
		if *p.to, err = c.compile(p.js, r.at+p.at); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) compileList(list []*jsonschema.Schema, at string) ([]*rule, error) {
	var out []*rule
	for i, js := range list {
		r, err := c.compile(js, at+"/"+strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// isEmpty tells whether js is the schema that takes everything, {} or true.
func isEmpty(js *jsonschema.Schema) bool {
	b, err := js.MarshalJSON()
	return err == nil && (string(b) == "true" || string(b) == "{}")
}
