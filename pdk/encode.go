// Copyright 2026 The Gantry Authors.

package pdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// encodeJSON is json.Marshal without \u003c for <: tools answer with text, not with HTML.
func encodeJSON(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("the tool's answer does not encode: %w", err)
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), nil
}

// encode appends what encodeJSON writes of the value that v points to, which has the shape's type.
//
// It is an encoder of its own because each call of a plugin starts from the same memory: whatever
// encoding/json allocates and learns while it works is put back afterwards, page by page, and that
// costs more than the encoding. What it does not know it leaves to encodeJSON.
func (s *shape) encode(b []byte, v any) ([]byte, error) {
	out, ok := s.root.append(b, reflect.ValueOf(v).Elem(), 0)
	if ok {
		return out, nil
	}
	data, err := encodeJSON(v)
	return append(b, data...), err
}

// maxEncodeDepth is where a value is left to encoding/json, which finds out whether it ever ends.
const maxEncodeDepth = 200

// append is false where the value is encoding/json's to do or to refuse.
func (n *node) append(b []byte, v reflect.Value, depth int) ([]byte, bool) {
	if n.kind >= kindTime && n.kind <= kindNumber || n.kind == kindAny {
		return appendOther(b, v)
	}
	for v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return append(b, "null"...), true
		}
		v = v.Elem()
	}
	switch n.kind {
	case kindString:
		return appendString(b, v.String()), true
	case kindBool:
		return strconv.AppendBool(b, v.Bool()), true
	case kindInt:
		return strconv.AppendInt(b, v.Int(), 10), true
	case kindUint:
		return strconv.AppendUint(b, v.Uint(), 10), true
	case kindFloat:
		return appendFloat(b, v.Float(), v.Type().Bits())
	}
	if depth > maxEncodeDepth {
		return b, false
	}
	switch n.kind {
	case kindStruct:
		return n.appendStruct(b, v, depth)
	case kindList:
		return n.appendList(b, v, depth)
	}
	return n.appendMap(b, v, depth)
}

func (n *node) appendStruct(b []byte, v reflect.Value, depth int) ([]byte, bool) {
	b = append(b, '{')
	first := true
	for i := range n.fields {
		f := &n.fields[i]
		fv := v
		for _, at := range f.index {
			fv = fv.Field(at)
		}
		if f.omitEmpty && isEmpty(fv) || f.omitZero && isZero(fv) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, f.key...)
		var ok bool
		if b, ok = f.node.append(b, fv, depth+1); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

func (n *node) appendList(b []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return append(b, "null"...), true
	}
	b = append(b, '[')
	for i := range v.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		var ok bool
		if b, ok = n.elem.append(b, v.Index(i), depth+1); !ok {
			return b, false
		}
	}
	return append(b, ']'), true
}

func (n *node) appendMap(b []byte, v reflect.Value, depth int) ([]byte, bool) {
	if v.IsNil() {
		return append(b, "null"...), true
	}
	if v.Type().Key().Implements(textEncoder) {
		return b, false
	}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(x, y reflect.Value) int { return strings.Compare(x.String(), y.String()) })
	b = append(b, '{')
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, key.String()), ':')
		var ok bool
		if b, ok = n.elem.append(b, v.MapIndex(key), depth+1); !ok {
			return b, false
		}
	}
	return append(b, '}'), true
}

// appendOther is for any, and for types that encode themselves: by address where there is one, since
// the method may be the pointer's.
func appendOther(b []byte, v reflect.Value) ([]byte, bool) {
	if v.CanAddr() {
		v = v.Addr()
	}
	data, err := encodeJSON(v.Interface())
	return append(b, data...), err == nil
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// zeroer is what omitzero asks, where a type has it.
type zeroer interface{ IsZero() bool }

func isZero(v reflect.Value) bool {
	switch {
	case v.Kind() == reflect.Interface || v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return true
		}
	case v.CanAddr():
		if z, ok := v.Addr().Interface().(zeroer); ok {
			return z.IsZero()
		}
	}
	if z, ok := v.Interface().(zeroer); ok {
		return z.IsZero()
	}
	return v.IsZero()
}

func appendFloat(b []byte, f float64, bits int) ([]byte, bool) {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return b, false
	}
	abs, format := math.Abs(f), byte('f')
	small, large := abs < 1e-6, abs >= 1e21
	if bits == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs != 0 && (small || large) {
		format = 'e'
	}
	b = strconv.AppendFloat(b, f, format, -1, bits)
	if n := len(b); format == 'e' && n >= 4 && b[n-4] == 'e' && b[n-3] == '-' && b[n-2] == '0' {
		b[n-2] = b[n-1] // e-09 is e-9 in JSON as JavaScript writes it
		b = b[:n-1]
	}
	return b, true
}

const hexDigits = "0123456789abcdef"

// appendString quotes s as encodeJSON does: what is no UTF-8 becomes U+FFFD, and the two line
// separators that JavaScript did not take in strings are escaped.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = appendEscape(append(b, s[start:i]...), c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), `\u202`...)
			b = append(b, hexDigits[r&0xf])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\b':
		return append(b, '\\', 'b')
	case '\f':
		return append(b, '\\', 'f')
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
}
