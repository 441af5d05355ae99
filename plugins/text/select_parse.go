// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The grammar, as selectDoc explains it:
//
//	pipe  = chain { "|" chain }
//	chain = ( access { access } | word | "map(" pipe ")" | "select(" cond ")" ) { access }
//	cond  = and { "or" and }   and = test { "and" test }
//	test  = "not" test | "(" cond ")" | pipe [ op literal ]

// maxDepth bounds how deep ( may nest.
const maxDepth = 50

// pathParser reads a path. Its first mistake ends it.
type pathParser struct {
	text  string
	pos   int
	depth int
}

func parsePath(text string) (pipe, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("it is not UTF-8 text")
	}
	p := &pathParser{text: text}
	out, err := p.pipe()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.text) {
		return nil, p.unexpected("| or the end")
	}
	return out, nil
}

func (p *pathParser) fail(format string, args ...any) error {
	return fmt.Errorf("at character %d: %s", utf8.RuneCountInString(p.text[:p.pos])+1, fmt.Sprintf(format, args...))
}

func (p *pathParser) unexpected(want string) error {
	if p.pos >= len(p.text) {
		return p.fail("it ends where %s should be", want)
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return p.fail("%q is there where %s should be", r, want)
}

func (p *pathParser) space() {
	for p.pos < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.pos]) >= 0 {
		p.pos++
	}
}

// take steps over s if it is next.
func (p *pathParser) take(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

func (p *pathParser) pipe() (pipe, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	var out pipe
	for {
		if err := p.chain(&out); err != nil {
			return nil, err
		}
		p.space()
		if !p.take("|") {
			return out, nil
		}
	}
}

func (p *pathParser) chain(out *pipe) error {
	p.space()
	if p.pos < len(p.text) && p.text[p.pos] == '.' {
		p.pos++
		if p.pos >= len(p.text) || !p.accessNext(true) {
			return nil // the value itself
		}
		if err := p.access(out, true); err != nil {
			return err
		}
	} else if err := p.call(out); err != nil {
		return err
	}
	for p.accessNext(false) {
		if err := p.access(out, p.take(".")); err != nil {
			return err
		}
	}
	return nil
}

// accessNext tells whether a member or element step follows; dotted says that its dot is read.
func (p *pathParser) accessNext(dotted bool) bool {
	if p.pos >= len(p.text) {
		return false
	}
	c := p.text[p.pos]
	return c == '[' || !dotted && c == '.' || dotted && (c == '"' || nameByte(c))
}

func nameByte(c byte) bool {
	return c == '_' || c == '-' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}

func (p *pathParser) name() string {
	start := p.pos
	for p.pos < len(p.text) && nameByte(p.text[p.pos]) {
		p.pos++
	}
	return p.text[start:p.pos]
}

func (p *pathParser) access(out *pipe, dotted bool) error {
	var s step
	switch {
	case p.take("["):
		var err error
		if s, err = p.bracket(); err != nil {
			return err
		}
	case dotted && p.pos < len(p.text) && p.text[p.pos] == '"':
		lit, err := p.literal()
		if err != nil {
			return err
		}
		s = &member{name: lit.(string)} // a literal that begins with " is a string
	default:
		name := p.name()
		if name == "" || !dotted {
			return p.unexpected("a name or [")
		}
		s = &member{name: name}
	}
	if p.take("?") {
		s = &lenient{s}
	}
	*out = append(*out, s)
	return nil
}

func (p *pathParser) bracket() (step, error) {
	p.space()
	if p.take("]") {
		return each{}, nil
	}
	if p.pos < len(p.text) && p.text[p.pos] == '"' {
		lit, err := p.literal()
		if err != nil {
			return nil, err
		}
		return &member{name: lit.(string)}, p.expect("]")
	}
	from, hasFrom, err := p.index()
	if err != nil {
		return nil, err
	}
	if p.space(); !p.take(":") {
		if !hasFrom {
			return nil, p.unexpected(`a number, a name in quotes or ]`)
		}
		return &element{from}, p.expect("]")
	}
	p.space()
	to, hasTo, err := p.index()
	if err != nil {
		return nil, err
	}
	s := &slice{}
	if hasFrom {
		s.from = &from
	}
	if hasTo {
		s.to = &to
	}
	return s, p.expect("]")
}

func (p *pathParser) expect(s string) error {
	if p.space(); !p.take(s) {
		return p.unexpected(s)
	}
	return nil
}

func (p *pathParser) index() (int, bool, error) {
	start := p.pos
	p.take("-")
	for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
		p.pos++
	}
	if p.pos == start {
		return 0, false, nil
	}
	n, err := strconv.Atoi(p.text[start:p.pos])
	if err != nil {
		p.pos = start
		return 0, false, p.fail("it is not an index")
	}
	return n, true, nil
}

// call reads a step that is a word.
func (p *pathParser) call(out *pipe) error {
	start := p.pos
	switch name := p.name(); name {
	case "map":
		if err := p.expect("("); err != nil {
			return err
		}
		inner, err := p.pipe()
		if err != nil {
			return err
		}
		*out = append(*out, &mapping{inner})
		return p.expect(")")
	case "select":
		if err := p.expect("("); err != nil {
			return err
		}
		cond, err := p.or()
		if err != nil {
			return err
		}
		*out = append(*out, &filter{cond})
		return p.expect(")")
	default:
		if fn := function(name); fn != nil {
			*out = append(*out, fn)
			return nil
		}
		if p.pos = start; name == "" {
			return p.unexpected("a step such as .name")
		}
		return p.fail("%q is no step; a member is .%s, the functions are map, select, %s", name, name, functionNames)
	}
}

func (p *pathParser) or() (condition, error) {
	left, err := p.and()
	for err == nil && p.word("or") {
		var right condition
		right, err = p.and()
		left = &either{left, right}
	}
	return left, err
}

func (p *pathParser) and() (condition, error) {
	left, err := p.test()
	for err == nil && p.word("and") {
		var right condition
		right, err = p.test()
		left = &both{left, right}
	}
	return left, err
}

// word steps over a whole word, if it is next.
func (p *pathParser) word(w string) bool {
	p.space()
	start := p.pos
	if p.name() == w {
		return true
	}
	p.pos = start
	return false
}

func (p *pathParser) test() (condition, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("it nests deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	if p.word("not") {
		c, err := p.test()
		return &negation{c}, err
	}
	if p.take("(") {
		c, err := p.or()
		if err != nil {
			return nil, err
		}
		return c, p.expect(")")
	}
	left, err := p.pipe()
	if err != nil {
		return nil, err
	}
	op := p.operator()
	if op == "" {
		return &truth{left}, nil
	}
	p.space()
	lit, err := p.literal()
	return &comparing{left, op, lit}, err
}

func (p *pathParser) operator() string {
	p.space()
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		if p.take(op) {
			return op
		}
	}
	if p.word("contains") {
		return "contains"
	}
	return ""
}

// literal reads one JSON value where it stands.
func (p *pathParser) literal() (any, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(p.text[p.pos:])))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, p.unexpected(`a JSON literal such as 1, "text" or true`)
	}
	p.pos += int(d.InputOffset())
	return v, nil
}
