// Copyright 2026 The Gantry Authors.

// Package jsonc changes a JSON file that belongs to somebody else, comments and trailing commas
// allowed: one member is set, one element appended, and every other byte stays as it was.
//
// It knows no file and no client, decodes into no types and formats nothing but what it puts in.
package jsonc

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// MaxBytes bounds a document; a longer one is refused with abi.CodeLimit.
const MaxBytes = 4 << 20

// maxDepth bounds how deep values nest, as the parser recurses.
const maxDepth = 128

// Set returns doc with the member at path set to value, which has to encode as JSON. Objects on the
// way that are missing are made, and so is the whole document where doc has no value yet. A value on
// the way that is no object is abi.CodeConflict; a document that is no JSON, or has a name twice on
// the way, is abi.CodeInvalidArg and says in which line.
func Set(doc []byte, path []string, value any) ([]byte, error) {
	return edit(doc, path, value, false)
}

// Append returns doc with value as the last element of the array at path, which is made where it is
// missing. Errors are those of Set.
func Append(doc []byte, path []string, value any) ([]byte, error) {
	return edit(doc, path, value, true)
}

// Get decodes the value at path into v; false where there is none. Errors are those of Set.
func Get(doc []byte, path []string, v any) (bool, error) {
	root, err := parse(doc)
	if err != nil || root == nil {
		return false, err
	}
	at, rest, err := root.walk(path)
	if err != nil || len(rest) > 0 {
		return false, err
	}
	if err := json.Unmarshal(at.plain(nil, doc), v); err != nil {
		return false, host.Errorf("jsonc.Get", abi.CodeConflict, "%s is not of the form it should have: %w", join(path), err)
	}
	return true, nil
}

// Redact returns doc with every text that is a value, not a name, replaced by what f makes of it, and
// every comment emptied: for showing a document that may hold secrets.
func Redact(doc []byte, f func(string) string) ([]byte, error) {
	p := &parser{doc: doc}
	root, err := p.document()
	if err != nil {
		return nil, err
	}
	type change struct {
		start, end int
		text       string
	}
	var all []change
	for _, c := range p.comments {
		text := "/* … */"
		if doc[c.start+1] == '/' {
			text = "// …"
		}
		all = append(all, change{c.start, c.end, text})
	}
	root.each(func(n *node) {
		if n.kind == '"' {
			all = append(all, change{n.start, n.end, encode(f(n.text), "", "")})
		}
	})
	slices.SortFunc(all, func(a, b change) int { return a.start - b.start })
	var out []byte
	last := 0
	for _, c := range all {
		out = append(append(out, doc[last:c.start]...), c.text...)
		last = c.end
	}
	return append(out, doc[last:]...), nil
}

// edit puts value in: as a member under the path's last name or, with element, as the last element of
// the array at path.
func edit(doc []byte, path []string, value any, element bool) ([]byte, error) {
	if _, err := json.Marshal(value); err != nil {
		return nil, host.Errorf("jsonc.edit", abi.CodeInternal, "the value has no JSON form: %w", err)
	}
	root, err := parse(doc)
	if err != nil {
		return nil, err
	}
	f := formOf(doc)
	if root == nil {
		return f.begin(doc, nest(path, value, element)), nil
	}
	at, rest, err := root.walk(path)
	if err != nil {
		return nil, err
	}
	switch {
	case len(rest) > 0:
		return f.insert(doc, at, rest[0], nest(rest[1:], value, element)), nil
	case !element:
		return f.replace(doc, at, value), nil
	case at.kind != '[':
		return nil, host.Errorf("jsonc.Append", abi.CodeConflict, "%s is not a list", join(path))
	}
	return f.insert(doc, at, "", value), nil
}

// nest wraps value in the objects that are missing, and in a list where it is an element.
func nest(path []string, value any, element bool) any {
	if element {
		value = []any{value}
	}
	for i := len(path) - 1; i >= 0; i-- {
		value = map[string]any{path[i]: value}
	}
	return value
}

// form is how a document is written: what a new line is, and by how much a level is indented.
type form struct{ newline, unit string }

func formOf(doc []byte) form {
	f := form{"\n", "  "}
	if bytes.Contains(doc, []byte("\r\n")) {
		f.newline = "\r\n"
	}
	for line := range bytes.Lines(doc) {
		text := bytes.TrimLeft(line, " \t")
		if indent := len(line) - len(text); indent > 0 && len(text) > 0 && text[0] == '"' {
			f.unit = string(line[:indent])
			break
		}
	}
	return f
}

// value is v over several lines, whose second and later begin with indent.
func (f form) value(v any, indent string) string {
	return strings.ReplaceAll(encode(v, indent, f.unit), "\n", f.newline)
}

// begin writes the first value into a document that has none.
func (f form) begin(doc []byte, v any) []byte {
	out := bytes.TrimRight(doc, " \t\r\n")
	if len(out) > 0 && !bytes.Equal(out, bom) {
		out = append(bytes.Clone(out), f.newline...)
	}
	return append(append(bytes.Clone(out), f.value(v, "")...), f.newline...)
}

// replace puts v where a value is.
func (f form) replace(doc []byte, at *node, v any) []byte {
	return splice(doc, at.start, at.end, f.value(v, indentAt(doc, at.start)))
}

// insert puts a member, or with an empty name an element, at the end of an object or a list: on a
// line of its own, behind whatever comments stand at the end already.
func (f form) insert(doc []byte, at *node, name string, v any) []byte {
	outer := indentAt(doc, at.start)
	inner := outer + f.unit
	if len(at.children) > 0 && ownLine(doc, at.children[0].lead) {
		inner = indentAt(doc, at.children[0].lead)
	}
	text := f.value(v, inner)
	if name != "" {
		text = encode(name, "", "") + ": " + text
	}
	text = f.newline + inner + text
	closing := at.end - 1
	end := len(bytes.TrimRight(doc[:closing], " \t\r\n"))
	if !bytes.Contains(doc[end:closing], []byte("\n")) {
		text += f.newline + outer
	}
	out := splice(doc, end, end, text)
	if n := len(at.children); n > 0 && !at.trailing {
		out = splice(out, at.children[n-1].end, at.children[n-1].end, ",")
	}
	return out
}

func splice(doc []byte, from, to int, text string) []byte {
	out := make([]byte, 0, len(doc)+len(text))
	return append(append(append(out, doc[:from]...), text...), doc[to:]...)
}

// indentAt is the white space that the line of a place begins with.
func indentAt(doc []byte, at int) string {
	line := doc[bytes.LastIndexByte(doc[:at], '\n')+1:]
	line = bytes.TrimPrefix(line, bom)
	return string(line[:len(line)-len(bytes.TrimLeft(line, " \t"))])
}

// ownLine tells whether nothing stands before a place in its line.
func ownLine(doc []byte, at int) bool {
	start := bytes.LastIndexByte(doc[:at], '\n') + 1
	return start > 0 && len(bytes.TrimLeft(doc[start:at], " \t")) == 0
}

// encode is v as JSON, without the escapes that only HTML needs. v has a JSON form.
func encode(v any, prefix, unit string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if unit != "" {
		enc.SetIndent(prefix, unit)
	}
	if err := enc.Encode(v); err != nil {
		return "null" // edit has tried it before
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func join(path []string) string {
	quoted := make([]string, len(path))
	for i, p := range path {
		quoted[i] = strconv.Quote(p)
	}
	return strings.Join(quoted, ".")
}
