// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

func TestToolsSayWhetherTheyChangeAnything(t *testing.T) {
	for _, tool := range pdktest.New(t).Manifest().Tools {
		a, reads := tool.Annotations, strings.HasPrefix(tool.Name, "read") || strings.HasPrefix(tool.Name, "search")
		if a.ReadOnly != reads || a.Destructive != (tool.Name == "delete_memory" || tool.Name == "write_memory") || tool.Title == "" {
			t.Errorf("%s: %+v, title %q", tool.Name, a, tool.Title)
		}
	}
}

func host(t *testing.T) *pdktest.Host {
	t.Helper()
	h := pdktest.New(t)
	h.Grants = &pdk.Rights{Memory: abi.MemoryRightWrite}
	h.Remember("people/ada.md", "Ada likes tea.\nBorn in December.")
	h.Remember("people/bob.md", "Bob plays chess.")
	h.Remember("todo.md", "buy tea\ncall Ada")
	return h
}

func TestReadTakesExactlyOneForm(t *testing.T) {
	h := host(t)
	for input, says := range map[string]string{
		`{}`:                             "none of path, prefix and paths is there",
		`{"path":"todo.md","prefix":""}`: "give exactly one of them, not path and prefix",
		`{"path":"todo.md","prefix":"","paths":["a"]}`:      "not path and prefix and paths",
		`{"path":"todo.md","paths":["a"]}`:                  "not path and paths",
		`{"prefix":"","offset":1}`:                          "offset: it goes with path alone",
		`{"path":"todo.md","limit":1}`:                      "limit: it goes with prefix alone",
		`{"paths":["a"],"cursor":"x"}`:                      "cursor: it goes with prefix alone",
		`{"paths":[]}`:                                      "paths: there are 0; give 1 to 50",
		`{"paths":[` + strings.Repeat(`"a",`, 50) + `"a"]}`: "paths: there are 51; give 1 to 50",
	} {
		t.Run(says, func(t *testing.T) {
			e := h.Call("read_memory", json.RawMessage(input)).Fails(abi.CodeInvalidArg)
			if !strings.Contains(e.Message, says) || !strings.Contains(string(e.Details), `"field`) {
				t.Errorf("%s: got %q with details %s", input, e.Message, e.Details)
			}
		})
	}
}

func TestReadAFile(t *testing.T) {
	h := host(t)
	var out readOut
	h.Call("read_memory", map[string]any{"path": "/people/ada.md"}).Decode(&out)
	if f := out.File; f == nil || f.Path != "people/ada.md" || f.Content != "Ada likes tea.\nBorn in December." || f.Revision == 0 || f.Size != 32 {
		t.Errorf("got %+v", out.File)
	}
	h.Call("read_memory", map[string]any{"path": "people/eve.md"}).Fails(abi.CodeNotFound)
	t.Run("a long one comes in pieces", func(t *testing.T) {
		long := strings.Repeat("äöü\n", 30_000)
		h.Remember("long", long)
		whole, offset := "", int64(0)
		for range 10 {
			var out readOut
			h.Call("read_memory", map[string]any{"path": "long", "offset": offset}).Decode(&out)
			whole += out.File.Content
			if offset = out.File.NextOffset; offset == 0 {
				break
			}
		}
		if whole != long {
			t.Errorf("the pieces have %d bytes together, want %d", len(whole), len(long))
		}
	})
}

func TestReadAListing(t *testing.T) {
	h := host(t)
	var got []string
	in := map[string]any{"prefix": "", "limit": 2}
	for range 3 {
		var out readOut
		h.Call("read_memory", in).Decode(&out)
		for _, e := range out.Entries {
			got = append(got, fmt.Sprint(e.Path, " ", e.Size))
		}
		if in["cursor"] = out.NextCursor; out.NextCursor == "" {
			break
		}
	}
	if want := "[people/ada.md 32 people/bob.md 16 todo.md 16]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	var out readOut
	h.Call("read_memory", map[string]any{"prefix": "people/b"}).Decode(&out)
	if len(out.Entries) != 1 || out.Entries[0].Path != "people/bob.md" {
		t.Errorf("got %+v", out)
	}
}

func TestReadManyTellsOfEachFile(t *testing.T) {
	h := host(t)
	h.Remember("big", strings.Repeat("x", manyBytes))
	var out readOut
	h.Call("read_memory", map[string]any{"paths": []string{"todo.md", "none", "big", "people/bob.md"}}).Decode(&out)
	if len(out.Files) != 4 {
		t.Fatalf("got %+v", out)
	}
	for i, want := range []string{"", "NOT_FOUND", "LIMIT_EXCEEDED", ""} {
		f := out.Files[i]
		if (f.Error == nil) != (want == "") || f.Error != nil && f.Error.Code != want || (f.File == nil) != (want != "") {
			t.Errorf("%s: got %+v, want %q", f.Path, f.Error, want)
		}
	}
}

func TestWriteAppendDelete(t *testing.T) {
	h := host(t)
	var made, grown entryOut
	h.Call("write_memory", map[string]any{"path": "log.md", "content": "one", "if_revision": 0}).Decode(&made)
	h.Call("write_memory", map[string]any{"path": "log.md", "content": "x", "if_revision": 0}).Fails(abi.CodeConflict)
	h.Call("append_memory", map[string]any{"path": "log.md", "content": "two"}).Decode(&grown)
	if text, _ := h.Remembered("log.md"); text != "one\ntwo" || grown.Size != 7 || grown.Revision <= made.Revision {
		t.Errorf("got %q, %+v after %+v", text, grown, made)
	}
	e := h.Call("delete_memory", map[string]any{"path": "log.md", "if_revision": made.Revision}).Fails(abi.CodeConflict)
	if !strings.Contains(string(e.Details), fmt.Sprint(grown.Revision)) {
		t.Errorf("the conflict does not tell the revision: %s", e.Details)
	}
	var out deleteOut
	h.Call("delete_memory", map[string]any{"path": "log.md", "if_revision": grown.Revision}).Decode(&out)
	if _, there := h.Remembered("log.md"); there || out.Deleted != "log.md" {
		t.Errorf("still there: %t, %+v", there, out)
	}
	h.Call("delete_memory", map[string]any{"path": "log.md"}).Fails(abi.CodeNotFound)
	h.Call("append_memory", map[string]any{"path": "new.md", "content": "made"}).OK()
	if text, _ := h.Remembered("new.md"); text != "made" {
		t.Errorf("got %q", text)
	}
}

func TestSearchShowsLines(t *testing.T) {
	h := host(t)
	var out searchOut
	h.Call("search_memory", map[string]any{"query": "TEA ada"}).Decode(&out)
	if len(out.Hits) != 2 || out.Hits[1].Path != "todo.md" || fmt.Sprint(out.Hits[1].Lines) != "[{1 buy tea} {2 call Ada}]" {
		t.Errorf("got %+v", out)
	}
	h.Call("search_memory", map[string]any{"query": "tea", "limit": 1}).Decode(&out)
	if len(out.Hits) != 1 || !out.More {
		t.Errorf("got %+v", out)
	}
	if got := h.Call("search_memory", map[string]any{"query": "zebra"}).OK().Text; got != `{"hits":[]}` {
		t.Errorf("got %s", got)
	}
	h.Call("search_memory", map[string]any{"query": " "}).Fails(abi.CodeInvalidArg)
}

func TestWithoutTheRightNothingIsDone(t *testing.T) {
	h := host(t)
	h.Grants = &pdk.Rights{Memory: abi.MemoryRightRead}
	h.Call("read_memory", map[string]any{"path": "todo.md"}).OK()
	for tool, in := range map[string]any{"write_memory": writeIn{Path: "a"}, "append_memory": appendIn{Path: "a"}, "delete_memory": deleteIn{Path: "todo.md"}} {
		if e := h.Call(tool, in).Fails(abi.CodeForbidden); !strings.Contains(e.Hint, "memory: write") {
			t.Errorf("%s: the hint is %q", tool, e.Hint)
		}
	}
	h.Grants = &pdk.Rights{}
	h.Call("read_memory", map[string]any{"path": "todo.md"}).Fails(abi.CodeForbidden)
	h.Call("search_memory", map[string]any{"query": "tea"}).Fails(abi.CodeForbidden)
}
