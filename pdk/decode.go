// Copyright 2026 The Gantry Authors.

package pdk

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
)

// decode reads input into v, which has the shape's type, applies defaults and checks the rules. The
// error is an *Error with abi.CodeInvalidArg that names the field and the mend. Empty input is {}.
//
// It is a decoder of its own, on top of encoding/json for the rarer kinds, because presence,
// defaults and paths in errors would need a second pass after json.Unmarshal.
func (s *shape) decode(input []byte, v reflect.Value) error {
	return s.decodeWith(new(decoder), input, v)
}

// decodeWith is decode with the caller's decoder, in whatever state it is.
func (s *shape) decodeWith(d *decoder, input []byte, v reflect.Value) error {
	if input = bytes.Trim(input, " \t\r\n"); len(input) == 0 {
		input = []byte("{}")
	}
	if !json.Valid(input) {
		var any json.RawMessage
		return Errorf(abi.CodeInvalidArg, "the input is not JSON: %w", json.Unmarshal(input, &any))
	}
	if s.takesObjects() && input[0] != '{' {
		return Errorf(abi.CodeInvalidArg, "the input is %s; send a JSON object of arguments", nameOf(input[0]))
	}
	*d = decoder{data: input, loose: s.loose}
	if bad := d.value(s.root, nil, v); bad != nil {
		return Invalid(bad.where(), "%s", bad.message)
	}
	return nil
}

// fault is one broken rule. The path is put together on the way up, so that good input costs none.
type fault struct {
	path    string
	message string
}

func (f *fault) under(step string) *fault {
	if f.path != "" && f.path[0] != '[' {
		step += "."
	}
	f.path = step + f.path
	return f
}

func (f *fault) where() string {
	if f.path == "" {
		return "input"
	}
	return f.path
}

func (f *fault) text() string {
	if f.path == "" {
		return f.message
	}
	return f.path + ": " + f.message
}

func faultf(format string, args ...any) *fault { return &fault{message: fmt.Sprintf(format, args...)} }

// decoder walks JSON that is known to be valid, so its scanning has no errors of its own.
type decoder struct {
	data  []byte
	pos   int
	loose bool
}

func (d *decoder) value(n *node, r *rules, v reflect.Value) *fault {
	d.space()
	if d.data[d.pos] == 'n' && n.kind != kindAny {
		d.pos += len("null")
		return null(n, v)
	}
	for v.Kind() == reflect.Pointer && v.Type() != n.typ {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch n.kind {
	case kindStruct:
		return d.object(n, v)
	case kindList:
		return d.list(n, r, v)
	case kindMap:
		return d.dict(n, v)
	case kindAny:
		return unmarshal(d.skip(), n, v)
	}
	return d.scalar(n, r, v)
}

// null is taken where Go has a nil for it, and means the zero value there.
func null(n *node, v reflect.Value) *fault {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		v.SetZero()
		return nil
	}
	return faultf("it is null; leave it out or give %s", n.kind.words())
}

func (d *decoder) object(n *node, v reflect.Value) *fault {
	if d.data[d.pos] != '{' {
		return d.mismatch(n)
	}
	var few [32]bool
	seen := few[:]
	if len(n.fields) > len(few) {
		seen = make([]bool, len(n.fields))
	}
	for name := range d.members() {
		i, ok := n.byName[name]
		if !ok {
			if !d.loose {
				return unknown(n, name)
			}
			d.skip()
			continue
		}
		seen[i] = true
		f := &n.fields[i]
		if bad := d.value(f.node, &f.rules, v.FieldByIndex(f.index)); bad != nil {
			return bad.under(f.name)
		}
	}
	for i := range n.fields {
		if f := &n.fields[i]; !seen[i] {
			if bad := d.absent(f, v.FieldByIndex(f.index)); bad != nil {
				return bad.under(f.name)
			}
		}
	}
	return nil
}

// absent gives a missing member its default, or those inside it.
func (d *decoder) absent(f *field, v reflect.Value) *fault {
	switch {
	case f.rules.def != nil:
		sub := &decoder{data: f.rules.def}
		return sub.value(f.node, &f.rules, v)
	case f.required && !d.loose:
		what := f.node.kind.words()
		if f.rules.doc != "" {
			what += " (" + f.rules.doc + ")"
		}
		return faultf("it is missing; give %s", what)
	case f.node.fills && !f.pointer:
		sub := &decoder{data: []byte("{}"), loose: true}
		return sub.object(f.node, v)
	}
	return nil
}

func unknown(n *node, name string) *fault {
	bad := &fault{path: clip(name)}
	names := make([]string, len(n.fields))
	for i, f := range n.fields {
		names[i] = f.name
	}
	switch near := nearest(name, names); {
	case near != "":
		bad.message = "it is not a known field; did you mean " + near + "?"
	case len(names) == 0:
		bad.message = "it is not a known field; there are none here"
	default:
		bad.message = "it is not a known field; the fields are " + strings.Join(names, ", ")
	}
	return bad
}

func (d *decoder) list(n *node, r *rules, v reflect.Value) *fault {
	if d.data[d.pos] != '[' {
		return d.mismatch(n)
	}
	var er *rules
	if r != nil {
		er = r.forElem()
	}
	fixed := v.Kind() == reflect.Array
	if !fixed {
		v.Set(reflect.MakeSlice(v.Type(), 0, 0))
	}
	count := 0
	for range d.elements() {
		switch {
		case !fixed:
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		case count >= v.Len():
			return faultf("it has more than %d elements", v.Len())
		}
		if bad := d.value(n.elem, er, v.Index(count)); bad != nil {
			return bad.under("[" + strconv.Itoa(count) + "]")
		}
		count++
	}
	switch {
	case fixed && count < v.Len():
		return faultf("it has %d elements; give %d", count, v.Len())
	case r != nil && r.minItems != nil && count < *r.minItems:
		return faultf("it has %d elements; give at least %d", count, *r.minItems)
	case r != nil && r.maxItems != nil && count > *r.maxItems:
		return faultf("it has %d elements; give at most %d", count, *r.maxItems)
	}
	return nil
}

func (d *decoder) dict(n *node, v reflect.Value) *fault {
	if d.data[d.pos] != '{' {
		return d.mismatch(n)
	}
	m := reflect.MakeMap(v.Type())
	for name := range d.members() {
		elem := reflect.New(v.Type().Elem()).Elem()
		if bad := d.value(n.elem, nil, elem); bad != nil {
			return bad.under(clip(name))
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), elem)
	}
	v.Set(m)
	return nil
}

func (d *decoder) scalar(n *node, r *rules, v reflect.Value) *fault {
	first := d.data[d.pos]
	raw := d.skip()
	isText := first == '"'
	isNumber := first == '-' || first >= '0' && first <= '9'
	switch n.kind {
	case kindBool:
		if first != 't' && first != 'f' {
			return faultf("it is %s; give %s", nameOf(first), n.kind.words())
		}
		v.SetBool(first == 't')
		return nil
	case kindInt, kindUint, kindFloat, kindNumber:
		if !isNumber {
			return faultf("it is %s; give %s", nameOf(first), n.kind.words())
		}
		return number(n, r, string(raw), v)
	}
	if !isText {
		return faultf("it is %s; give %s", nameOf(first), n.kind.words())
	}
	return text(n, r, raw, v)
}

func number(n *node, r *rules, lit string, v reflect.Value) *fault {
	f, err := strconv.ParseFloat(lit, 64)
	if err != nil {
		return faultf("%s is too large a number", clip(lit))
	}
	if bad := setNumber(n, lit, f, v); bad != nil {
		return bad
	}
	if r == nil {
		return nil
	}
	switch {
	case r.min != nil && f < *r.min:
		return faultf("%s is too small; give %v or more", clip(lit), *r.min)
	case r.max != nil && f > *r.max:
		return faultf("%s is too large; give %v or less", clip(lit), *r.max)
	case len(r.enum) > 0 && !slices.ContainsFunc(r.enum, func(s string) bool { e, err := strconv.ParseFloat(s, 64); return err == nil && e == f }):
		return faultf("%s is not one of %s", clip(lit), strings.Join(r.enum, ", "))
	}
	return nil
}

// setNumber takes 3.0 and 3e0 for a whole number, as JSON Schema does.
func setNumber(n *node, lit string, f float64, v reflect.Value) *fault {
	whole := f == math.Trunc(f) && math.Abs(f) <= 1<<53
	switch n.kind {
	case kindNumber:
		v.SetString(lit)
	case kindFloat:
		if v.OverflowFloat(f) {
			return faultf("%s is too large a number", clip(lit))
		}
		v.SetFloat(f)
	case kindInt:
		i, err := strconv.ParseInt(lit, 10, 64)
		if err != nil && whole {
			i, err = int64(f), nil
		}
		if err != nil || v.OverflowInt(i) {
			return faultf("%s is not a whole number of %d bits", clip(lit), v.Type().Bits())
		}
		v.SetInt(i)
	case kindUint:
		i, err := strconv.ParseUint(lit, 10, 64)
		if err != nil && whole && f >= 0 {
			i, err = uint64(f), nil
		}
		if err != nil || v.OverflowUint(i) {
			return faultf("%s is not a whole number of %d bits, 0 or more", clip(lit), v.Type().Bits())
		}
		v.SetUint(i)
	}
	return nil
}

func text(n *node, r *rules, raw []byte, v reflect.Value) *fault {
	s := unquote(raw)
	if r != nil {
		if bad := r.checkText(s); bad != nil {
			return bad
		}
	}
	switch n.kind {
	case kindString:
		v.SetString(s)
		return nil
	case kindTime:
		t, err := time.Parse(time.RFC3339, s)
		if err != nil {
			return faultf("%q is not a time; write it like 2026-01-31T12:00:00Z", clip(s))
		}
		v.Set(reflect.ValueOf(t))
		return nil
	case kindBytes:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return faultf("it is not base64: %v", err)
		}
		v.SetBytes(b)
		return nil
	}
	return unmarshal(raw, n, v)
}

func (r *rules) checkText(s string) *fault {
	if len(r.enum) > 0 && !slices.Contains(r.enum, s) {
		return faultf("%q is not one of %s", clip(s), strings.Join(r.enum, ", "))
	}
	if r.minLength != nil || r.maxLength != nil {
		n := utf8.RuneCountInString(s)
		if r.minLength != nil && n < *r.minLength {
			return faultf("it has %d characters; give at least %d", n, *r.minLength)
		}
		if r.maxLength != nil && n > *r.maxLength {
			return faultf("it has %d characters; give at most %d", n, *r.maxLength)
		}
	}
	if r.pattern != "" && !matches(r.pattern, s) {
		return faultf("%q does not match %s", clip(s), r.pattern)
	}
	return nil
}

// unmarshal leaves a value to encoding/json: any, and types that decode themselves.
func unmarshal(raw []byte, n *node, v reflect.Value) *fault {
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		return faultf("it does not fit a %s: %v", n.typ, err)
	}
	return nil
}

func (d *decoder) mismatch(n *node) *fault {
	return faultf("it is %s; give %s", nameOf(d.data[d.pos]), n.kind.words())
}
