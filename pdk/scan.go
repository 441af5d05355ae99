// Copyright 2026 The Gantry Authors.

package pdk

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// The scanning half of decoder. All of it walks JSON that json.Valid has passed.

func (d *decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// skip steps over one value and returns its bytes. It does not recurse, however deep the value.
func (d *decoder) skip() []byte {
	d.space()
	start, depth := d.pos, 0
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case '"':
			d.quoted()
		case '{', '[':
			depth++
			d.pos++
		case '}', ']':
			depth--
			d.pos++
		case ',', ':', ' ', '\t', '\n', '\r':
			d.pos++
			continue
		default:
			d.word()
		}
		if depth == 0 {
			break
		}
	}
	return d.data[start:d.pos]
}

// word steps over a number, true, false or null.
func (d *decoder) word() {
	for d.pos < len(d.data) && !strings.ContainsRune(",:]} \t\n\r", rune(d.data[d.pos])) {
		d.pos++
	}
}

// quoted steps over a string and returns it with its quotes.
func (d *decoder) quoted() []byte {
	start := d.pos
	for d.pos++; ; d.pos++ {
		i := bytes.IndexAny(d.data[d.pos:], `"\`)
		d.pos += i
		if d.data[d.pos] == '"' {
			d.pos++
			return d.data[start:d.pos]
		}
		d.pos++ // whatever is escaped is not the end
	}
}

// members yields the names of an object with the position at each value; the loop's body has to
// take the value.
func (d *decoder) members() iter.Seq[string] {
	return func(yield func(string) bool) {
		for range d.elements() {
			d.space()
			name := unquote(d.quoted())
			d.space()
			d.pos++ // the colon
			if !yield(name) {
				return
			}
		}
	}
}

// elements yields once before each element of an array, or member of an object.
func (d *decoder) elements() iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		for d.pos++; ; {
			d.space()
			switch d.data[d.pos] {
			case ']', '}':
				d.pos++
				return
			case ',':
				d.pos++
			}
			if !yield(struct{}{}) {
				return
			}
		}
	}
}

// unquote is the text of a JSON string. Escapes and broken UTF-8 are rare enough for encoding/json.
func unquote(raw []byte) string {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return string(inner)
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "" // not reached: the string is valid JSON
	}
	return s
}

// nameOf says what a value is by its first byte.
func nameOf(first byte) string {
	switch first {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

// nearest is the one of names that name is most likely a slip of, or "".
func nearest(name string, names []string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", 4 // more than three slips are another word, and in a short name more than one
	switch {
	case len(name) < 4:
		least = 2
	case len(name) < 9:
		least = 3
	}
	for _, n := range names {
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the insertions, deletions, changes and swaps of neighbours between a and b.
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
