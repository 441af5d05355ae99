// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// rules are what the tags of a field say. On a list the ones for scalars speak of its elements.
type rules struct {
	doc, title, format, pattern string
	enum                        []string // as text, for strings and numbers alike
	def                         json.RawMessage
	example                     json.RawMessage
	min, max                    *float64
	minLength, maxLength        *int
	minItems, maxItems          *int
}

// readRules reads a field's tags; the error names the tag and the mend.
func readRules(tag reflect.StructTag, n *node) (r rules, err error) {
	r = rules{doc: tag.Get("doc"), title: tag.Get("title"), format: tag.Get("format"), pattern: tag.Get("pattern")}
	scalar := n
	if n.kind == kindList {
		scalar = n.elem
	}
	t := tagReader{tag: tag}
	r.min, r.max = t.number("minimum", "min"), t.number("maximum", "max")
	r.minLength, r.maxLength = t.count("minLength"), t.count("maxLength")
	r.minItems, r.maxItems = t.count("minItems"), t.count("maxItems")
	if list, ok := tag.Lookup("enum"); ok {
		r.enum = t.enum(list, scalar)
	}
	if text, ok := tag.Lookup("default"); ok {
		r.def = t.literal("default", text, n)
	}
	if text, ok := tag.Lookup("example"); ok {
		r.example = t.literal("example", text, scalar)
	}
	if t.err == nil && r.pattern != "" {
		if err := checkPattern(r.pattern); err != nil {
			t.err = fmt.Errorf("tag pattern: %w", err)
		}
	}
	if t.err == nil {
		t.err = r.fit(n, scalar)
	}
	return r, t.err
}

// fit refuses rules that say nothing about the type.
func (r *rules) fit(n, scalar *node) error {
	number := scalar.kind == kindInt || scalar.kind == kindUint || scalar.kind == kindFloat || scalar.kind == kindNumber
	text := scalar.kind == kindString || scalar.kind == kindText || scalar.kind == kindBytes
	switch {
	case (r.min != nil || r.max != nil) && !number:
		return fmt.Errorf("minimum and maximum are for numbers; for a string say minLength and maxLength")
	case (r.minLength != nil || r.maxLength != nil || r.pattern != "") && !text:
		return fmt.Errorf("minLength, maxLength and pattern are for strings; for a number say minimum and maximum, for a list minItems and maxItems")
	case (r.minItems != nil || r.maxItems != nil) && n.kind != kindList:
		return fmt.Errorf("minItems and maxItems are for lists")
	case len(r.enum) > 0 && !number && scalar.kind != kindString && scalar.kind != kindText:
		return fmt.Errorf("enum is for strings and numbers")
	}
	return nil
}

// forElem are the rules that a list's field has for its elements.
func (r *rules) forElem() *rules {
	return &rules{format: r.format, pattern: r.pattern, enum: r.enum, example: r.example,
		min: r.min, max: r.max, minLength: r.minLength, maxLength: r.maxLength}
}

// tagReader reads tags until the first mistake.
type tagReader struct {
	tag reflect.StructTag
	err error
}

func (t *tagReader) fail(tag, text, want string) {
	if t.err == nil {
		t.err = fmt.Errorf("tag %s: %q is not %s", tag, text, want)
	}
}

func (t *tagReader) number(names ...string) *float64 {
	for _, name := range names {
		if text, ok := t.tag.Lookup(name); ok {
			f, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.fail(name, text, "a number")
			}
			return &f
		}
	}
	return nil
}

func (t *tagReader) count(name string) *int {
	text, ok := t.tag.Lookup(name)
	if !ok {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.fail(name, text, "a count")
	}
	return &n
}

func (t *tagReader) enum(list string, scalar *node) []string {
	values := strings.Split(list, ",")
	for i := range values {
		values[i] = strings.TrimSpace(values[i])
		t.literal("enum", values[i], scalar)
	}
	return values
}

// literal is a tag's text as JSON of the node's kind: a string needs no quotes, a list may be
// written a,b,c where its elements are strings or numbers.
func (t *tagReader) literal(tag, text string, n *node) json.RawMessage {
	switch n.kind {
	case kindString, kindText, kindTime, kindBytes:
		data, _ := json.Marshal(text) // a string always encodes
		return data
	case kindList:
		if !strings.HasPrefix(strings.TrimSpace(text), "[") {
			return t.list(tag, text, n.elem)
		}
	}
	if !json.Valid([]byte(text)) {
		t.fail(tag, text, n.kind.words()+" in JSON")
	}
	return json.RawMessage(text)
}

func (t *tagReader) list(tag, text string, elem *node) json.RawMessage {
	out := []byte{'['}
	if strings.TrimSpace(text) != "" {
		for i, part := range strings.Split(text, ",") {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(out, t.literal(tag, strings.TrimSpace(part), elem)...)
		}
	}
	return append(out, ']')
}
