// Copyright 2026 The Gantry Authors.

package mcp

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/registry"
)

// shelf is a small catalogue, in order of names.
func shelf() []registry.ToolRef {
	var out []registry.ToolRef
	for _, t := range []abi.Tool{
		{Name: "calendar_create_event", Title: "Create event", Description: "Puts a meeting into the calendar.",
			InputSchema: json.RawMessage(`{"type":"object","properties":{"attendees":{"type":"array","items":{"type":"object","properties":{"email":{}}}},"startTime":{}}}`)},
		{Name: "fetch", Description: "Reads a page of the web by its URL.", InputSchema: json.RawMessage(`{"type":"object","properties":{"url":{}}}`)},
		{Name: "file_delete", Description: "Deletes a file of the workspace."},
		{Name: "file_read", Description: "Reads a file of the workspace."},
		{Name: "http_request", Description: "Sends any request, with method, headers and body, to a web address."},
		{Name: "mail_send", Title: "Send mail", Description: "Sends a message to one or more people.",
			InputSchema: json.RawMessage(`{"type":"object","properties":{"recipients":{},"subject":{}}}`)},
		{Name: "orders_list", Title: "Список заказов", Description: "Возвращает заказы продавца за период."},
		{Name: "text_diff", Description: "Tells the differences of two texts."},
		{Name: "text_encode", Description: "Encodes and decodes text: base64, hex, URL."},
		{Name: "text_hash", Description: "Hashes a text with SHA-256, SHA-1 or MD5."},
		{Name: "translate", Description: "Puts a text into another language."},
	} {
		out = append(out, registry.ToolRef{Name: t.Name, Plugin: &registry.Plugin{Name: "p"}, Tool: &t})
	}
	return out
}

func namesOf(refs []registry.ToolRef) []string {
	out := []string{}
	for _, r := range refs {
		out = append(out, r.Name)
	}
	return out
}

func TestSearchRanks(t *testing.T) {
	f := newFinder(shelf())
	for _, c := range []struct{ promise, query, first string }{
		{"an exact name", "text_diff", "text_diff"},
		{"a name in other letters", "TEXT_HASH", "text_hash"},
		{"a name as one word", "texthash", "text_hash"},
		{"the words of a name in any order", "hash text", "text_hash"},
		{"the beginning of a word", "cal", "calendar_create_event"},
		{"another form of a word", "hashing", "text_hash"},
		{"another form of a word, longer", "encoding", "text_encode"},
		{"a plural", "emails for attendees", "calendar_create_event"},
		{"a noun for a verb", "translation", "translate"},
		{"a slip", "trasnlate", "translate"},
		{"a letter left out", "calender", "calendar_create_event"},
		{"an argument's name", "recipient", "mail_send"},
		{"an argument's name in camel case", "start time", "calendar_create_event"},
		{"a word of the description", "sha-256", "text_hash"},
		{"a sentence", "I want to delete a file please", "file_delete"},
		{"another alphabet", "заказы", "orders_list"},
		{"another alphabet, inflected", "заказ", "orders_list"},
	} {
		t.Run("finds by "+c.promise, func(t *testing.T) {
			got := namesOf(f.find(c.query))
			if len(got) == 0 || got[0] != c.first {
				t.Errorf("%q finds %v, want %s first", c.query, got, c.first)
			}
		})
	}
	t.Run("finds nothing where nothing fits", func(t *testing.T) {
		if got := namesOf(f.find("quantum chromodynamics")); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
	t.Run("lists all in order of names where nothing is asked", func(t *testing.T) {
		for _, query := range []string{"", "  ", "?!"} {
			if got, want := namesOf(f.find(query)), namesOf(shelf()); !slices.Equal(got, want) {
				t.Errorf("%q: got %v, want %v", query, got, want)
			}
		}
	})
	t.Run("answers the same every time", func(t *testing.T) {
		want := namesOf(f.find("read a text file"))
		for range 20 {
			if got := namesOf(newFinder(shelf()).find("read a text file")); !slices.Equal(got, want) {
				t.Fatalf("got %v, then %v", want, got)
			}
		}
	})
	t.Run("has nothing to find in an empty catalogue", func(t *testing.T) {
		if got := newFinder(nil).find("text"); len(got) != 0 {
			t.Errorf("got %v", got)
		}
	})
}

func TestStemsMeet(t *testing.T) {
	for _, group := range []string{
		"hash hashes hashed hashing", "file files", "create creates created creating creation", "query queries",
		"run running", "call calls calling", "diff diffs diffing", "message messages", "delete deletes deletion",
	} {
		words := strings.Fields(group)
		for _, w := range words[1:] {
			if stem(w) != stem(words[0]) {
				t.Errorf("%s is %s, %s is %s", words[0], stem(words[0]), w, stem(w))
			}
		}
	}
	for _, w := range []string{"status", "class", "this", "заказы", "a", ""} {
		if stem(w) != w {
			t.Errorf("%s became %s", w, stem(w))
		}
	}
}

func TestTypos(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"hash", "hsah", 1}, {"hash", "hahs", 1}, {"hash", "ash", 0}, {"calender", "calendar", 1}, {"hash", "cash", 1},
		{"translate", "trnslat", 0}, {"workspace", "workspcae", 1}, {"calendar", "colander", 0}, {"notifications", "notificatoin", 2}, {"one", "two", 0},
	} {
		if got := typos(c.a, c.b); got != c.want {
			t.Errorf("%s, %s: got %d, want %d", c.a, c.b, got, c.want)
		}
		if there, back := typos(c.a, c.b), typos(c.b, c.a); there != back {
			t.Errorf("%s, %s: %d one way, %d the other", c.a, c.b, there, back)
		}
	}
}

// FuzzFind holds for any query and any words of a tool: the answer has each tool at most once, and
// is the same for the same question.
func FuzzFind(f *testing.F) {
	f.Add("read file", "file_read", "Reads a file.", `{"properties":{"path":{}}}`)
	f.Add("\xff\x00", "\xff", strings.Repeat("aB", 100), `{"properties":[{"properties":1}]}`)
	f.Add("İstanbul ǅ", "x", "ß ſ K", `[`)
	f.Fuzz(func(t *testing.T, query, name, description, schema string) {
		tools := shelf()
		tools[0].Name, tools[1].Tool.Description, tools[2].Tool.InputSchema = name, description, json.RawMessage(schema)
		got := namesOf(newFinder(tools).find(query))
		seen := map[string]int{}
		for _, n := range got {
			seen[n]++
		}
		if seen["text_hash"] > 1 || len(got) > len(tools) {
			t.Errorf("%q: got %v", query, got)
		}
		if again := namesOf(newFinder(tools).find(query)); !slices.Equal(got, again) {
			t.Errorf("%q: got %v, then %v", query, got, again)
		}
	})
}

// TestSearchOfManyTools keeps a search of a large host's tools to a bounded amount of work.
func TestSearchOfManyTools(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var tools []registry.ToolRef
	for i := range 2000 {
		var words []string
		for range 40 {
			words = append(words, fmt.Sprintf("w%x", rng.Uint32N(20_000)))
		}
		def := &abi.Tool{Name: fmt.Sprintf("tool_%04d", i), Description: strings.Join(words, " ")}
		tools = append(tools, registry.ToolRef{Name: def.Name, Plugin: &registry.Plugin{}, Tool: def})
	}
	f := newFinder(tools)
	if got := f.find("tool_1234"); len(got) == 0 || got[0].Name != "tool_1234" {
		t.Errorf("got %v", namesOf(got[:min(3, len(got))]))
	}
	if got := queryWords(strings.Repeat("one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen ", 3)); len(got) != maxQueryWords {
		t.Errorf("got %d words, want %d", len(got), maxQueryWords)
	}
}
