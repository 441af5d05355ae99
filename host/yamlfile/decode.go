// Copyright 2026 The Gantry Authors.

package yamlfile

import (
	"encoding"
	"errors"
	"math"
	"reflect"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// decoder walks the file's nodes and the target's type together. The library's own decoding would
// be shorter, but its errors name Go types instead of fields, and it expands nothing.
type decoder struct {
	lookup Lookup // nil where nothing is to be expanded
}

var (
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

func (d *decoder) value(n *yaml.Node, v reflect.Value, a at) error {
	if err := plainForm(n, a); err != nil {
		return err
	}
	if isNull(n) {
		return nil
	}
	switch {
	case v.Kind() == reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		v.Set(p)
		return d.value(n, p.Elem(), a)
	case v.Addr().Type().Implements(textType), v.Type() == durationType:
		return d.scalar(n, v, a)
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.structure(n, v, a)
	case reflect.Map:
		return d.mapping(n, v, a)
	case reflect.Slice:
		return d.list(n, v, a)
	case reflect.Interface:
		x, err := d.anything(n, a)
		if err == nil && x != nil {
			v.Set(reflect.ValueOf(x))
		}
		return err
	}
	return d.scalar(n, v, a)
}

// plainForm refuses what Decode promises to refuse, for any value.
func plainForm(n *yaml.Node, a at) error {
	switch {
	case len(a) > maxDepth:
		return badf(n, a[:3], "nested more than %d deep", maxDepth)
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		return badf(n, a, "anchors (&) and aliases (*) are not supported; write the value out")
	}
	switch n.ShortTag() {
	case "!!null", "!!bool", "!!int", "!!float", "!!str", "!!timestamp", "!!map", "!!seq":
		return nil
	}
	return badf(n, a, "the tag %s is not supported; write a plain value", clip(n.Tag))
}

// each calls fn for the pairs of a mapping, having checked that no key is there twice.
func each(n *yaml.Node, a at, fn func(key, value *yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return badf(n, a, "is %s; it has to be a mapping, lines of \"name: value\"", kindOf(n))
	}
	lines := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || key.Anchor != "" {
			return badf(key, a, "a key has to be a plain name")
		}
		if line, twice := lines[key.Value]; twice {
			return badf(key, a.field(key.Value), "is set twice, first in line %d", line)
		}
		lines[key.Value] = key.Line
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, a at) error {
	fields := map[string]reflect.Value{}
	fieldsOf(v, fields)
	return each(n, a, func(key, value *yaml.Node) error {
		f, ok := fields[key.Value]
		if !ok {
			return badf(key, a.field(key.Value), "there is no such field; %s", suggest(key.Value, fields))
		}
		return d.value(value, f, a.field(key.Value))
	})
}

func fieldsOf(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case !f.IsExported() || name == "-":
		case strings.Contains(options, "inline"):
			fieldsOf(v.Field(i), into)
		case name == "":
			into[strings.ToLower(f.Name)] = v.Field(i)
		default:
			into[name] = v.Field(i)
		}
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, a at) error {
	out := reflect.MakeMap(v.Type())
	err := each(n, a, func(key, value *yaml.Node) error {
		x := reflect.New(v.Type().Elem()).Elem()
		if err := d.value(value, x, a.field(key.Value)); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), x)
		return nil
	})
	v.Set(out)
	return err
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, a at) error {
	if n.Kind != yaml.SequenceNode {
		return badf(n, a, "is %s; it has to be a list, such as [a, b]", kindOf(n))
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		if err := d.value(item, out.Index(i), a.index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// scalar sets one value. The node's text decides, after expansion.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, a at) error {
	if n.Kind != yaml.ScalarNode {
		return badf(n, a, "is %s; it has to be one value", kindOf(n))
	}
	text, expanded, err := d.expand(n, a)
	if err != nil {
		return err
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return badf(n, a, "%w", err)
		}
		return nil
	}
	if v.Type() == durationType {
		t, err := time.ParseDuration(text)
		if err != nil {
			return badf(n, a, "%q is not a duration; write one such as 500ms, 30s or 5m", clip(text))
		}
		v.SetInt(int64(t))
		return nil
	}
	if v.Kind() == reflect.String {
		v.SetString(text)
		return nil
	}
	one := &yaml.Node{Kind: yaml.ScalarNode, Value: text, Style: n.Style, Tag: n.Tag}
	if expanded {
		one.Style, one.Tag = 0, ""
	}
	// The library would cut a fraction off to fit a whole number.
	cut := one.ShortTag() == "!!float" && !v.CanFloat()
	if err := one.Decode(v.Addr().Interface()); err != nil || cut || isNull(one) {
		return badf(n, a, "%q is not %s", clip(text), wanted(v.Kind()))
	}
	return nil
}

// anything makes what encoding/json would make of the same value. A date stays the text it is.
func (d *decoder) anything(n *yaml.Node, a at) (any, error) {
	if err := plainForm(n, a); err != nil {
		return nil, err
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		err := each(n, a, func(key, value *yaml.Node) (err error) {
			out[key.Value], err = d.anything(value, a.field(key.Value))
			return err
		})
		return out, err
	case yaml.SequenceNode:
		out := make([]any, len(n.Content))
		for i, item := range n.Content {
			x, err := d.anything(item, a.index(i))
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	}
	text, _, err := d.expand(n, a)
	if err != nil {
		return nil, err
	}
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool", "!!int", "!!float":
		return number(n, a)
	}
	return text, nil
}

func number(n *yaml.Node, a at) (any, error) {
	var x any
	if err := n.Decode(&x); err != nil {
		return nil, badf(n, a, "%w", errors.New(tell(err)))
	}
	if f, ok := x.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil, badf(n, a, "%q is not a number that JSON can hold", clip(n.Value))
	}
	return x, nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return "one value"
}

func wanted(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "a truth value; write true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number that is not negative"
	}
	return "a whole number, or one that does not fit"
}
