// Copyright 2026 The Gantry Authors.

package main

import (
	"net/url"
	"strconv"
	"strings"
)

// page is HTML as people read it.
type page struct {
	title, text string
	// cut says that the page was longer than maxText.
	cut bool
}

// The bounds of what a page may make of itself: marks and addresses can be longer than the page.
const (
	maxText  = 8 << 20
	maxDepth = 64
)

// render turns a page into Markdown, or into text without marks. It keeps headings, paragraphs,
// lists, links, pictures' words, code, quotations and tables; it drops scripts, styles, and what a
// form needs. Layout is lost.
func render(src, base string, markdown bool) page {
	r := &renderer{markdown: markdown, atStart: true}
	r.base, _ = url.Parse(base) // nil leaves links as they are
	in := &tokens{rest: src}
	for len(r.out) < maxText {
		tok, ok := in.next()
		if !ok {
			break
		}
		switch {
		case tok.tag == "":
			r.words(tok.text)
		case tok.end:
			r.end(tok.tag)
		default:
			r.begin(&tok)
		}
	}
	return page{title: strings.Join(strings.Fields(r.title.String()), " "), text: r.finish(), cut: len(r.out) >= maxText}
}

type renderer struct {
	markdown bool
	base     *url.URL
	out      []byte
	title    strings.Builder

	atStart bool   // nothing written yet
	breaks  int    // line breaks owed before the next word
	space   bool   // a space owed before the next word
	lead    string // the mark of a heading or an item, owed before the next word
	skip    []string
	marks   []mark // open elements that are wrapped when they end
	lists   []list
	quotes  int
	pre     int
	inTitle bool
	cells   int // of the open table row
	inCell  bool
	data    bool // the row has a td
	headed  bool // the table has its header row
}

// mark is an element whose text begins at from, which is -1 until there is some.
type mark struct {
	tag  string
	from int
	href string
}

// list is an open ul (next is 0) or ol.
type list struct{ next int }

func dropped(tag string) bool {
	switch tag {
	case "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas", "select", "textarea",
		"audio", "video", "noembed", "noframes", "head":
		return true
	}
	return false
}

func (r *renderer) begin(t *token) {
	switch {
	case t.tag == "title":
		r.inTitle = r.title.Len() == 0
		return
	case t.tag == "body":
		r.skip = nil // whatever was left open in the head
	case dropped(t.tag):
		if len(r.skip) < maxDepth {
			r.skip = append(r.skip, t.tag)
		}
		return
	case len(r.skip) > 0:
		return
	}
	switch t.tag {
	case "br":
		r.lineBreak()
	case "hr":
		r.block(2)
		r.put(r.pick("---", "----------"))
		r.block(2)
	case "h1", "h2", "h3", "h4", "h5", "h6":
		r.block(2)
		if r.markdown && !r.inCell {
			r.lead += strings.Repeat("#", int(t.tag[1]-'0')) + " "
		}
	case "ul", "ol", "menu":
		r.openList(t)
	case "li":
		r.item()
	case "blockquote":
		r.block(2)
		r.quotes = min(r.quotes+1, 8)
	case "pre":
		r.block(2)
		r.fence()
		r.pre++
	case "tr":
		r.block(1)
		r.cells, r.data, r.inCell = 0, false, false
	case "td", "th":
		r.cell(t.tag)
	case "table":
		r.block(2)
		r.headed = false
	case "img":
		r.image(t)
	case "a", "b", "strong", "i", "em", "code":
		r.open(t)
	default:
		r.block(gap(t.tag))
	}
}

func (r *renderer) end(tag string) {
	if tag == "title" {
		r.inTitle = false
		return
	}
	for i := len(r.skip) - 1; i >= 0; i-- {
		if r.skip[i] == tag {
			r.skip = r.skip[:i]
			return
		}
	}
	if len(r.skip) > 0 {
		return
	}
	switch tag {
	case "h1", "h2", "h3", "h4", "h5", "h6":
		r.lead = ""
		r.block(2)
	case "li":
		r.lead = ""
		r.block(1)
	case "ul", "ol", "menu":
		r.lead = ""
		if len(r.lists) > 0 {
			r.lists = r.lists[:len(r.lists)-1]
		}
		r.block(r.listGap())
	case "blockquote":
		r.quotes = max(r.quotes-1, 0)
		r.block(2)
	case "pre":
		if r.pre > 0 {
			r.pre--
			if r.breaks = 1; strings.HasSuffix(string(r.out[max(len(r.out)-1, 0):]), "\n") {
				r.breaks = 0
			}
			r.fence()
		}
		r.block(2)
	case "td", "th":
		r.inCell = false
	case "tr":
		r.endRow()
	case "a", "b", "strong", "i", "em", "code":
		r.close(tag)
	default:
		r.block(gap(tag))
	}
}

// gap is how many line breaks stand around an element.
func gap(tag string) int {
	switch tag {
	case "p", "table", "dl", "figure", "section", "article", "main", "header", "footer", "nav", "aside", "form", "fieldset", "details", "address":
		return 2
	case "div", "dt", "dd", "summary", "figcaption", "caption", "legend", "option", "thead", "tbody", "tfoot", "center", "body", "html":
		return 1
	}
	return 0
}

func (r *renderer) pick(markdown, plain string) string {
	if r.markdown {
		return markdown
	}
	return plain
}

// block owes n line breaks before the next word; in a table cell a block is only a space.
func (r *renderer) block(n int) {
	switch {
	case n == 0:
	case r.inCell:
		r.owe()
	case r.pre > 0, r.lead != "":
	case len(r.lists) > 0: // items stand close
		r.breaks, r.space = max(r.breaks, 1), false
	default:
		r.breaks, r.space = max(r.breaks, n), false
	}
}

func (r *renderer) lineBreak() {
	if r.inCell {
		r.owe()
		return
	}
	r.breaks, r.space = min(r.breaks+1, 2), false
}

// flush pays what is owed.
func (r *renderer) flush() {
	switch {
	case r.atStart:
		r.margin()
	case r.breaks > 0:
		for range r.breaks {
			r.out = append(r.out, '\n')
		}
		r.margin()
	case r.space:
		r.out = append(r.out, ' ')
	}
	r.out = append(r.out, r.lead...)
	r.atStart, r.breaks, r.space, r.lead = false, 0, false, ""
}

// margin begins a line within quotations and lists.
func (r *renderer) margin() {
	for range r.quotes {
		r.out = append(r.out, "> "...)
	}
	for range len(r.lists) - 1 {
		r.out = append(r.out, "  "...)
	}
}

func (r *renderer) put(s string) {
	r.flush()
	for i := len(r.marks) - 1; i >= 0 && r.marks[i].from < 0; i-- {
		r.marks[i].from = len(r.out)
	}
	r.out = append(r.out, s...)
}

// words writes text, with its white space as HTML shows it.
func (r *renderer) words(s string) {
	switch {
	case r.inTitle:
		r.title.WriteString(s[:min(len(s), 1000)])
		return
	case len(r.skip) > 0:
		return
	case r.pre > 0 && !r.inCell:
		r.verbatim(s)
		return
	}
	if s != "" && blank(s[0]) {
		r.owe()
	}
	for i, w := range strings.Fields(s) {
		if i > 0 {
			r.owe()
		}
		if r.inCell && r.markdown {
			w = strings.ReplaceAll(w, "|", `\|`)
		}
		r.put(w)
	}
	if s != "" && blank(s[len(s)-1]) {
		r.owe()
	}
}

func blank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f' }

func (r *renderer) owe() {
	if !r.atStart && r.breaks == 0 && len(r.out) > 0 && !blank(r.out[len(r.out)-1]) {
		r.space = true
	}
}

func (r *renderer) verbatim(s string) {
	for i, line := range strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n") {
		if i > 0 {
			if !r.atStart {
				r.out = append(r.out, '\n')
			}
			r.breaks = 0
			r.margin()
		}
		if line != "" {
			r.put(line)
		}
	}
}

func (r *renderer) fence() {
	if r.markdown {
		r.put("```")
		r.breaks = 1
	}
}

func (r *renderer) openList(t *token) {
	r.block(r.listGap())
	if len(r.lists) >= maxDepth {
		return
	}
	l := list{}
	if t.tag == "ol" {
		l.next = 1
		if n, err := strconv.Atoi(t.attrs["start"]); err == nil && n > 0 && n < 1e6 {
			l.next = n
		}
	}
	r.lists = append(r.lists, l)
}

// listGap lets a list within a list follow closely.
func (r *renderer) listGap() int {
	if len(r.lists) > 0 {
		return 1
	}
	return 2
}

func (r *renderer) item() {
	r.block(1)
	bullet := "- "
	if n := len(r.lists); n > 0 && r.lists[n-1].next > 0 {
		bullet = strconv.Itoa(r.lists[n-1].next) + ". "
		r.lists[n-1].next++
	}
	if r.inCell {
		r.owe()
		return
	}
	r.lead = bullet
}

func (r *renderer) cell(tag string) {
	r.space = false
	switch {
	case r.cells > 0:
		r.put(r.pick(" | ", "\t"))
	case r.markdown:
		r.put("| ")
	}
	r.cells++
	r.inCell = true
	r.data = r.data || tag == "td"
}

func (r *renderer) endRow() {
	r.inCell, r.space = false, false
	if r.cells > 0 && r.markdown {
		r.put(" |")
		if !r.data && !r.headed {
			r.breaks = 1
			r.put("|" + strings.Repeat(" --- |", min(r.cells, 100)))
		}
		r.headed = true
	}
	r.cells, r.data = 0, false
	r.block(1)
}

// finish takes trailing white space from the lines and the text.
func (r *renderer) finish() string {
	lines := strings.Split(string(r.out), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \t")
	}
	return strings.TrimSpace(strings.ToValidUTF8(strings.Join(lines, "\n"), "\ufffd"))
}
