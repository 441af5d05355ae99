// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

func library(t *testing.T) *pdktest.Host {
	t.Helper()
	h := pdktest.New(t)
	h.PutDocument(abi.DriveDocument{Path: "policies/refunds.md", Title: "Refunds", Tags: []string{"policy"}},
		"# Refunds\n\nA refund takes ten days.\nAsk the shop for it.\n")
	h.PutDocument(abi.DriveDocument{Path: "policies/returns.md"}, "Returns are free.\nA refund follows.\n")
	h.PutDocument(abi.DriveDocument{Path: "notes.txt"}, "nothing of note, "+strings.Repeat("ü", 100))
	return h
}

// text is the answer as a model reads it.
func text(t *testing.T, r *pdktest.Result) string {
	t.Helper()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	return r.Text
}

func TestSearchTellsWhereToReadOn(t *testing.T) {
	h := library(t)
	got := text(t, h.Call("search_drive", searchIn{Query: "refund"}))
	for _, want := range []string{"2 of 2 documents", "policies/refunds.md – Refunds (57 bytes, tags: policy)", "policies/returns.md", "line 2, offset 18: A refund follows."} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in the answer:\n%s", want, got)
		}
	}
	got = text(t, h.Call("search_drive", searchIn{Query: "refund", Tags: []string{"policy"}}))
	if strings.Contains(got, "returns") {
		t.Errorf("the tag did not count:\n%s", got)
	}
	got = text(t, h.Call("search_drive", searchIn{Query: "zebra"}))
	if !strings.Contains(got, "Nothing was found") {
		t.Errorf("got %q", got)
	}
	got = text(t, h.Call("search_drive", searchIn{Query: "refund", Limit: 1}))
	if !strings.Contains(got, "1 of 2") || !strings.Contains(got, "More with cursor 1") {
		t.Errorf("got %q", got)
	}
}

func TestReadGoesOnWhereItEnded(t *testing.T) {
	h, whole := library(t), ""
	for offset, rounds := int64(0), 0; ; rounds++ {
		r := h.Call("read_drive", readIn{Path: "notes.txt", Offset: offset, Limit: 50})
		var got abi.DriveText
		if r.Err != nil || json.Unmarshal(r.Structured, &got) != nil {
			t.Fatalf("got %s, %v", r.Structured, r.Err)
		}
		whole += got.Text
		if got.Next == 0 {
			break
		}
		if !strings.Contains(r.Text, "read on with offset") || got.Next <= offset || rounds > 20 {
			t.Fatalf("after %d: %q", offset, r.Text)
		}
		offset = got.Next
	}
	if whole != "nothing of note, "+strings.Repeat("ü", 100) {
		t.Errorf("got %q", whole)
	}
}

func TestListSaysWhatThereIs(t *testing.T) {
	h := library(t)
	if got := text(t, h.Call("list_drive", listIn{Prefix: "policies/"})); strings.Count(got, "\n") != 2 {
		t.Errorf("got %q", got)
	}
	if got := text(t, h.Call("list_drive", listIn{Limit: 1})); !strings.Contains(got, "More with cursor") {
		t.Errorf("got %q", got)
	}
	if got := text(t, h.Call("list_drive", listIn{Prefix: "x"})); !strings.Contains(got, "begins with x") {
		t.Errorf("got %q", got)
	}
	if got := text(t, pdktest.New(t).Call("list_drive", nil)); !strings.Contains(got, "empty") {
		t.Errorf("got %q", got)
	}
}

func TestFailuresPassThrough(t *testing.T) {
	h := library(t)
	for name, c := range map[string]struct {
		tool string
		in   any
		code abi.Code
	}{
		"no document":      {"read_drive", readIn{Path: "gone", Limit: 1}, abi.CodeNotFound},
		"offset too large": {"read_drive", readIn{Path: "notes.txt", Offset: 1000, Limit: 1}, abi.CodeInvalidArg},
		"no query":         {"search_drive", map[string]any{}, abi.CodeInvalidArg},
		"strange cursor":   {"list_drive", listIn{Cursor: "x", Limit: 1}, abi.CodeInvalidArg},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pdk.CodeOf(h.Call(c.tool, c.in).Err); got != c.code {
				t.Errorf("got %s, want %s", got, c.code)
			}
		})
	}
	h.Grants = &pdk.Rights{}
	for tool, in := range map[string]any{"search_drive": searchIn{Query: "x", Limit: 1}, "read_drive": readIn{Path: "x", Limit: 1}, "list_drive": nil} {
		if got := pdk.CodeOf(h.Call(tool, in).Err); got != abi.CodeForbidden {
			t.Errorf("%s without the right: got %s", tool, got)
		}
	}
}
