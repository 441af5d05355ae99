// Copyright 2026 The Gantry Authors.

package pdktest_test

import (
	"fmt"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

// lookUp does everything that Drive can do, and tells what it saw.
func lookUp(ctx *pdk.Context, in struct {
	Query string `json:"query"`
}) (string, error) {
	d, out := ctx.Drive(), ""
	for doc, err := range d.Documents("shelf/") {
		if err != nil {
			return "", err
		}
		out += doc.Path + " "
	}
	hits, err := d.Search(abi.DriveSearch{Query: in.Query, Under: "shelf"})
	if err != nil {
		return "", err
	}
	for _, h := range hits.Hits {
		t, err := d.Read(abi.DriveRead{Path: h.Path, Offset: h.Snippets[0].Offset, Limit: 5})
		if err != nil {
			return "", err
		}
		out += fmt.Sprintf("| %s:%d %q %d", h.Path, t.Line, t.Text, t.Next)
	}
	return out, nil
}

func TestTheKnowledgeBase(t *testing.T) {
	h := pdktest.New(t)
	for i := range 120 { // more than a page of the listing
		h.PutDocument(abi.DriveDocument{Path: fmt.Sprintf("other/%d", i)}, "a red book")
	}
	h.PutDocument(abi.DriveDocument{Path: "shelf/a", Tags: []string{"x"}}, "a blue book")
	h.PutDocument(abi.DriveDocument{Path: "shelf/b"}, "first line\nsome red book\n")
	if got, want := h.Call("drive", map[string]string{"query": "red -blue"}).OK().Text, `shelf/a shelf/b | shelf/b:2 "some " 16`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	h.Call("drive", map[string]string{"query": `""`}).Fails(abi.CodeInvalidArg)
	h.Grants = &pdk.Rights{KV: true}
	h.Call("drive", map[string]string{"query": "red"}).Fails(abi.CodeForbidden)
}
