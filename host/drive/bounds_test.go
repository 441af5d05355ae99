// Copyright 2026 The Gantry Authors.

package drive_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestBoundsAreNamed(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "a", "text")
	search := func(in abi.DriveSearch) error { _, err := s.Search(t.Context(), acme, in); return err }
	keep := func(p drive.Put) error { _, err := s.Put(t.Context(), acme, p); return err }
	list := func(in abi.DriveList) error { _, err := s.List(t.Context(), acme, in); return err }
	read := func(in abi.DriveRead) error { _, err := s.Read(t.Context(), acme, in); return err }
	for says, c := range map[string]struct {
		err  error
		code abi.Code
	}{
		"query has 513 bytes":      {search(abi.DriveSearch{Query: strings.Repeat("x", 513)}), abi.CodeInvalidArg},
		"query has more than 32":   {search(abi.DriveSearch{Query: strings.Repeat("x ", 33)}), abi.CodeInvalidArg},
		"query has no words":       {search(abi.DriveSearch{Query: ` "" - * `}), abi.CodeInvalidArg},
		"must not be there":        {search(abi.DriveSearch{Query: "-x"}), abi.CodeInvalidArg},
		"query is not UTF-8":       {search(abi.DriveSearch{Query: "\xff"}), abi.CodeInvalidArg},
		"limit is 51":              {search(abi.DriveSearch{Query: "x", Limit: 51}), abi.CodeInvalidArg},
		"cursor is not":            {search(abi.DriveSearch{Query: "x", Cursor: "?"}), abi.CodeInvalidArg},
		"tags has 9":               {search(abi.DriveSearch{Query: "x", Tags: strings.Split("abcdefghi", "")}), abi.CodeInvalidArg},
		"under":                    {search(abi.DriveSearch{Query: "x", Under: "../x"}), abi.CodeInvalidArg},
		"path is empty":            {keep(drive.Put{Path: "/"[:0]}), abi.CodeInvalidArg},
		"has .. in it":             {keep(drive.Put{Path: "a/../b"}), abi.CodeInvalidArg},
		"ends with a slash":        {keep(drive.Put{Path: "a/"}), abi.CodeInvalidArg},
		"control characters":       {keep(drive.Put{Path: "a\nb"}), abi.CodeInvalidArg},
		"path has 513 bytes":       {keep(drive.Put{Path: strings.Repeat("x", 513)}), abi.CodeInvalidArg},
		"path has 33 parts":        {keep(drive.Put{Path: strings.Repeat("x/", 32) + "x"}), abi.CodeInvalidArg},
		"title has 513":            {keep(drive.Put{Path: "b", Title: strings.Repeat("x", 513)}), abi.CodeInvalidArg},
		"tags[1] is empty":         {keep(drive.Put{Path: "b", Tags: []string{"x", " "}}), abi.CodeInvalidArg},
		"tags[0] has 65":           {keep(drive.Put{Path: "b", Tags: []string{strings.Repeat("x", 65)}}), abi.CodeInvalidArg},
		"holds a comma":            {keep(drive.Put{Path: "b", Tags: []string{"x,y"}}), abi.CodeInvalidArg},
		"image/png is not text":    {keep(drive.Put{Path: "b", MediaType: "image/png"}), abi.CodeInvalidArg},
		`charset "latin1"`:         {keep(drive.Put{Path: "b", MediaType: "text/plain; charset=latin1"}), abi.CodeInvalidArg},
		"is not UTF-8 text":        {keep(drive.Put{Path: "b", Body: []byte("a\x00")}), abi.CodeInvalidArg},
		"document has 4194305":     {keep(drive.Put{Path: "b", Body: make([]byte, drive.MaxTextBytes+1)}), abi.CodeLimit},
		"limit is 1001":            {list(abi.DriveList{Limit: 1001}), abi.CodeInvalidArg},
		"not one of this listing":  {list(abi.DriveList{Prefix: "b", Cursor: "YWE"}), abi.CodeInvalidArg},
		"not one that was given":   {list(abi.DriveList{Cursor: "?"}), abi.CodeInvalidArg},
		"limit is -1":              {read(abi.DriveRead{Path: "a", Limit: -1}), abi.CodeInvalidArg},
		"offset is 5; the":         {read(abi.DriveRead{Path: "a", Offset: 5}), abi.CodeInvalidArg},
		`there is no document "b"`: {read(abi.DriveRead{Path: "b"}), abi.CodeNotFound},
	} {
		t.Run(says, func(t *testing.T) {
			storetest.WantCode(t, c.err, c.code)
			if !strings.Contains(c.err.Error(), says) {
				t.Errorf("%q does not say %q", c.err, says)
			}
		})
	}
}

// TestOneWordOverAndOver holds against what took the library's own phrases hours and 700 MB.
func TestOneWordOverAndOver(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "same.txt", strings.Repeat("a ", 1<<20)+"end")
	put(t, s, acme, "two.txt", strings.Repeat("b c ", 1<<18)+"end")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for query, want := range map[string]int{`"a a a a a a"`: 1, `"b c b c b c"`: 1, `"c c"`: 0, `"b b b"`: 0, "a": 1} {
		hits, err := s.Search(ctx, acme, abi.DriveSearch{Query: query})
		if err != nil || len(hits.Hits) != want {
			t.Errorf("%s finds %d, want %d, %v", query, len(hits.Hits), want, err)
		}
	}
}

func TestListingsComeInPages(t *testing.T) {
	s := open(t, drive.Config{})
	for _, p := range []string{"a", "a/b", "a/c", "ab", "b/a"} {
		put(t, s, acme, p, "")
	}
	for prefix, want := range map[string]string{"": "a a/b a/c ab b/a", "a": "a a/b a/c ab", "a/": "a/b a/c", "/a/": "a/b a/c", "x": "", "b/a": "b/a"} {
		var got []string
		for in := (abi.DriveList{Prefix: prefix, Limit: 2}); ; {
			page, err := s.List(t.Context(), acme, in)
			if err != nil || len(page.Documents) > 2 {
				t.Fatalf("got %+v, %v", page, err)
			}
			for _, d := range page.Documents {
				got = append(got, d.Path)
			}
			if in.Cursor = page.Next; in.Cursor == "" {
				break
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("below %q: got %q, want %q", prefix, got, want)
		}
	}
}

func guest(drive string, scopes ...host.Scope) *host.CallInfo {
	return &host.CallInfo{Plugin: "p", Granted: &abi.Rights{Drive: drive}, Principal: &host.Principal{Tenant: acme, Scopes: scopes}}
}

func TestGuestsNeedTheRightAndTheScope(t *testing.T) {
	s := open(t, drive.Config{})
	put(t, s, acme, "a", "word")
	reqs := map[string]any{
		abi.OpDriveSearch: abi.DriveSearch{Query: "word"}, abi.OpDriveRead: abi.DriveRead{Path: "a"}, abi.OpDriveList: abi.DriveList{},
	}
	for op, in := range reqs {
		req, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out, err := s.Ops()[op](t.Context(), guest("read", host.ScopeReadData), req)
		if err != nil || !strings.Contains(string(out), `"path":"a"`) {
			t.Errorf("%s: got %s, %v", op, out, err)
		}
		_, err = s.Ops()[op](t.Context(), guest("", host.ScopeReadData), req)
		storetest.WantCode(t, err, abi.CodeForbidden)
		if hint := host.Outward(err).Hint; !strings.Contains(hint, "p.yaml: grants: {drive: read}") {
			t.Errorf("the hint is %q", hint)
		}
		_, err = s.Ops()[op](t.Context(), guest("read", host.ScopeReadTools, host.ScopeWriteTools), req)
		storetest.WantCode(t, err, abi.CodeForbidden)
		_, err = s.Ops()[op](t.Context(), guest("read", host.ScopeReadData), []byte("["))
		storetest.WantCode(t, err, abi.CodeInvalidArg)
	}
}

func FuzzSearch(f *testing.F) {
	s := open(f, drive.Config{})
	library(f, s)
	for _, seed := range []string{"cat", `"black cat" -dog`, `- "`, `+a OR -"b c`, "a*", "ёлка", "\u0301", "-", `""""`, "a-b_c.d@e"} {
		f.Add(seed, "", "")
	}
	f.Add("cat", "policies", "eyJmIjo1LCJxIjoxfQ")
	f.Fuzz(func(t *testing.T, query, under, cursor string) {
		hits, err := s.Search(context.Background(), acme, abi.DriveSearch{Query: query, Under: under, Cursor: cursor})
		if code := host.CodeOf(err); err != nil && code != abi.CodeInvalidArg {
			t.Fatalf("%q: %v", query, err)
		}
		for _, h := range hits.Hits {
			for _, sn := range h.Snippets {
				if !utf8.ValidString(sn.Text) || sn.Offset > h.Size {
					t.Fatalf("%q: %+v", query, h)
				}
			}
		}
	})
}

// FuzzDocuments keeps anything as a page and as a text, and reads it back.
func FuzzDocuments(f *testing.F) {
	s := open(f, drive.Config{})
	for _, seed := range []string{"plain", "<p>a<b>c</b>", "<table><tr><td>1<td>2</table>", "<script>x", "<pre> a\n b</pre>", "<title>t", "\u0301e", "# h\n"} {
		f.Add("a/b.html", seed)
		f.Add("x.md", seed)
	}
	f.Fuzz(func(t *testing.T, path, text string) {
		doc, err := s.Put(context.Background(), acme, drive.Put{Path: path, Body: []byte(text)})
		if err != nil {
			if host.CodeOf(err) != abi.CodeInvalidArg && host.CodeOf(err) != abi.CodeLimit {
				t.Fatal(err)
			}
			return
		}
		if again, err := drive.CleanPath(doc.Path); err != nil || again != doc.Path {
			t.Fatalf("%q was kept as %q, which is cleaned to %q, %v", path, doc.Path, again, err)
		}
		_, src, err := s.Source(context.Background(), acme, doc.Path)
		if err != nil || string(src) != text {
			t.Fatalf("%q came back as %q, %v", text, src, err)
		}
		got, err := s.Read(context.Background(), acme, abi.DriveRead{Path: doc.Path, Limit: drive.MaxReadBytes})
		if err != nil || !utf8.ValidString(got.Text) {
			t.Fatalf("read %q, %v", got.Text, err)
		}
	})
}
