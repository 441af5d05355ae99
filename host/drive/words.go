// Copyright 2026 The Gantry Authors.

package drive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	"github.com/blevesearch/segment"
	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/russian"
	"golang.org/x/text/unicode/norm"
)

// maxWordBytes bounds a word: what is longer (base64, a data URL) is nobody's search term.
const maxWordBytes = 64

// What one document, or one word of it, may cost an index: what comes after is kept and read, but not
// found. A book of 4 MiB stays below both.
const (
	maxIndexedWords = 1_000_000
	maxSameWord     = 50_000
)

// words is how text becomes terms, for documents and queries alike: split by Unicode's rules for
// words, in small letters, ё as е, and reduced to its stem by the script it is written in. There is
// no list of words to leave out; common ones weigh little by themselves.
type words struct{}

var _ analysis.Analyzer = words{}

// Analyze implements analysis.Analyzer. A word that is left out leaves a gap.
func (words) Analyze(text []byte) analysis.TokenStream {
	var st stemmer
	var out analysis.TokenStream
	at, pos := 0, 0
	for w := segment.NewWordSegmenterDirect(text); w.Segment() && len(out) < maxIndexedWords; {
		start, word := at, w.Bytes()
		at += len(word)
		if w.Type() == segment.None {
			continue
		}
		pos++
		t := st.stem(word)
		if t.term == nil || t.seen >= maxSameWord {
			continue
		}
		t.seen++
		out = append(out, &analysis.Token{Term: t.term, Start: start, End: at, Position: pos, Type: analysis.AlphaNumeric})
	}
	return out
}

// terms are the terms of a text.
func (w words) terms(text string) []string {
	var out []string
	for _, t := range w.Analyze([]byte(text)) {
		out = append(out, string(t.Term))
	}
	return out
}

// stemmer remembers the stems of one text, which has far fewer words than tokens.
type stemmer struct {
	known map[string]*stem
	env   *snowballstem.Env
}

// stem is a word's term, nil where it is none, and how often a text has had the word.
type stem struct {
	term []byte
	seen int
}

// maxKnown bounds what a stemmer remembers.
const maxKnown = 50_000

// stem returns a word's term, which must not be changed.
func (s *stemmer) stem(word []byte) *stem {
	if len(word) > maxWordBytes {
		return &stem{}
	}
	if t := s.known[string(word)]; t != nil {
		return t
	}
	if s.known == nil || len(s.known) == maxKnown {
		s.known = map[string]*stem{}
	}
	t := &stem{term: []byte(s.reduce(string(word)))}
	s.known[string(word)] = t
	return t
}

func (s *stemmer) reduce(word string) string {
	word = strings.ToLower(norm.NFC.String(word))
	first, _ := utf8.DecodeRuneInString(word)
	var step func(*snowballstem.Env) bool
	switch {
	case unicode.Is(unicode.Cyrillic, first):
		word, step = strings.ReplaceAll(word, "ё", "е"), russian.Stem
	case unicode.Is(unicode.Latin, first):
		word, step = strings.ReplaceAll(word, "’", "'"), english.Stem
	default:
		return word
	}
	if s.env == nil {
		s.env = snowballstem.NewEnv(word)
	} else {
		s.env.SetCurrent(word)
	}
	step(s.env)
	if short := s.env.Current(); short != "" {
		return short
	}
	return word
}
