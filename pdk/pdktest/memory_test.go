// Copyright 2026 The Gantry Authors.

package pdktest_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

// remember does everything that Memory can do, and tells what it saw.
func remember(ctx *pdk.Context, in struct {
	Text string `json:"text,omitempty"`
}) (string, error) {
	m, zero := ctx.Memory(), uint64(0)
	if in.Text == "bad" {
		in.Text = "\xff" // JSON cannot carry it
	}
	if _, err := m.WriteWith(abi.MemoryWrite{Path: "/a//b", Content: in.Text, IfRevision: &zero}); err != nil {
		return "", err
	}
	if _, err := m.Write("c", "see"); err != nil {
		return "", err
	}
	info, err := m.Append(abi.MemoryAppend{Path: "a/b", Content: "more", NewLine: true})
	if err != nil {
		return "", err
	}
	piece, err := m.ReadPiece(abi.MemoryRead{Path: "a/b", Offset: 1, Limit: 4})
	if err != nil {
		return "", err
	}
	many, err := m.ReadMany(abi.MemoryReadMany{Paths: []string{"c", "none"}})
	if err != nil {
		return "", err
	}
	hits, err := m.Search(abi.MemorySearch{Query: "MORE"})
	if err != nil {
		return "", err
	}
	var all []string
	for f, err := range m.Files("") {
		if err != nil {
			return "", err
		}
		all = append(all, f.Path)
	}
	old := info.Revision - 1
	if err := m.Delete(abi.MemoryDelete{Path: "a/b", IfRevision: &old}); pdk.CodeOf(err) != abi.CodeConflict {
		return "", fmt.Errorf("an old revision was deleted: %w", err)
	}
	if err := m.Delete(abi.MemoryDelete{Path: "a/b", IfRevision: &info.Revision}); err != nil {
		return "", err
	}
	_, err = m.Read("a/b")
	return fmt.Sprint(piece.Content, " ", piece.Next, " ", many[0].File.Content, " ", many[1].Error.Code, " ", hits.Hits[0].Lines, " ",
		all, " ", pdk.CodeOf(err)), nil
}

func TestMemory(t *testing.T) {
	h := pdktest.New(t)
	if got, want := h.Call("memory", map[string]string{"text": "text"}).OK().Text, "ext\n 5 see NOT_FOUND [{2 more}] [a/b c] NOT_FOUND"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if text, ok := h.Remembered("c"); !ok || text != "see" {
		t.Errorf("got %q, %t", text, ok)
	}
	h.Remember("a/b", "there")
	if e := h.Call("memory", nil).Fails(abi.CodeConflict); !strings.Contains(string(e.Details), `"revision"`) {
		t.Errorf("the details are %s", e.Details)
	}
	t.Run("what is not text is refused before it is mended", func(t *testing.T) {
		h := pdktest.New(t)
		if e := h.Call("memory", map[string]string{"text": "bad"}).Fails(abi.CodeInvalidArg); !strings.Contains(e.Message, "UTF-8") {
			t.Errorf("got %q", e.Message)
		}
	})
	t.Run("rights are held", func(t *testing.T) {
		for right, hint := range map[string]string{"": "memory: read", "read": "memory: write"} {
			h := pdktest.New(t)
			h.Grants = &pdk.Rights{Memory: right}
			if e := h.Call("memory", nil).Fails(abi.CodeForbidden); !strings.Contains(e.Hint, hint) {
				t.Errorf("with %q the hint is %q", right, e.Hint)
			}
		}
	})
}
