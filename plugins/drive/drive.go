// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

type searchIn struct {
	Query  string   `json:"query" doc:"What to look for: words, \"words that stand together\", -words that must not occur" example:"refund policy" minLength:"1" maxLength:"512"`
	Under  string   `json:"under,omitempty" doc:"Only below this folder, such as contracts/2026" maxLength:"512"`
	Tags   []string `json:"tags,omitempty" doc:"Only documents with all of these tags" maxItems:"8"`
	Limit  int      `json:"limit,omitempty" doc:"How many documents" default:"5" minimum:"1" maximum:"50"`
	Cursor string   `json:"cursor,omitempty" doc:"next of the page before, with the same query"`
}

type readIn struct {
	Path   string `json:"path" doc:"The document's path" example:"contracts/2026/lease.md" minLength:"1" maxLength:"512"`
	Offset int64  `json:"offset,omitempty" doc:"The byte to begin at" minimum:"0"`
	Limit  int    `json:"limit,omitempty" doc:"About how many bytes" default:"16384" minimum:"1" maximum:"262144"`
}

type listIn struct {
	Prefix string `json:"prefix,omitempty" doc:"What the paths begin with, such as contracts/" maxLength:"512"`
	Limit  int    `json:"limit,omitempty" doc:"How many documents" default:"50" minimum:"1" maximum:"1000"`
	Cursor string `json:"cursor,omitempty" doc:"next of the page before"`
}

// The schemas of what the tools answer beside their text.
const (
	documentFields = `"path":{"type":"string"},"title":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},` +
		`"media_type":{"type":"string"},"size":{"type":"integer"},"revision":{"type":"integer"},"modified":{"type":"string"}`

	searchSchema = `{"type":"object","required":["hits","total","any_word"],"properties":{"total":{"type":"integer"},` +
		`"any_word":{"type":"boolean"},"next":{"type":"string"},"hits":{"type":"array","items":{"type":"object","required":["path"],` +
		`"properties":{` + documentFields + `,"score":{"type":"number"},"snippets":{"type":"array","items":{"type":"object",` +
		`"required":["text","line","offset"],"properties":{"text":{"type":"string"},"line":{"type":"integer"},"offset":{"type":"integer"}}}}}}}}}`

	readSchema = `{"type":"object","required":["path","text","offset","line"],"properties":{` + documentFields +
		`,"text":{"type":"string"},"offset":{"type":"integer"},"line":{"type":"integer"},"next":{"type":"integer"}}}`

	listSchema = `{"type":"object","required":["documents"],"properties":{"next":{"type":"string"},"documents":{"type":"array",` +
		`"items":{"type":"object","required":["path"],"properties":{` + documentFields + `}}}}}`
)

// found is abi.DriveHits with a name for Any that tells a model what it means.
type found struct {
	Hits    []abi.DriveHit `json:"hits"`
	Total   int64          `json:"total"`
	AnyWord bool           `json:"any_word"`
	Next    string         `json:"next,omitempty"`
}

func search(ctx *pdk.Context, in searchIn) (pdk.Result, error) {
	hits, err := ctx.Drive().Search(abi.DriveSearch{
		Query: in.Query, Under: in.Under, Tags: in.Tags, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return pdk.Result{}, err
	}
	return answer(searchText(&hits), found{Hits: hits.Hits, Total: hits.Total, AnyWord: hits.Any, Next: hits.Next})
}

func searchText(hits *abi.DriveHits) string {
	if hits.Total == 0 {
		return "Nothing was found. Try fewer or other words, or list_drive."
	}
	var b strings.Builder
	if hits.Any {
		b.WriteString("No document has all of these words; these have some.\n")
	}
	fmt.Fprintf(&b, "%d of %d documents:\n", len(hits.Hits), hits.Total)
	for _, h := range hits.Hits {
		fmt.Fprintf(&b, "\n%s\n", heading(h.DriveDocument))
		for _, s := range h.Snippets {
			fmt.Fprintf(&b, "  line %d, offset %d: %s\n", s.Line, s.Offset, strings.Join(strings.Fields(s.Text), " "))
		}
	}
	if hits.Next != "" {
		fmt.Fprintf(&b, "\nMore with cursor %s\n", hits.Next)
	}
	return b.String()
}

// heading tells a document in one line.
func heading(d abi.DriveDocument) string {
	s := d.Path
	if d.Title != "" {
		s += " – " + d.Title
	}
	s += fmt.Sprintf(" (%d bytes", d.Size)
	if len(d.Tags) > 0 {
		s += ", tags: " + strings.Join(d.Tags, ", ")
	}
	return s + ")"
}

func read(ctx *pdk.Context, in readIn) (pdk.Result, error) {
	t, err := ctx.Drive().Read(abi.DriveRead{Path: in.Path, Offset: in.Offset, Limit: in.Limit})
	if err != nil {
		return pdk.Result{}, err
	}
	text := t.Text
	if t.Next > 0 {
		text += fmt.Sprintf("\n[… %d of %d bytes follow; read on with offset %d]", t.Size-t.Next, t.Size, t.Next)
	}
	return answer(text, t)
}

func list(ctx *pdk.Context, in listIn) (pdk.Result, error) {
	page, err := ctx.Drive().List(abi.DriveList{Prefix: in.Prefix, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return pdk.Result{}, err
	}
	var b strings.Builder
	for _, d := range page.Documents {
		b.WriteString(heading(d) + "\n")
	}
	switch {
	case len(page.Documents) == 0 && in.Prefix != "":
		fmt.Fprintf(&b, "No document has a path that begins with %s.\n", in.Prefix)
	case len(page.Documents) == 0:
		b.WriteString("The knowledge base is empty.\n")
	case page.Next != "":
		fmt.Fprintf(&b, "More with cursor %s\n", page.Next)
	}
	return answer(b.String(), page)
}

// answer is text for the model and the same as a value for programs.
func answer(text string, v any) (pdk.Result, error) {
	r := pdk.Contents(pdk.Text(text))
	var err error
	r.Structured, err = json.Marshal(v)
	return r, err
}
