// Copyright 2026 The Gantry Authors.

package jsonc

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

var bom = []byte("\xef\xbb\xbf")

// node is a value and where it stands.
type node struct {
	kind       byte // '{', '[', '"', or 'x' for the rest
	start, end int
	name       string // of a member
	lead       int    // where the member or element begins
	text       string // of a '"'
	children   []*node
	trailing   bool // a comma stands behind the last child
}

// parser reads one document; the first error ends it.
type parser struct {
	doc      []byte
	at       int
	err      error
	comments []span
}

// span is where something stands.
type span struct{ start, end int }

// parse returns the document's value, nil where there is none but white space and comments.
func parse(doc []byte) (*node, error) { return (&parser{doc: doc}).document() }

func (p *parser) document() (*node, error) {
	doc := p.doc
	if len(doc) > MaxBytes {
		return nil, host.Errorf("jsonc.parse", abi.CodeLimit, "the file has %d bytes; at most %d are read", len(doc), MaxBytes)
	}
	if bytes.HasPrefix(doc, bom) {
		p.at = len(bom)
	}
	p.space()
	if p.err == nil && p.at == len(doc) {
		return nil, nil
	}
	root := p.value(0)
	p.space()
	if p.err == nil && p.at < len(doc) {
		p.failf("something follows the end of the value")
	}
	if p.err != nil {
		return nil, p.err
	}
	return root, nil
}

func (p *parser) failf(format string, args ...any) {
	if p.err == nil {
		line := bytes.Count(p.doc[:min(p.at, len(p.doc))], []byte("\n")) + 1
		p.err = host.Errorf("jsonc.parse", abi.CodeInvalidArg, "line %d: %s", line, fmt.Sprintf(format, args...))
	}
}

// peek is the next byte, 0 at the end or after an error.
func (p *parser) peek() byte {
	if p.err != nil || p.at >= len(p.doc) {
		return 0
	}
	return p.doc[p.at]
}

// space skips white space and comments.
func (p *parser) space() {
	for p.err == nil && p.at < len(p.doc) {
		rest := p.doc[p.at:]
		switch {
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\n' || rest[0] == '\r':
			p.at++
		case bytes.HasPrefix(rest, []byte("//")):
			n := bytes.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			p.comment(n)
		case bytes.HasPrefix(rest, []byte("/*")):
			n := bytes.Index(rest[2:], []byte("*/"))
			if n < 0 {
				p.failf("a comment does not end")
				return
			}
			p.comment(n + 4)
		default:
			return
		}
	}
}

func (p *parser) comment(length int) {
	p.comments = append(p.comments, span{p.at, p.at + length})
	p.at += length
}

func (p *parser) value(depth int) *node {
	n := &node{start: p.at, kind: p.peek()}
	switch {
	case depth > maxDepth:
		p.failf("it nests deeper than %d levels", maxDepth)
	case n.kind == '{' || n.kind == '[':
		p.container(n, depth)
	case n.kind == '"':
		n.text = p.string()
	default:
		n.kind = 'x'
		p.word()
	}
	n.end = p.at
	return n
}

// container reads what is between the brackets of an object or a list.
func (p *parser) container(n *node, depth int) {
	closing := n.kind + 2 // in ASCII
	p.at++
	for p.space(); p.peek() != closing; p.space() {
		if len(n.children) > 0 && !n.trailing {
			p.failf("a comma or %c is missing", closing)
		}
		child := p.child(n.kind, depth)
		if p.err != nil {
			return
		}
		n.children, n.trailing = append(n.children, child), false
		p.space()
		if p.peek() == ',' {
			p.at++
			n.trailing = true
		}
	}
	p.at++
}

func (p *parser) child(kind byte, depth int) *node {
	lead, name := p.at, ""
	if kind == '{' {
		if p.peek() != '"' {
			p.failf("a name in double quotes is missing")
			return nil
		}
		name = p.string()
		p.space()
		if p.peek() != ':' {
			p.failf("a colon is missing after %q", name)
			return nil
		}
		p.at++
		p.space()
	}
	n := p.value(depth + 1)
	n.name, n.lead = name, lead
	return n
}

func (p *parser) string() string {
	start := p.at
	for p.at++; p.at < len(p.doc) && p.doc[p.at] != '"' && p.doc[p.at] != '\n'; p.at++ {
		if p.doc[p.at] == '\\' {
			p.at++
		}
	}
	p.at = min(p.at+1, len(p.doc))
	var s string
	if err := json.Unmarshal(p.doc[start:p.at], &s); err != nil {
		p.at = start
		p.failf("a text does not end, or holds what a text may not")
	}
	return s
}

// word reads a number, true, false or null.
func (p *parser) word() {
	start := p.at
	for p.at < len(p.doc) && bytes.IndexByte([]byte(" \t\r\n,:/]}[{\""), p.doc[p.at]) < 0 {
		p.at++
	}
	if !json.Valid(p.doc[start:p.at]) {
		p.at = start
		p.failf("a value is missing, or is not one of JSON")
	}
}

// walk follows the names as far as there are members, and returns the rest of them.
func (n *node) walk(path []string) (*node, []string, error) {
	for i, name := range path {
		if n.kind != '{' {
			what := "the file"
			if i > 0 {
				what = join(path[:i])
			}
			return nil, nil, host.Errorf("jsonc.walk", abi.CodeConflict, "%s is not an object", what)
		}
		var next *node
		for _, c := range n.children {
			if c.name == name && next != nil {
				return nil, nil, host.Errorf("jsonc.walk", abi.CodeInvalidArg, "%s is there twice", join(path[:i+1]))
			}
			if c.name == name {
				next = c
			}
		}
		if next == nil {
			return n, path[i:], nil
		}
		n = next
	}
	return n, nil, nil
}

// each calls f for the values without children, in their order.
func (n *node) each(f func(*node)) {
	if n == nil {
		return
	}
	if n.kind != '{' && n.kind != '[' {
		f(n)
	}
	for _, c := range n.children {
		c.each(f)
	}
}

// plain appends the value as JSON without comments and trailing commas.
func (n *node) plain(b, doc []byte) []byte {
	if n.kind != '{' && n.kind != '[' {
		return append(b, doc[n.start:n.end]...)
	}
	b = append(b, n.kind)
	for i, c := range n.children {
		if i > 0 {
			b = append(b, ',')
		}
		if n.kind == '{' {
			b = append(append(b, encode(c.name, "", "")...), ':')
		}
		b = c.plain(b, doc)
	}
	return append(b, n.kind+2)
}
