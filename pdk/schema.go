// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"reflect"
	"strconv"
)

// direction is which side of a call a schema is for.
type direction int

const (
	// forInput promises what is accepted: no unknown members, absent ones may have defaults.
	forInput direction = iota
	// forOutput promises what encoding/json writes: nil pointers, slices and maps are null.
	forOutput
	// forForm is forInput in the few words that elicitation knows: "enum", no additionalProperties.
	forForm
)

// schema is the shape as JSON Schema 2020-12. It is the same bytes for the same type, always.
func (s *shape) schema(d direction) json.RawMessage {
	w := &schemaWriter{dir: d, seen: map[*node]bool{}}
	if s.root.kind == kindAny || s.root.kind == kindMap && d == forInput {
		return json.RawMessage(`{"type":"object"}`)
	}
	w.root(s.root)
	return w.buf
}

// promise is the schema of an output, nil where the type says no more than "any".
func (s *shape) promise() json.RawMessage {
	if s.root.kind == kindAny || s.root.kind == kindMap && s.root.elem.kind == kindAny {
		return nil
	}
	return s.schema(forOutput)
}

// schemaWriter writes by hand because the order of members is for people: type first, properties
// as the struct has them.
type schemaWriter struct {
	dir  direction
	buf  []byte
	defs []*node
	seen map[*node]bool
}

func (w *schemaWriter) root(n *node) {
	w.buf = append(w.buf, '{')
	if n.recursive {
		w.ref(n)
	} else {
		w.body(n, nil, false)
	}
	for i := 0; i < len(w.defs); i++ { // bodies may add more
		if i == 0 {
			w.key("$defs")
			w.buf = append(w.buf, '{')
		} else {
			w.buf = append(w.buf, ',')
		}
		w.text(w.defs[i].defName)
		w.buf = append(w.buf, ":{"...)
		w.body(w.defs[i], nil, false)
		w.buf = append(w.buf, '}')
	}
	if len(w.defs) > 0 {
		w.buf = append(w.buf, '}')
	}
	w.buf = append(w.buf, '}')
}

// ref writes the members of a reference and remembers that its target is needed. The type stands
// beside the reference where it is the root, for readers that look no further.
func (w *schemaWriter) ref(n *node) {
	if !w.seen[n] {
		w.seen[n] = true
		w.defs = append(w.defs, n)
		if len(w.buf) == 1 {
			w.member("type", `"object"`)
		}
	}
	w.key("$ref")
	w.text("#/$defs/" + n.defName)
}

func (w *schemaWriter) value(n *node, r *rules, nullable bool) {
	w.buf = append(w.buf, '{')
	switch {
	case n.recursive && nullable:
		w.key("anyOf")
		w.buf = append(w.buf, "[{"...)
		w.ref(n)
		w.buf = append(w.buf, `},{"type":"null"}]`...)
		w.words(r)
	case n.recursive:
		w.ref(n)
		w.words(r)
	default:
		w.body(n, r, nullable)
	}
	w.buf = append(w.buf, '}')
}

func (w *schemaWriter) body(n *node, r *rules, nullable bool) {
	scalar := r
	switch n.kind {
	case kindStruct:
		w.typed("object", nullable)
		w.words(r)
		w.properties(n)
		return
	case kindMap:
		w.typed("object", nullable)
		w.words(r)
		w.key("additionalProperties")
		w.value(n.elem, nil, w.dir == forOutput && (n.elemPtr || n.elem.nilable()))
		return
	case kindList:
		w.typed("array", nullable)
		w.words(r)
		w.items(n, r)
		return
	case kindAny:
	case kindInt, kindUint:
		w.typed("integer", nullable)
	case kindFloat, kindNumber:
		w.typed("number", nullable)
	case kindBool:
		w.typed("boolean", nullable)
	default:
		w.typed("string", nullable)
	}
	w.words(r)
	w.scalar(n, scalar, nullable)
}

// nilable tells whether encoding/json may write null for a value that is not behind a pointer.
func (n *node) nilable() bool {
	return n.kind == kindBytes || n.kind == kindMap || n.kind == kindList && n.typ.Kind() == reflect.Slice
}

func (w *schemaWriter) items(n *node, r *rules) {
	w.key("items")
	var er *rules
	if r != nil {
		er = r.forElem()
	}
	w.value(n.elem, er, w.dir == forOutput && (n.elemPtr || n.elem.nilable()))
	if n.typ.Kind() == reflect.Array {
		w.member("minItems", strconv.Itoa(n.typ.Len()))
		w.member("maxItems", strconv.Itoa(n.typ.Len()))
	} else if r != nil {
		w.count("minItems", r.minItems)
		w.count("maxItems", r.maxItems)
	}
	if r != nil && r.def != nil && w.dir != forOutput {
		w.member("default", string(r.def))
	}
}

func (w *schemaWriter) properties(n *node) {
	w.key("properties")
	w.buf = append(w.buf, '{')
	for i, f := range n.fields {
		if i > 0 {
			w.buf = append(w.buf, ',')
		}
		w.text(f.name)
		w.buf = append(w.buf, ':')
		nullable := w.dir == forOutput && !f.omits && (f.pointer || f.node.nilable())
		w.value(f.node, &f.rules, nullable)
	}
	w.buf = append(w.buf, '}')
	first := true
	for _, f := range n.fields {
		if w.dir != forOutput && !f.required || w.dir == forOutput && f.omits {
			continue
		}
		if first {
			w.key("required")
			w.buf = append(w.buf, '[')
		} else {
			w.buf = append(w.buf, ',')
		}
		w.text(f.name)
		first = false
	}
	if !first {
		w.buf = append(w.buf, ']')
	}
	if w.dir == forInput {
		w.member("additionalProperties", "false")
	}
}

// words writes what a field's tags say to people, in this order.
func (w *schemaWriter) words(r *rules) {
	if r == nil {
		return
	}
	if r.title != "" {
		w.key("title")
		w.text(r.title)
	}
	if r.doc != "" {
		w.key("description")
		w.text(r.doc)
	}
}

func (w *schemaWriter) scalar(n *node, r *rules, nullable bool) {
	format := map[kind]string{kindTime: "date-time"}[n.kind]
	if r != nil && r.format != "" {
		format = r.format
	}
	if format != "" {
		w.key("format")
		w.text(format)
	}
	if n.kind == kindBytes {
		w.member("contentEncoding", `"base64"`)
	}
	if n.kind == kindUint && (r == nil || r.min == nil) {
		w.member("minimum", "0")
	}
	if r == nil {
		return
	}
	w.enum(n, r, nullable)
	w.number("minimum", r.min)
	w.number("maximum", r.max)
	w.count("minLength", r.minLength)
	w.count("maxLength", r.maxLength)
	if r.pattern != "" {
		w.key("pattern")
		w.text(r.pattern)
	}
	if r.def != nil && w.dir != forOutput {
		w.member("default", string(r.def))
	}
	if r.example != nil {
		w.member("examples", "["+string(r.example)+"]")
	}
}

func (w *schemaWriter) enum(n *node, r *rules, nullable bool) {
	if len(r.enum) == 0 {
		return
	}
	w.key("enum")
	for i, v := range r.enum {
		w.buf = append(w.buf, "[,"[min(i, 1)])
		if n.kind == kindString || n.kind == kindText {
			w.text(v)
		} else {
			w.buf = append(w.buf, v...)
		}
	}
	if nullable {
		w.buf = append(w.buf, ",null"...)
	}
	w.buf = append(w.buf, ']')
}

func (w *schemaWriter) typed(name string, nullable bool) {
	if nullable {
		w.member("type", `["`+name+`","null"]`)
		return
	}
	w.member("type", `"`+name+`"`)
}

func (w *schemaWriter) key(name string) {
	if last := w.buf[len(w.buf)-1]; last != '{' {
		w.buf = append(w.buf, ',')
	}
	w.text(name)
	w.buf = append(w.buf, ':')
}

func (w *schemaWriter) member(name, raw string) {
	w.key(name)
	w.buf = append(w.buf, raw...)
}

func (w *schemaWriter) number(name string, f *float64) {
	if f != nil {
		w.member(name, strconv.FormatFloat(*f, 'g', -1, 64))
	}
}

func (w *schemaWriter) count(name string, n *int) {
	if n != nil {
		w.member(name, strconv.Itoa(*n))
	}
}

// text writes a JSON string.
func (w *schemaWriter) text(s string) {
	data, err := encodeJSON(s)
	if err != nil { // a string always encodes
		data = []byte(`""`)
	}
	w.buf = append(w.buf, data...)
}
