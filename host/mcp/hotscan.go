// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"unicode/utf8"
)

// plainCall is a tools/call that asks for its result and nothing else. Its slices are pieces of the
// request's body.
type plainCall struct {
	id        []byte // as it was written, with quotes where it is a string
	name      []byte
	arguments []byte // an object; nil where there are none
	// What a request of the modern era says of its client; nil where it does not.
	version, client, capabilities []byte
}

// scanCall reads a plain call in one pass. It is false for everything that is not one to the letter:
// JSON that is not valid, a field that it does not know or that is there twice, names and ids with
// escapes. What it refuses may still be a good request; the SDK decides that.
func scanCall(body []byte) (plainCall, bool) {
	var call plainCall
	s := scanner{in: body}
	ok := s.message("tools/call", func() bool { return s.params(&call) }, &call.id)
	return call, ok
}

// message reads a whole request of the method, and nothing after it.
func (s *scanner) message(method string, params func() bool, id *[]byte) bool {
	var seen fields
	ok := s.object(1, func(key []byte) bool {
		switch string(key) {
		case "jsonrpc":
			return seen.first(1) && s.says("2.0")
		case "id":
			return seen.first(2) && s.id(id)
		case "method":
			return seen.first(4) && s.says(method)
		case "params":
			return seen.first(8) && params()
		}
		return false
	})
	s.space()
	return ok && seen == 1|2|4|8 && s.at == len(s.in) && (!s.wide || utf8.Valid(s.in))
}

// fields notes which fields of an object have been there, a bit for each.
type fields uint

func (f *fields) first(bit fields) bool {
	had := *f&bit != 0
	*f |= bit
	return !had
}

// scanner is a strict reader of JSON that makes nothing of what it reads. Its methods return false
// at what is not valid, and also where they say so.
type scanner struct {
	in   []byte
	at   int
	wide bool // a byte beyond ASCII was there
}

func (s *scanner) params(call *plainCall) bool {
	var seen fields
	return s.object(2, func(key []byte) bool {
		switch string(key) {
		case "name":
			return seen.first(1) && s.word(&call.name)
		case "arguments":
			return seen.first(2) && s.next() == '{' && s.span(3, &call.arguments)
		case "_meta":
			return seen.first(4) && s.meta(call)
		}
		return false
	}) && call.name != nil
}

// protocolField begins the names that the protocol itself has in _meta.
const protocolField = "io.modelcontextprotocol/"

// meta takes any field that is not the protocol's, and of those only who the client is.
func (s *scanner) meta(call *plainCall) bool {
	var seen fields
	return s.object(3, func(key []byte) bool {
		switch string(key) {
		case protocolField + "protocolVersion":
			return seen.first(1) && s.word(&call.version)
		case protocolField + "clientInfo":
			return seen.first(2) && s.span(4, &call.client)
		case protocolField + "clientCapabilities":
			return seen.first(4) && s.span(4, &call.capabilities)
		case "progressToken":
			return false
		}
		return !bytes.HasPrefix(key, []byte(protocolField)) && s.value(4)
	})
}

// id takes whole numbers that every reader of JSON holds exactly, and plain strings.
func (s *scanner) id(into *[]byte) bool {
	c := s.next()
	start := s.at
	var text []byte
	switch {
	case c == '"':
		if !s.word(&text) {
			return false
		}
	case !s.value(2) || bytes.ContainsAny(s.in[start:s.at], ".eE{[ntf") || s.at-start > 15 || string(s.in[start:s.at]) == "-0":
		return false
	}
	*into = s.in[start:s.at]
	return true
}

// says reads a string that has to be want.
func (s *scanner) says(want string) bool {
	var got []byte
	return s.word(&got) && string(got) == want
}

// word reads a string of printable ASCII without escapes.
func (s *scanner) word(into *[]byte) bool {
	s.space()
	start := s.at + 1
	plain, ok := s.text()
	if ok && plain {
		*into = s.in[start : s.at-1]
	}
	return ok && plain
}

// span reads a value and keeps how it was written.
func (s *scanner) span(depth int, into *[]byte) bool {
	s.space()
	start := s.at
	ok := s.value(depth)
	*into = s.in[start:s.at]
	return ok
}

// object reads an object whose keys are plain; member has to read the value of each.
func (s *scanner) object(depth int, member func(key []byte) bool) bool {
	if s.next() != '{' || depth > maxDepth {
		return false
	}
	s.at++
	if s.next() == '}' {
		s.at++
		return true
	}
	for {
		var key []byte
		if !s.word(&key) || s.next() != ':' {
			return false
		}
		s.at++
		if !member(key) {
			return false
		}
		if more, ok := s.more('}'); !more {
			return ok
		}
	}
}

// value reads any value that begins a depth'th level, down to maxDepth.
func (s *scanner) value(depth int) bool {
	switch c := s.next(); c {
	case '{', '[':
		return depth <= maxDepth && s.container(depth, c)
	case '"':
		_, ok := s.text()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	}
	return s.number()
}

func (s *scanner) container(depth int, open byte) bool {
	end := open + 2 // in ASCII for both kinds
	s.at++
	if s.next() == end {
		s.at++
		return true
	}
	for {
		if open == '{' {
			if s.next() != '"' {
				return false
			}
			if _, ok := s.text(); !ok || s.next() != ':' {
				return false
			}
			s.at++
		}
		if !s.value(depth + 1) {
			return false
		}
		if more, ok := s.more(end); !more {
			return ok
		}
	}
}

// more reads what follows a member: a comma, or the end.
func (s *scanner) more(end byte) (more, ok bool) {
	switch s.next() {
	case ',':
		s.at++
		return true, true
	case end:
		s.at++
		return false, true
	}
	return false, false
}

// next is the byte that comes after white space, 0 at the end.
func (s *scanner) next() byte {
	s.space()
	if s.at == len(s.in) {
		return 0
	}
	return s.in[s.at]
}

func (s *scanner) space() {
	for s.at < len(s.in) {
		switch s.in[s.at] {
		case ' ', '\t', '\r', '\n':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) literal(want string) bool {
	if !bytes.HasPrefix(s.in[s.at:], []byte(want)) {
		return false
	}
	s.at += len(want)
	return true
}

// text reads a string; plain says that it is printable ASCII without escapes.
func (s *scanner) text() (plain, ok bool) {
	if s.at == len(s.in) || s.in[s.at] != '"' {
		return false, false
	}
	plain = true
	for s.at++; s.at < len(s.in); s.at++ {
		switch c := s.in[s.at]; {
		case c == '"':
			s.at++
			return plain, true
		case c == '\\':
			if plain = false; !s.escape() {
				return false, false
			}
		case c < ' ':
			return false, false
		case c > '~':
			plain, s.wide = false, s.wide || c >= utf8.RuneSelf
		}
	}
	return false, false
}

// escape reads from the backslash to the last byte of what it begins.
func (s *scanner) escape() bool {
	if s.at++; s.at >= len(s.in) {
		return false
	}
	switch s.in[s.at] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		for range 4 {
			if s.at++; s.at >= len(s.in) || !isHex(s.in[s.at]) {
				return false
			}
		}
		return true
	}
	return false
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// number takes what a float64 has room for: the SDK reads some numbers as such, and refuses others.
func (s *scanner) number() bool {
	start := s.at
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if s.at-start > 200 {
		return false
	}
	if s.skip('e') || s.skip('E') {
		_ = s.skip('+') || s.skip('-')
		start = s.at
		return s.digits() && s.at-start <= 2
	}
	return true
}

func (s *scanner) skip(c byte) bool {
	if s.at == len(s.in) || s.in[s.at] != c {
		return false
	}
	s.at++
	return true
}

func (s *scanner) digits() bool {
	start := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at > start
}
