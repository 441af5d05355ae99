// Copyright 2026 The Gantry Authors.

package drive

import (
	"strings"
	"unicode"

	"github.com/blevesearch/segment"

	"github.com/gantryhost/gantry/abi"
)

// The bounds of snippets.
const (
	maxSnippets  = 2
	snippetBytes = 280
	// snippetLead is how much of a line is shown before the first word.
	snippetLead = 80
	// maxMatches bounds the words looked at in one document.
	maxMatches = 256
	// snippetBudget bounds the text that one search reads for its snippets; hits after that show the
	// beginning of what is left, or none.
	snippetBudget = 16 << 20
)

// match is a word of the query in a text.
type match struct {
	start, end int
	term       string
}

// snippets returns the pieces of a text that show most of the terms, best first. A text without any
// (they are in its title, or its path) shows its beginning.
func snippets(text string, terms map[string]bool, st *stemmer) []abi.DriveSnippet {
	matches := findTerms(text, terms, st)
	if len(matches) == 0 {
		if strings.TrimSpace(text) == "" {
			return nil
		}
		return []abi.DriveSnippet{cutSnippet(text, 0, 0)}
	}
	var out []abi.DriveSnippet
	for len(out) < maxSnippets && len(matches) > 0 {
		from, to := bestWindow(matches)
		s := cutSnippet(text, matches[from].start, matches[to-1].end)
		out = append(out, s)
		matches = outside(matches, int(s.Offset), int(s.Offset)+len(s.Text))
		if len(terms) == 1 && len(out) == 1 && len(matches) == 0 {
			break
		}
	}
	return out
}

// findTerms looks for the terms in the words of a text, split as the index splits them. It ends
// early when it has seen enough.
func findTerms(text string, terms map[string]bool, st *stemmer) []match {
	var out []match
	seen := map[string]bool{}
	at := 0
	for words := segment.NewWordSegmenterDirect([]byte(text)); words.Segment(); {
		word := words.Bytes()
		start := at
		at += len(word)
		if words.Type() == segment.None {
			continue
		}
		term := st.stem(word).term
		if term == nil || !terms[string(term)] {
			continue
		}
		seen[string(term)] = true
		if out = append(out, match{start, at, string(term)}); len(out) >= maxMatches || len(seen) == len(terms) && len(out) >= maxMatches/4 {
			break
		}
	}
	return out
}

// bestWindow finds the run of matches that fits into a snippet and has the most different terms, and
// of those with as many the one with the most matches; the first where that, too, is the same.
func bestWindow(matches []match) (from, to int) {
	count := map[string]int{}
	best := [2]int{}
	lo := 0
	for hi, m := range matches {
		count[m.term]++
		for m.end-matches[lo].start > snippetBytes-snippetLead && lo < hi {
			if count[matches[lo].term]--; count[matches[lo].term] == 0 {
				delete(count, matches[lo].term)
			}
			lo++
		}
		if score := [2]int{len(count), hi - lo + 1}; score[0] > best[0] || score[0] == best[0] && score[1] > best[1] {
			best, from, to = score, lo, hi+1
		}
	}
	return from, to
}

// outside are the matches that a snippet does not show.
func outside(matches []match, from, to int) []match {
	var out []match
	for _, m := range matches {
		if m.end <= from || m.start >= to {
			out = append(out, m)
		}
	}
	return out
}

// cutSnippet cuts the piece around a window, from the beginning of its line or a little before the
// window, between words.
func cutSnippet(text string, from, to int) abi.DriveSnippet {
	start := strings.LastIndexByte(text[:from], '\n') + 1
	if from-start > snippetLead {
		start = nextWord(text, wholeRune(text, from-snippetLead), from)
	}
	end := min(len(text), max(start+snippetBytes, to))
	if end < len(text) {
		end = wholeRune(text, end)
		if i := strings.LastIndexFunc(text[max(start, to):end], unicode.IsSpace); i > 0 {
			end = max(start, to) + i
		}
	}
	piece := text[start:end]
	trimmed := strings.TrimLeftFunc(piece, unicode.IsSpace)
	start += len(piece) - len(trimmed)
	return abi.DriveSnippet{
		Text: strings.TrimRightFunc(trimmed, unicode.IsSpace), Line: 1 + strings.Count(text[:start], "\n"), Offset: int64(start),
	}
}

// nextWord is the beginning of the first word from i on, at most limit.
func nextWord(text string, i, limit int) int {
	space := strings.IndexFunc(text[i:limit], unicode.IsSpace)
	if space < 0 {
		return i
	}
	return i + space
}
