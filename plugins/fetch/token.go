// Copyright 2026 The Gantry Authors.

package main

import (
	"html"
	"strings"
)

// token is one piece of HTML: text where tag is empty, else the beginning or the end of an element.
type token struct {
	tag   string // in small letters
	end   bool
	attrs map[string]string
	text  string
}

// tokens cuts HTML apart, forgivingly: what is no tag is text. It is made for reading, not for
// judging what a page would do.
type tokens struct {
	rest string
	raw  string // the element whose text is not markup, until its end tag
}

// asText are elements whose content holds no tags.
func asText(tag string) bool {
	switch tag {
	case "script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes":
		return true
	}
	return false
}

// next returns the next token; ok is false at the end.
func (t *tokens) next() (tok token, ok bool) {
	if t.raw != "" {
		tag := t.raw
		t.raw = ""
		if s := t.until(tag); s != "" {
			return token{text: html.UnescapeString(s)}, true
		}
	}
	for t.rest != "" {
		i := strings.IndexByte(t.rest, '<')
		if i < 0 {
			i = len(t.rest)
		}
		if i > 0 {
			s := t.rest[:i]
			t.rest = t.rest[i:]
			return token{text: html.UnescapeString(s)}, true
		}
		if tok, ok := t.markup(); ok {
			return tok, true
		}
	}
	return token{}, false
}

// markup reads what begins with <; ok is false for a comment and the like.
func (t *tokens) markup() (token, bool) {
	switch s := t.rest; {
	case strings.HasPrefix(s, "<!--"):
		t.skipPast(4, "-->")
		return token{}, false
	case strings.HasPrefix(s, "<!"), strings.HasPrefix(s, "<?"):
		t.skipPast(2, ">")
		return token{}, false
	case len(s) > 2 && s[1] == '/' && letter(s[2]):
		name := tagName(s[2:])
		t.skipPast(2+len(name), ">")
		return token{tag: strings.ToLower(name), end: true}, true
	case len(s) > 1 && letter(s[1]):
		name := tagName(s[1:])
		t.rest = s[1+len(name):]
		tok := token{tag: strings.ToLower(name), attrs: t.attributes()}
		if asText(tok.tag) {
			t.raw = tok.tag
		}
		return tok, true
	}
	t.rest = t.rest[1:]
	return token{text: "<"}, true
}

func (t *tokens) skipPast(from int, mark string) {
	if i := strings.Index(t.rest[from:], mark); i >= 0 {
		t.rest = t.rest[from+i+len(mark):]
		return
	}
	t.rest = ""
}

// until returns the text up to the end tag of an element, which stays.
func (t *tokens) until(tag string) string {
	for at := 0; ; at++ {
		i := strings.Index(t.rest[at:], "</")
		if i < 0 {
			s := t.rest
			t.rest = ""
			return s
		}
		at += i
		if after := t.rest[at+2:]; len(after) >= len(tag) && strings.EqualFold(after[:len(tag)], tag) {
			s := t.rest[:at]
			t.rest = t.rest[at:]
			return s
		}
	}
}

// attributes reads up to and with the > of a tag.
func (t *tokens) attributes() map[string]string {
	var attrs map[string]string
	for {
		t.rest = strings.TrimLeft(t.rest, " \t\r\n\f/")
		if t.rest == "" {
			return attrs
		}
		if t.rest[0] == '>' {
			t.rest = t.rest[1:]
			return attrs
		}
		n := strings.IndexAny(t.rest[1:], "= \t\r\n\f/>")
		if n < 0 {
			t.rest = ""
			return attrs
		}
		name := strings.ToLower(t.rest[:n+1])
		t.rest = strings.TrimLeft(t.rest[n+1:], " \t\r\n\f")
		value := ""
		if strings.HasPrefix(t.rest, "=") {
			value = t.value()
		}
		switch name {
		case "href", "src", "alt", "start", "class":
			if attrs == nil {
				attrs = map[string]string{}
			}
			if _, twice := attrs[name]; !twice {
				attrs[name] = html.UnescapeString(value)
			}
		}
	}
}

// value reads =value, ="value" or ='value'.
func (t *tokens) value() string {
	s := strings.TrimLeft(t.rest[1:], " \t\r\n\f")
	if s != "" && (s[0] == '"' || s[0] == '\'') {
		v, rest, _ := strings.Cut(s[1:], s[:1])
		t.rest = rest
		return v
	}
	n := strings.IndexAny(s, " \t\r\n\f>")
	if n < 0 {
		n = len(s)
	}
	t.rest = s[n:]
	return s[:n]
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func tagName(s string) string {
	if i := strings.IndexAny(s, " \t\r\n\f/>"); i >= 0 {
		return s[:i]
	}
	return s
}
