// Copyright 2026 The Gantry Authors.

package drive

import (
	"bytes"
	"io"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// htmlText reduces a page to what a person reads, a block to a line, and its title. It reads the
// page token by token and builds no tree, so neither depth nor size of a page costs more than its
// bytes.
func htmlText(page []byte) (text, title string) {
	r := reducer{z: html.NewTokenizer(bytes.NewReader(page))}
	for r.z.Next() != html.ErrorToken {
		r.take(r.z.Token())
		if r.out.Len() > MaxTextBytes { // list marks and headings add a little to a page
			break
		}
	}
	if err := r.z.Err(); err != io.EOF && err != nil {
		r.line() // what could be read is there; a page is never refused for its markup
	}
	out := strings.TrimSpace(r.out.String())
	return out[:wholeRune(out, min(len(out), MaxTextBytes))], cutTitle(r.title.String())
}

type reducer struct {
	z     *html.Tokenizer
	out   strings.Builder
	title strings.Builder
	// silent counts the open elements whose text nobody reads; pre those that keep their spaces.
	silent, pre int
	inTitle     bool
	// space says that a space is due before the next word, fresh that the line is empty.
	space bool
	lines int
	begun bool
}

func (r *reducer) take(t html.Token) {
	switch t.Type {
	case html.TextToken:
		switch {
		case r.inTitle:
			r.title.WriteString(t.Data)
		case r.silent > 0:
		case r.pre > 0:
			r.raw(t.Data)
		default:
			r.words(t.Data)
		}
	case html.StartTagToken:
		r.start(t.DataAtom)
	case html.SelfClosingTagToken:
		r.start(t.DataAtom)
		r.end(t.DataAtom)
	case html.EndTagToken:
		r.end(t.DataAtom)
	}
}

func (r *reducer) start(a atom.Atom) {
	switch a {
	case atom.Title:
		r.inTitle = r.title.Len() == 0
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Iframe:
		r.silent++
	case atom.Pre:
		r.line()
		r.pre++
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6:
		r.paragraph()
		r.words("######"[:int(a.String()[1]-'0')])
		r.space = true
	case atom.Li:
		r.line()
		r.words("-")
		r.space = true
	case atom.Td, atom.Th:
		if r.begun && !r.fresh() {
			r.words(" | ")
		}
	case atom.P, atom.Table, atom.Ul, atom.Ol, atom.Blockquote, atom.Article, atom.Section:
		r.paragraph()
	case atom.Br, atom.Div, atom.Tr, atom.Hr, atom.Dt, atom.Dd, atom.Header, atom.Footer, atom.Nav, atom.Option:
		r.line()
	}
}

func (r *reducer) end(a atom.Atom) {
	switch a {
	case atom.Title:
		r.inTitle = false
	case atom.Script, atom.Style, atom.Noscript, atom.Template, atom.Svg, atom.Iframe:
		r.silent = max(0, r.silent-1)
	case atom.Pre:
		r.pre = max(0, r.pre-1)
		r.line()
	case atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.P, atom.Table, atom.Ul, atom.Ol, atom.Blockquote, atom.Article, atom.Section:
		r.paragraph()
	case atom.Li, atom.Div, atom.Tr, atom.Dt, atom.Dd, atom.Header, atom.Footer, atom.Nav, atom.Option:
		r.line()
	}
}

// words writes text with each run of spaces as one.
func (r *reducer) words(s string) {
	if s == "" {
		return
	}
	lead := strings.TrimLeft(s, " \t\r\n\f") != s
	fields := strings.Fields(s)
	if len(fields) == 0 {
		r.space = r.space || lead
		return
	}
	for i, f := range fields {
		if (i > 0 || r.space || lead) && r.begun && !r.fresh() {
			r.out.WriteByte(' ')
		}
		r.breakLines()
		r.out.WriteString(f)
	}
	r.space = strings.TrimRight(s, " \t\r\n\f") != s
}

func (r *reducer) raw(s string) {
	r.breakLines()
	r.out.WriteString(s)
	r.space = false
}

func (r *reducer) fresh() bool { return r.lines > 0 }

// line ends the line, paragraph leaves an empty one after it; several in a row count once.
func (r *reducer) line()      { r.lines, r.space = max(r.lines, 1), false }
func (r *reducer) paragraph() { r.lines, r.space = 2, false }

func (r *reducer) breakLines() {
	for ; r.begun && r.lines > 0; r.lines-- {
		r.out.WriteByte('\n')
	}
	r.begun, r.lines = true, 0
}
