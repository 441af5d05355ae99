// Copyright 2026 The Gantry Authors.

package drive

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/blevesearch/bleve/v2/analysis"
	tokenizer "github.com/blevesearch/bleve/v2/analysis/tokenizer/unicode"
	"github.com/blevesearch/snowballstem"
	"github.com/blevesearch/snowballstem/english"
	"github.com/blevesearch/snowballstem/russian"
	"golang.org/x/text/unicode/norm"
)

// maxWordBytes bounds a word: what is longer (base64, a data URL) is nobody's search term.
const maxWordBytes = 64

// words is how text becomes terms, for documents and queries alike: split by Unicode's rules for
// words, in small letters, ё as е, and reduced to its stem by the script it is written in. There is
// no list of words to leave out; common ones weigh little by themselves.
type words struct {
	analysis.Analyzer
}

func newWords() *words {
	return &words{&analysis.DefaultAnalyzer{
		Tokenizer: tokenizer.NewUnicodeTokenizer(), TokenFilters: []analysis.TokenFilter{stems{}},
	}}
}

// terms are the terms of a text.
func (w *words) terms(text string) []string {
	var out []string
	for _, t := range w.Analyze([]byte(text)) {
		out = append(out, string(t.Term))
	}
	return out
}

// stems is the filter that makes terms of words.
type stems struct{}

// Filter implements analysis.TokenFilter. Words that are too long are dropped and leave a gap.
func (stems) Filter(in analysis.TokenStream) analysis.TokenStream {
	st, out := stemmer{}, in[:0]
	for _, t := range in {
		if t.Term = st.stem(t.Term); t.Term != nil {
			out = append(out, t)
		}
	}
	return out
}

// stemmer remembers the stems of one text, which has far fewer words than tokens.
type stemmer struct {
	known map[string][]byte
	env   *snowballstem.Env
}

// maxKnown bounds what a stemmer remembers.
const maxKnown = 50_000

// stem returns a word's term, nil where it is none. The result is shared: it must not be changed.
func (s *stemmer) stem(word []byte) []byte {
	if len(word) > maxWordBytes {
		return nil
	}
	if term, ok := s.known[string(word)]; ok {
		return term
	}
	term := []byte(s.reduce(string(word)))
	if s.known == nil || len(s.known) == maxKnown {
		s.known = map[string][]byte{}
	}
	s.known[string(word)] = term
	return term
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
	if stem := s.env.Current(); stem != "" {
		return stem
	}
	return word
}
