// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// shape is what pdk knows of a Go type: enough to write its JSON Schema and to decode and check a
// value of it. It is made once per type, when the plugin is registered.
type shape struct {
	root *node
	// loose lets unknown members of objects through.
	loose bool
}

type kind int

const (
	kindAny kind = iota
	kindString
	kindInt
	kindUint
	kindFloat
	kindBool
	kindTime   // time.Time
	kindBytes  // []byte, base64 in JSON
	kindText   // an encoding.TextUnmarshaler, a string in JSON
	kindNumber // json.Number
	kindStruct
	kindList // slice or array
	kindMap  // map[string]T
)

// words are the kinds as messages and, for the scalar ones, schemas say them.
func (k kind) words() string {
	return [...]string{"any value", "a string", "a whole number", "a whole number, 0 or more", "a number",
		"true or false", "a time such as 2026-01-31T12:00:00Z", "a base64 string", "a string", "a number",
		"an object", "a list", "an object"}[k]
}

// node is one type in a shape. A recursive type is one node that is met again below itself.
type node struct {
	kind    kind
	typ     reflect.Type // without pointers
	fields  []field      // of a struct, in order, embedded ones in place
	byName  map[string]int
	elem    *node // of a list or map
	elemPtr bool
	// recursive types get a name in $defs.
	recursive bool
	defName   string
	// fills says that a missing object of this type still has defaults inside.
	fills bool
}

// field is one member of an object.
type field struct {
	name     string
	index    []int
	node     *node
	pointer  bool
	omits    bool // omitempty or omitzero
	required bool
	// key is the name as an object has it, with its colon.
	key                 []byte
	omitEmpty, omitZero bool
	rules               rules
}

var (
	typeTime    = reflect.TypeFor[time.Time]()
	typeNumber  = reflect.TypeFor[json.Number]()
	jsonDecoder = reflect.TypeFor[json.Unmarshaler]()
	jsonEncoder = reflect.TypeFor[json.Marshaler]()
	textDecoder = reflect.TypeFor[encoding.TextUnmarshaler]()
	textEncoder = reflect.TypeFor[encoding.TextMarshaler]()
)

func newShape(t reflect.Type) (*shape, error) {
	if t == nil {
		return nil, fmt.Errorf("nil has no type")
	}
	b := &shaper{done: map[reflect.Type]*node{}, open: map[reflect.Type]bool{}}
	root, _, err := b.node(t)
	if err != nil {
		return nil, err
	}
	b.nameDefs()
	return &shape{root: root}, nil
}

// takesObjects tells whether a JSON object can be decoded into the type.
func (s *shape) takesObjects() bool {
	return s.root.kind == kindStruct || s.root.kind == kindMap || s.root.kind == kindAny
}

type shaper struct {
	done  map[reflect.Type]*node
	open  map[reflect.Type]bool // types being walked: met again, they are recursive
	named []*node
}

func (b *shaper) node(t reflect.Type) (n *node, pointer bool, err error) {
	for t.Kind() == reflect.Pointer {
		t, pointer = t.Elem(), true
	}
	if n := b.done[t]; n != nil {
		if b.open[t] && !n.recursive {
			n.recursive = true
			b.named = append(b.named, n)
		}
		return n, pointer, nil
	}
	n = &node{typ: t}
	if n.kind, err = kindOf(t); err != nil {
		return nil, pointer, err
	}
	b.done[t], b.open[t] = n, true
	defer delete(b.open, t)
	switch n.kind {
	case kindList, kindMap:
		n.elem, n.elemPtr, err = b.node(t.Elem())
	case kindStruct:
		err = b.structFields(n, t, nil)
	}
	return n, pointer, err
}

func kindOf(t reflect.Type) (kind, error) {
	pt := reflect.PointerTo(t)
	switch {
	case t == typeTime:
		return kindTime, nil
	case t == typeNumber:
		return kindNumber, nil
	case t.Kind() == reflect.Interface, pt.Implements(jsonDecoder), pt.Implements(jsonEncoder):
		return kindAny, nil
	case pt.Implements(textDecoder), pt.Implements(textEncoder):
		return kindText, nil
	}
	switch t.Kind() {
	case reflect.String:
		return kindString, nil
	case reflect.Bool:
		return kindBool, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindUint, nil
	case reflect.Float32, reflect.Float64:
		return kindFloat, nil
	case reflect.Struct:
		return kindStruct, nil
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			return kindBytes, nil
		}
		return kindList, nil
	case reflect.Array:
		return kindList, nil
	case reflect.Map:
		if t.Key().Kind() != reflect.String {
			return 0, fmt.Errorf("%s: use string keys, JSON has no others", t)
		}
		return kindMap, nil
	}
	return 0, fmt.Errorf("%s has no form in JSON", t)
}

// structFields adds the fields of t, which is n's type or a struct embedded in it.
func (b *shaper) structFields(n *node, t reflect.Type, at []int) error {
	if n.byName == nil {
		n.byName = map[string]int{}
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		index := append(slices.Clone(at), i)
		name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
		if name == "-" && options == "" {
			continue
		}
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Struct && sf.Type != typeTime {
			if err := b.structFields(n, sf.Type, index); err != nil {
				return err
			}
			continue
		}
		if !sf.IsExported() {
			continue
		}
		if sf.Anonymous && name == "" && sf.Type.Kind() == reflect.Pointer {
			return fmt.Errorf("%s.%s: embed the struct itself, not a pointer", t, sf.Name)
		}
		if name == "" {
			name = sf.Name
		}
		if err := b.addField(n, sf, name, options, index); err != nil {
			return fmt.Errorf("%s.%s: %w", t, sf.Name, err)
		}
	}
	return nil
}

func (b *shaper) addField(n *node, sf reflect.StructField, name, options string, index []int) error {
	opts := strings.Split(options, ",")
	if slices.Contains(opts, "string") {
		return fmt.Errorf("the json option string is not supported; declare the field as a string")
	}
	if _, twice := n.byName[name]; twice {
		return fmt.Errorf("the JSON name %q is used twice", name)
	}
	f := field{name: name, index: index, key: append(appendString(nil, name), ':'),
		omitEmpty: slices.Contains(opts, "omitempty"), omitZero: slices.Contains(opts, "omitzero")}
	f.omits = f.omitEmpty || f.omitZero
	var err error
	if f.node, f.pointer, err = b.node(sf.Type); err != nil {
		return err
	}
	if f.rules, err = readRules(sf.Tag, f.node); err != nil {
		return err
	}
	f.required = !f.omits && !f.pointer && f.rules.def == nil
	if f.rules.def != nil || f.node.fills && !f.pointer {
		n.fills = true
	}
	n.byName[name] = len(n.fields)
	n.fields = append(n.fields, f)
	if f.rules.def != nil {
		// The default has to be a value the field would take; decoding it now finds out.
		d := &decoder{data: f.rules.def}
		if bad := d.value(f.node, &f.rules, reflect.New(sf.Type).Elem()); bad != nil {
			return fmt.Errorf("its default %s", bad.text())
		}
	}
	return nil
}

// nameDefs gives recursive types the name of their Go type, made unique.
func (b *shaper) nameDefs() {
	used := map[string]bool{}
	for _, n := range b.named {
		base := strings.Map(func(r rune) rune {
			if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return -1
		}, n.typ.Name())
		if base == "" {
			base = "Type"
		}
		name := base
		for i := 2; used[name]; i++ {
			name = fmt.Sprintf("%s%d", base, i)
		}
		used[name], n.defName = true, name
	}
}
