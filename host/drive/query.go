// Copyright 2026 The Gantry Authors.

package drive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The bounds of a query.
const (
	MaxQueryBytes = 512
	MaxQueryWords = 32
	MaxQueryTags  = 8
)

// clause is one thing a query asks for: the terms of a word, or of several that stand together.
type clause struct {
	terms []string
	not   bool
	// quoted phrases are needed even where any word will do.
	quoted bool
}

// query is a query understood: at least one of want, any of what has to be missing.
type query struct {
	want, not []clause
	// any says that one of the words is enough, because the query has OR in it.
	any bool
}

// parse reads a query: words, "words that stand together", -words and -"phrases" that must not be
// there, OR between words. It knows no wildcards, no ranges and no brackets, so a query costs at most
// MaxQueryWords look-ups. Marks without a meaning are read over; an open quote ends with the query.
func (w words) parse(text string) (*query, error) {
	const op = "drive.search"
	bad := func(format string, args ...any) (*query, error) {
		return nil, host.Errorf(op, abi.CodeInvalidArg, format, args...)
	}
	switch {
	case len(text) > MaxQueryBytes:
		return bad("query has %d bytes; at most %d are allowed", len(text), MaxQueryBytes)
	case !utf8.ValidString(text):
		return bad("query is not UTF-8")
	}
	q, n := &query{}, 0
	for text != "" {
		var c clause
		var raw string
		raw, c, text = nextClause(text)
		if !c.quoted && (raw == "OR" || raw == "AND") {
			q.any = q.any || raw == "OR"
			continue
		}
		if c.terms = w.terms(raw); len(c.terms) == 0 {
			continue
		}
		if n += len(c.terms); n > MaxQueryWords {
			return bad("query has more than %d words", MaxQueryWords)
		}
		if c.not {
			q.not = append(q.not, c)
		} else {
			q.want = append(q.want, c)
		}
	}
	switch {
	case len(q.want) > 0:
		return q, nil
	case len(q.not) > 0:
		return bad("query says only what must not be there; add a word to look for")
	}
	return bad("query has no words; say what to look for, such as refund policy")
}

// nextClause cuts the first clause off a query.
func nextClause(text string) (raw string, c clause, rest string) {
	text = strings.TrimLeftFunc(text, unicode.IsSpace)
	for text != "" && (text[0] == '-' || text[0] == '+') {
		c.not = text[0] == '-'
		text = text[1:]
	}
	if after, ok := strings.CutPrefix(text, `"`); ok {
		c.quoted = true
		raw, rest, _ = strings.Cut(after, `"`)
		return raw, c, rest
	}
	end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
	if end < 0 {
		end = len(text)
	}
	return text[:end], c, text[end:]
}

// terms are all the terms that snippets should show.
func (q *query) terms() map[string]bool {
	out := map[string]bool{}
	for _, c := range q.want {
		for _, t := range c.terms {
			out[t] = true
		}
	}
	return out
}

// words are the clauses of which one is enough when any will do; phrases are always needed.
func (q *query) split() (words, phrases []clause) {
	for _, c := range q.want {
		if c.quoted {
			phrases = append(phrases, c)
		} else {
			words = append(words, c)
		}
	}
	return words, phrases
}
