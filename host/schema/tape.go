// Copyright 2026 The Gantry Authors.

package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync"
	"unicode/utf8"
)

type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
)

// node is one value or key of a parsed text. Start and end are its bytes, for a string without the
// quotes. Next is the place of the node after it and all that it holds. An object's nodes follow as
// key, value, key, value.
type node struct {
	kind    kind
	escaped bool
	start   uint32
	end     uint32
	next    uint32
	// count is the number of an array's items, or of an object's keys.
	count uint32
}

// tape is a JSON text taken apart in one pass: the values in the order in which they stand. It
// refers to the text and copies nothing of it.
type tape struct {
	data  []byte
	nodes []node
	at    int
	// path is the checker's, kept here so that it is made once.
	path []step
}

var tapes = sync.Pool{New: func() any { return &tape{nodes: make([]node, 0, 64)} }}

func newTape() *tape { return tapes.Get().(*tape) }

func (t *tape) free() {
	t.data = nil
	clear(t.path[:cap(t.path)])
	if cap(t.nodes) <= 4096 {
		tapes.Put(t)
	}
}

func (t *tape) parse(data []byte) error {
	if len(data) > math.MaxInt32 {
		return errors.New("it is larger than 2 GiB")
	}
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	t.data, t.nodes, t.at = data, t.nodes[:0], 0
	t.space()
	if err := t.value(0); err != nil {
		return err
	}
	t.space()
	if t.at < len(data) {
		return fmt.Errorf("there is something after the value, at byte %d; send one JSON value", t.at)
	}
	return nil
}

func (t *tape) space() {
	for t.at < len(t.data) {
		switch t.data[t.at] {
		case ' ', '\t', '\n', '\r':
			t.at++
		default:
			return
		}
	}
}

func (t *tape) unexpected(want string) error {
	if t.at >= len(t.data) {
		return fmt.Errorf("it ends at byte %d where %s is expected", t.at, want)
	}
	r, _ := utf8.DecodeRune(t.data[t.at:])
	return fmt.Errorf("%q at byte %d where %s is expected", r, t.at, want)
}

func (t *tape) value(depth int) error {
	if t.at >= len(t.data) {
		return t.unexpected("a value")
	}
	if depth > MaxDepth {
		return fmt.Errorf("it nests deeper than %d", MaxDepth)
	}
	switch c := t.data[t.at]; c {
	case '{':
		return t.object(depth)
	case '[':
		return t.array(depth)
	case '"':
		return t.str()
	case 't':
		return t.word("true", kindTrue)
	case 'f':
		return t.word("false", kindFalse)
	case 'n':
		return t.word("null", kindNull)
	default:
		if c == '-' || c >= '0' && c <= '9' {
			return t.number()
		}
	}
	return t.unexpected("a value")
}

func (t *tape) word(w string, k kind) error {
	if len(t.data)-t.at < len(w) || string(t.data[t.at:t.at+len(w)]) != w {
		return t.unexpected("a value")
	}
	t.push(k, t.at, t.at+len(w))
	t.at += len(w)
	return nil
}

func (t *tape) push(k kind, start, end int) int {
	t.nodes = append(t.nodes, node{kind: k, start: uint32(start), end: uint32(end), next: uint32(len(t.nodes) + 1)})
	return len(t.nodes) - 1
}

func (t *tape) str() error {
	start := t.at + 1
	escaped := false
	for i := start; i < len(t.data); i++ {
		switch c := t.data[i]; {
		case c == '"':
			n := t.push(kindString, start, i)
			t.nodes[n].escaped = escaped
			t.at = i + 1
			return nil
		case c == '\\':
			escaped = true
			size, ok := escape(t.data[i:])
			if !ok {
				return fmt.Errorf("the escape at byte %d is not one that JSON knows", i)
			}
			i += size - 1
		case c < 0x20:
			return fmt.Errorf("there is a control character in a string, at byte %d; write it as \\u%04x", i, c)
		}
	}
	return fmt.Errorf("the string at byte %d has no end", start-1)
}

// escape returns the size of the escape sequence that b begins with.
func escape(b []byte) (int, bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, true
	case 'u':
		if len(b) < 6 {
			return 0, false
		}
		for _, h := range b[2:6] {
			if !(h >= '0' && h <= '9' || h >= 'a' && h <= 'f' || h >= 'A' && h <= 'F') {
				return 0, false
			}
		}
		return 6, true
	}
	return 0, false
}

func (t *tape) digits() int {
	n := t.at
	for t.at < len(t.data) && t.data[t.at] >= '0' && t.data[t.at] <= '9' {
		t.at++
	}
	return t.at - n
}

func (t *tape) peek(a, b byte) bool {
	return t.at < len(t.data) && (t.data[t.at] == a || t.data[t.at] == b)
}

func (t *tape) number() error {
	start := t.at
	if t.peek('-', '-') {
		t.at++
	}
	if t.peek('0', '0') {
		t.at++
	} else if t.digits() == 0 {
		return t.unexpected("a digit")
	}
	if t.peek('.', '.') {
		t.at++
		if t.digits() == 0 {
			return t.unexpected("a digit")
		}
	}
	if t.peek('e', 'E') {
		t.at++
		if t.peek('+', '-') {
			t.at++
		}
		if t.digits() == 0 {
			return t.unexpected("a digit")
		}
	}
	// Only an exponent or very many digits can leave the range of a float64.
	if text := t.data[start:t.at]; len(text) > 300 || bytes.ContainsAny(text, "eE") {
		if _, err := strconv.ParseFloat(string(text), 64); err != nil {
			return fmt.Errorf("the number at byte %d is too large", start)
		}
	}
	t.push(kindNumber, start, t.at)
	return nil
}

func (t *tape) array(depth int) error {
	self := t.push(kindArray, t.at, 0)
	t.at++
	t.space()
	for count := uint32(0); ; {
		if t.peek(']', ']') && count == 0 {
			break
		}
		if err := t.value(depth + 1); err != nil {
			return err
		}
		count++
		t.nodes[self].count = count
		t.space()
		if t.peek(']', ']') {
			break
		}
		if !t.peek(',', ',') {
			return t.unexpected("a comma or ]")
		}
		t.at++
		t.space()
	}
	t.close(self)
	return nil
}

func (t *tape) close(self int) {
	t.at++
	t.nodes[self].end = uint32(t.at)
	t.nodes[self].next = uint32(len(t.nodes))
}

func (t *tape) object(depth int) error {
	self := t.push(kindObject, t.at, 0)
	t.at++
	t.space()
	for count := uint32(0); ; {
		if t.peek('}', '}') && count == 0 {
			break
		}
		if err := t.member(depth); err != nil {
			return err
		}
		count++
		t.nodes[self].count = count
		if t.peek('}', '}') {
			break
		}
		if !t.peek(',', ',') {
			return t.unexpected("a comma or }")
		}
		t.at++
		t.space()
	}
	t.close(self)
	return t.refuseTwins(self)
}

func (t *tape) member(depth int) error {
	if !t.peek('"', '"') {
		return t.unexpected("a key in quotes")
	}
	if err := t.str(); err != nil {
		return err
	}
	t.space()
	if !t.peek(':', ':') {
		return t.unexpected("a colon")
	}
	t.at++
	t.space()
	if err := t.value(depth + 1); err != nil {
		return err
	}
	t.space()
	return nil
}

// refuseTwins finds a key that stands twice in one object: two readers of such a text may each see
// another value, so what was checked would not be what is used.
func (t *tape) refuseTwins(self int) error {
	n := t.nodes[self]
	if n.count > 8 {
		seen := make(map[string]struct{}, n.count)
		for i := uint32(self) + 1; i < n.next; i = t.nodes[i+1].next {
			k := string(t.text(int(i)))
			if _, twice := seen[k]; twice {
				return twin(k)
			}
			seen[k] = struct{}{}
		}
		return nil
	}
	for i := uint32(self) + 1; i < n.next; i = t.nodes[i+1].next {
		for j := uint32(self) + 1; j < i; j = t.nodes[j+1].next {
			if bytes.Equal(t.text(int(i)), t.text(int(j))) {
				return twin(string(t.text(int(i))))
			}
		}
	}
	return nil
}

func twin(key string) error {
	return fmt.Errorf("the key %q stands twice in one object; send it once", clip(key))
}

func (t *tape) raw(i int) []byte { return t.data[t.nodes[i].start:t.nodes[i].end] }

// text is the decoded text of a string.
func (t *tape) text(i int) []byte {
	n := t.nodes[i]
	b := t.data[n.start:n.end]
	if !n.escaped {
		return b
	}
	var s string
	if err := json.Unmarshal(t.data[n.start-1:n.end+1], &s); err != nil {
		return b
	}
	return []byte(s)
}

func (t *tape) float(i int) float64 {
	f, _ := strconv.ParseFloat(string(t.raw(i)), 64)
	return f
}

// whole tells whether a number is an integer: 1.0 and 1e2 are.
func (t *tape) whole(i int) bool {
	if !bytes.ContainsAny(t.raw(i), ".eE") {
		return true
	}
	f := t.float(i)
	return f == math.Trunc(f)
}

// decode is the value as encoding/json reads it into an any. The text of a string has no quotes in
// the tape, so they are taken back in.
func (t *tape) decode(i int) any {
	b := t.raw(i)
	if t.nodes[i].kind == kindString {
		b = t.data[t.nodes[i].start-1 : t.nodes[i].end+1]
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return nil
	}
	return v
}
