// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// shapes are the structs that bodies are read into. A nil *shapes looks at the struct each time.
type shapes struct{ byType sync.Map } // reflect.Type → shape

// shape is the names that a struct takes, with the number of the field for each.
type shape []shapeField

type shapeField struct {
	name  string
	index int
}

// of is nil where v does not point to a struct.
func (s *shapes) of(v any) shape {
	t := reflect.TypeOf(v)
	if t.Kind() != reflect.Pointer || t.Elem().Kind() != reflect.Struct {
		return nil
	}
	if s == nil {
		return shapeOf(t.Elem())
	}
	if known, ok := s.byType.Load(t); ok {
		return known.(shape)
	}
	made := shapeOf(t.Elem())
	s.byType.Store(t, made)
	return made
}

func shapeOf(t reflect.Type) shape {
	out := shape{}
	for i := range t.NumField() {
		f := t.Field(i)
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag != "" && tag != "-" {
			out = append(out, shapeField{tag, i})
		}
	}
	return out
}

func (s shape) find(name string) int {
	return slices.IndexFunc(s, func(f shapeField) bool { return f.name == name })
}

// knows holds the names of an object against those that the struct takes, letter by letter:
// encoding/json takes "TOOL" for "tool", and two readers could then disagree on a body.
func (s shape) knows(top []member) error {
	for _, m := range top {
		if s.find(m.name) < 0 {
			known := make([]string, len(s))
			for i, f := range s {
				known[i] = f.name
			}
			return fmt.Errorf("%s: is not a field of this request; it takes %s", clip(m.name), strings.Join(known, ", "))
		}
	}
	return nil
}

// fill sets the fields of the struct that v points to where they are texts and values that are kept as
// they came. It is false where there are others, or a value is of another kind: those are for
// encoding/json, which sets all of them again.
func (s shape) fill(top []member, v any) bool {
	to := reflect.ValueOf(v).Elem()
	for _, m := range top {
		switch f := to.Field(s[s.find(m.name)].index).Addr().Interface().(type) {
		case *string:
			if m.value[0] != '"' {
				return false
			}
			*f = unquote(m.value)
		case *json.RawMessage:
			if bytes.Equal(m.value, []byte("null")) {
				return false
			}
			*f = m.value
		default:
			return false
		}
	}
	return true
}
