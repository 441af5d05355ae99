// Copyright 2026 The Gantry Authors.

package memory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/memory"
)

func TestSearch(t *testing.T) {
	s := service(t, memory.Config{})
	for path, text := range map[string]string{
		"diary/monday.md":  "# Monday\r\nMet Ada in the garden.\r\nShe likes black tea.\n",
		"diary/tuesday.md": "Tea was black today, and black it will be.\nblack tea again",
		"people/ada.md":    "Lives in the Große Straße.\nCafe\u0301 at noon.",
		"people/bob.md":    "plays chess",
		"long.md":          strings.Repeat("ü", 5000) + " needle " + strings.Repeat("x", 5000),
	} {
		write(t, s, ann, path, text)
	}
	for _, c := range []struct {
		name, query, prefix string
		want                []string
	}{
		{"the words together come before the words apart", "Tea BLACK", "", []string{"diary/monday.md", "diary/tuesday.md"}},
		{"all words are needed", "ada chess", "", nil},
		{"a word may stand in the path", "people chess", "", []string{"people/bob.md"}},
		{"paths in order", "black", "", []string{"diary/monday.md", "diary/tuesday.md"}},
		{"a part of a word is enough", "gard", "", []string{"diary/monday.md"}},
		{"capitals and ß are folded", "GROSSE STRASSE", "", []string{"people/ada.md"}},
		{"a decomposed character is the same", "CAFÉ", "", []string{"people/ada.md"}},
		{"a prefix keeps to what is below", "ada", "people/", []string{"people/ada.md"}},
		{"the phrase first", "black it", "", []string{"diary/tuesday.md"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			hits, err := s.Search(t.Context(), ann, abi.MemorySearch{Query: c.query, Prefix: c.prefix})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, h := range hits.Hits {
				got = append(got, h.Path)
			}
			if !slices.Equal(got, c.want) || hits.More || hits.Partial != "" {
				t.Errorf("got %q (%+v), want %q", got, hits, c.want)
			}
		})
	}
	t.Run("lines are numbered, the best ones shown, and line ends left out", func(t *testing.T) {
		hits, err := s.Search(t.Context(), ann, abi.MemorySearch{Query: "black tea"})
		if err != nil {
			t.Fatal(err)
		}
		want := []abi.MemoryLine{{Line: 3, Text: "She likes black tea."}}
		if got := hits.Hits[0]; !slices.Equal(got.Lines, want) || got.Matches != 1 {
			t.Errorf("got %+v, want %+v", got, want)
		}
		if got := hits.Hits[1]; got.Matches != 2 || got.Lines[0].Line != 1 || got.Lines[1].Line != 2 {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("of a long line the piece around the word is shown", func(t *testing.T) {
		hits, err := s.Search(t.Context(), ann, abi.MemorySearch{Query: "NEEDLE"})
		if err != nil {
			t.Fatal(err)
		}
		got := hits.Hits[0].Lines[0].Text
		if !strings.Contains(got, " needle x") || len(got) > 260 || !utf8.ValidString(got) || !strings.HasPrefix(got, "…") || !strings.HasSuffix(got, "…") {
			t.Errorf("got %d bytes: %q", len(got), got)
		}
	})
}

func TestASearchIsBounded(t *testing.T) {
	s := service(t, memory.Config{SearchBytes: 100})
	for i := range 12 {
		write(t, s, ann, fmt.Sprintf("%02d", i), "word")
	}
	hits, err := s.Search(t.Context(), ann, abi.MemorySearch{Query: "word", Limit: 5})
	if err != nil || len(hits.Hits) != 5 || !hits.More || hits.Partial != "" {
		t.Fatalf("got %+v, %v", hits, err)
	}
	write(t, s, ann, "08", strings.Repeat("word ", 20))
	hits, err = s.Search(t.Context(), ann, abi.MemorySearch{Query: "word", Limit: 50})
	if err != nil || len(hits.Hits) != 8 || !strings.Contains(hits.Partial, "100 bytes, before 08") {
		t.Fatalf("got %+v, %v", hits, err)
	}
}
