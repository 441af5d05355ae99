// Copyright 2026 The Gantry Authors.

package mcp

import (
	"strings"
	"unicode"
)

// maxWord bounds a word, in letters; the rest of a longer one does not count.
const maxWord = 32

// wordsOf splits text into words in small letters: at everything that is no letter or digit, and
// where a large letter follows a small one, as in readFile.
func wordsOf(text string) []string {
	var out []string
	var word []rune
	end := func() {
		if len(word) > 0 {
			out = append(out, string(word[:min(len(word), maxWord)]))
		}
		word = word[:0]
	}
	small := false
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			end()
			small = false
			continue
		}
		if unicode.IsUpper(r) && small {
			end()
		}
		small = unicode.IsLower(r)
		word = append(word, unicode.ToLower(r))
	}
	end()
	return out
}

// stem takes the commonest English endings off a word, so that "hashes", "hashing" and "hash" are
// one. Words of other languages pass; they meet as prefixes.
func stem(w string) string {
	if len(w) < 4 {
		return w
	}
	switch {
	case cut(&w, "ies", 2):
		return w + "y"
	case strings.HasSuffix(w, "ss") || strings.HasSuffix(w, "us") || strings.HasSuffix(w, "is"):
	case strings.HasSuffix(w, "ches") || strings.HasSuffix(w, "shes") || strings.HasSuffix(w, "sses") || strings.HasSuffix(w, "xes"):
		w = w[:len(w)-2]
	default:
		cut(&w, "s", 3)
	}
	switch {
	case strings.HasSuffix(w, "tion") || strings.HasSuffix(w, "sion"):
		cut(&w, "ion", 4)
	case cut(&w, "ing", 3) || cut(&w, "ed", 3):
		w = single(w)
	}
	cut(&w, "e", 4)
	return w
}

// cut takes an ending off where at least so much is left.
func cut(w *string, ending string, left int) bool {
	rest, ok := strings.CutSuffix(*w, ending)
	if ok = ok && len(rest) >= left; ok {
		*w = rest
	}
	return ok
}

// single undoes the doubling in "running"; the words in "calling", "passing" and "diffing" end so.
func single(w string) string {
	if n := len(w); n >= 4 && w[n-1] == w[n-2] && !strings.ContainsRune("lszf", rune(w[n-1])) {
		return w[:n-1]
	}
	return w
}

// typos is how many letters have to be added, left out, replaced or swapped with their neighbour to
// make one word of the other: 0 where that is too many to be a slip.
func typos(a, b string) int {
	x, y := []rune(a), []rune(b)
	limit := 0
	switch shorter := min(len(x), len(y)); {
	case shorter >= 8:
		limit = 2
	case shorter >= 4:
		limit = 1
	}
	if limit == 0 || len(x)-len(y) > limit || len(y)-len(x) > limit {
		return 0
	}
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			same := 1
			if x[i-1] == y[j-1] {
				same = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+same)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	if d := last[len(y)]; d <= limit {
		return d
	}
	return 0
}
