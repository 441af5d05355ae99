// Copyright 2026 The Gantry Authors.

package mcp

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gantryhost/gantry/registry"
)

// finder finds tools by the words in what they say of themselves. Its index is made at the first
// search. It is safe for concurrent use and does not change.
type finder struct {
	tools []registry.ToolRef
	index func() *index
}

func newFinder(tools []registry.ToolRef) *finder {
	return &finder{tools, sync.OnceValue(func() *index { return newIndex(tools) })}
}

// tool finds a tool by its exact name.
func (f *finder) tool(name string) (registry.ToolRef, bool) {
	for _, ref := range f.tools {
		if ref.Name == name {
			return ref, true
		}
	}
	return registry.ToolRef{}, false
}

// index says which words stand in which tools, and how much they weigh there.
type index struct {
	words  map[string][]posting
	length []float64 // of each tool, in weighted words
	mean   float64
}

type posting struct {
	tool   int
	weight float64
}

// How much a word weighs, by where it stands. A tool's name says more than all of its description.
const (
	inName        = 5
	inTitle       = 3
	inProperty    = 1.5
	inDescription = 1
)

func newIndex(tools []registry.ToolRef) *index {
	x := &index{words: map[string][]posting{}, length: make([]float64, len(tools))}
	for i, ref := range tools {
		weights := map[string]float64{}
		add := func(text string, weight float64) {
			for _, w := range wordsOf(text) {
				weights[stem(w)] += weight
				x.length[i] += weight
			}
		}
		add(ref.Name, inName)
		weights[strings.Join(wordsOf(ref.Name), "")] += inName // written as one word
		add(ref.Tool.Title, inTitle)
		add(ref.Tool.Description, inDescription)
		for _, p := range properties(ref.Tool.InputSchema) {
			add(p, inProperty)
		}
		for w, weight := range weights {
			x.words[w] = append(x.words[w], posting{i, weight})
		}
		x.mean += x.length[i] / float64(len(tools))
	}
	return x
}

// properties are the names of all properties of a schema, also of those within others.
func properties(schema json.RawMessage) []string {
	var root any
	if json.Unmarshal(schema, &root) != nil {
		return nil // no schema at all, or none that the registry would have let through
	}
	var out []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if props, ok := v["properties"].(map[string]any); ok {
				for name := range props {
					out = append(out, name)
				}
			}
			for _, child := range v {
				walk(child)
			}
		case []any:
			for _, child := range v {
				walk(child)
			}
		}
	}
	walk(root)
	return out
}

// How well a word of the query has to fit a word of a tool, and what it counts then.
const (
	asWritten = 1.0
	asPrefix  = 0.8 // times the part of the word that was written
	asTypo    = 0.5
)

// maxQueryWords bounds how many words of a query count.
const maxQueryWords = 16

// find returns the tools that fit the query, best first, and where two fit as well in order of
// names. All of them, in order of names, where the query has no words.
func (f *finder) find(query string) []registry.ToolRef {
	words := queryWords(query)
	if len(words) == 0 {
		return f.tools
	}
	x := f.index()
	scores := make([]float64, len(f.tools))
	met := make([]float64, len(f.tools)) // how many words of the query each tool has
	for _, w := range words {
		for tool, score := range x.fits(w) {
			scores[tool] += score
			met[tool]++
		}
	}
	var order []int
	for i := range scores {
		if met[i] == 0 {
			continue
		}
		scores[i] *= 0.3 + 0.7*met[i]/float64(len(words))
		if strings.EqualFold(f.tools[i].Name, strings.TrimSpace(query)) {
			scores[i] = math.Inf(1)
		}
		order = append(order, i)
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[b], scores[a]), cmp.Compare(f.tools[a].Name, f.tools[b].Name))
	})
	out := make([]registry.ToolRef, len(order))
	for i, tool := range order {
		out[i] = f.tools[tool]
	}
	return out
}

func queryWords(query string) []string {
	var out, common []string
	for _, w := range wordsOf(query) {
		switch w = stem(w); {
		case slices.Contains(out, w) || slices.Contains(common, w):
		case slices.Contains(commonWords, w):
			common = append(common, w)
		default:
			out = append(out, w)
		}
	}
	if len(out) == 0 {
		out = common
	}
	return out[:min(len(out), maxQueryWords)]
}

// commonWords say nothing of what a tool does.
var commonWords = []string{"a", "an", "and", "as", "at", "by", "for", "from", "i", "in", "into", "is", "it", "me", "my",
	"of", "on", "or", "please", "some", "that", "the", "this", "to", "tool", "want", "with"}

// fits scores each tool that has the word, or one that comes near. A misspelling counts only where
// nobody has the word as it is written.
func (x *index) fits(word string) map[int]float64 {
	out := map[int]float64{}
	for term := range x.words {
		switch {
		case term == word:
			x.score(out, term, asWritten)
		case utf8.RuneCountInString(word) >= 2 && strings.HasPrefix(term, word):
			x.score(out, term, asPrefix*math.Sqrt(float64(len(word))/float64(len(term))))
		case utf8.RuneCountInString(term) >= 4 && strings.HasPrefix(word, term):
			x.score(out, term, asPrefix*math.Sqrt(float64(len(term))/float64(len(word))))
		}
	}
	if len(out) > 0 {
		return out
	}
	for term := range x.words {
		if d := typos(word, term); d > 0 {
			x.score(out, term, asTypo/float64(d))
		}
	}
	return out
}

// score is Okapi BM25 with its usual constants, over weighted words. The best fit of a word counts.
func (x *index) score(into map[int]float64, term string, fit float64) {
	const k, b = 1.2, 0.75
	found, all := float64(len(x.words[term])), float64(len(x.length))
	rare := math.Log(1 + (all-found+0.5)/(found+0.5))
	for _, p := range x.words[term] {
		full := p.weight * (k + 1) / (p.weight + k*(1-b+b*x.length[p.tool]/x.mean))
		into[p.tool] = max(into[p.tool], fit*rare*full)
	}
}
