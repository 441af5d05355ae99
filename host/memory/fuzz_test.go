// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store/badgerstore"
)

func FuzzPath(f *testing.F) {
	for _, seed := range []string{"", "/", "a/b", "//a//", "./a/..", "e\u0301/\u212b", "a\\b", "\x00", "a/.", ".../x", "\u0344", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		p, err := cleanPath("op", path)
		if err != nil {
			if host.CodeOf(err) != abi.CodeInvalidArg || !strings.HasPrefix(host.Outward(err).Message, "path: ") || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: %v", path, err)
			}
			return
		}
		if p == "" || len(p) > MaxPathBytes || !norm.NFC.IsNormalString(p) || strings.ContainsFunc(p, unicode.IsControl) {
			t.Fatalf("%q became %q", path, p)
		}
		for part := range strings.SplitSeq(p, "/") {
			if part == "" || part == "." || part == ".." {
				t.Fatalf("%q became %q", path, p)
			}
		}
		if again, err := cleanPath("op", p); err != nil || again != p {
			t.Fatalf("%q became %q, and that %q, %v", path, p, again, err)
		}
		if prefix, err := clean("op", "prefix", path); err != nil || prefix != p {
			t.Fatalf("%q is the prefix %q, %v", path, prefix, err)
		}
	})
}

func FuzzOps(f *testing.F) {
	st, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { st.Close() })
	s, err := New(Config{Store: st, QuotaBytes: 1 << 16, MaxFiles: 20})
	if err != nil {
		f.Fatal(err)
	}
	call := &host.CallInfo{Plugin: "p", Granted: &abi.Rights{Memory: abi.MemoryRightWrite},
		Principal: &host.Principal{Tenant: "acme", User: "ann", Scopes: host.AllScopes()}}
	for _, seed := range []string{`{}`, `{"path":"a","content":"x","if_revision":0,"limit":7}`, `{"paths":["a","",".."],"query":"x ß"}`,
		`{"prefix":"a/","cursor":"YQ","limit":3,"query":"a"}`, `[`, `{"path":"\u0000"}`, `{"query":"\u0130"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, req string) {
		for name, op := range s.Ops() {
			if _, err := op(context.Background(), call, []byte(req)); host.CodeOf(err) == abi.CodeInternal {
				t.Fatalf("%s %q: %v", name, req, err)
			}
		}
	})
}

// FuzzSearch holds what is shown of a file against the file: lines are there under their numbers, and
// a search for a file's own word finds it.
func FuzzSearch(f *testing.F) {
	f.Add("one\ntwo", "TWO")
	f.Add("Ёлка в Лесу Џ Ѐ ѐ Ѡ ѡ \u0481Ҁ Ά ς Dž", "ЛЕСУ")
	f.Add("Große\r\n\nStraße", "STRASSE")
	f.Add("e\u0301\u0345 \u0130 ffi", "é")
	f.Add(strings.Repeat("ß", 300)+"x", "ssx")
	f.Fuzz(func(t *testing.T, text, word string) {
		q, err := parseQuery("op", abi.MemorySearch{Query: word})
		if err != nil || !utf8.ValidString(text) {
			return
		}
		if got, want := q.foldText(text), q.fold.String(text); got != want {
			t.Fatalf("%q is folded to %q, want %q", text, got, want)
		}
		class, found := q.match("p", text)
		if strings.Contains(text, word) && utf8.ValidString(word) && !strings.ContainsFunc(word, unicode.IsSpace) && norm.NFC.IsNormalString(text) && class < 0 {
			t.Fatalf("%q was not found in %q", word, text)
		}
		shown := strings.Split(norm.NFC.String(text), "\n")
		_, lines := found.best()
		for i, l := range lines {
			if l.Line < 1 || l.Line > len(shown) || i > 0 && lines[i-1].Line >= l.Line {
				t.Fatalf("line %d of %q", l.Line, text)
			}
			piece := strings.TrimSuffix(strings.TrimPrefix(l.Text, "…"), "…")
			if !strings.Contains(shown[l.Line-1], piece) || len(piece) > lineBytes || !utf8.ValidString(piece) {
				t.Fatalf("%q is not of line %d of %q", l.Text, l.Line, text)
			}
		}
	})
}
