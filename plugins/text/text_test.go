// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestManifest(t *testing.T) { pdktest.Manifest(t) }

func TestEveryToolOnlyReads(t *testing.T) {
	for _, tool := range pdktest.New(t).Manifest().Tools {
		if !tool.Annotations.ReadOnly || tool.Title == "" {
			t.Errorf("%s: read-only %v, title %q", tool.Name, tool.Annotations.ReadOnly, tool.Title)
		}
	}
}

func TestHash(t *testing.T) {
	h := pdktest.New(t)
	for _, tt := range []struct{ algorithm, encoding, want string }{
		{"", "", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
		{"sha1", "hex", "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"},
		{"md5", "hex", "5d41402abc4b2a76b9719d911017c592"},
		{"md5", "base64", "XUFAKrxLKna5cZ2REBfFkg=="},
		{"crc32", "hex", "3610a686"},
		{"sha512", "hex", "9b71d224bd62f3785d96d46ad3ea3d73319bfbc2890caadae2dff72519673ca72323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043"},
	} {
		t.Run(tt.algorithm+" "+tt.encoding, func(t *testing.T) {
			in := map[string]any{"text": "hello"}
			if tt.algorithm != "" {
				in["algorithm"], in["encoding"] = tt.algorithm, tt.encoding
			}
			var out hashOut
			h.Call("text_hash", in).Decode(&out)
			if out.Hash != tt.want || out.Bytes != 5 {
				t.Errorf("got %+v, want %s", out, tt.want)
			}
		})
	}
	h.Call("text_hash", map[string]any{"text": "x", "algorithm": "md4"}).Fails(abi.CodeInvalidArg)
}

func TestEncodeAndBack(t *testing.T) {
	h := pdktest.New(t)
	const text = "Grüße & <mehr>?"
	for format, want := range map[string]string{
		"base64":    "R3LDvMOfZSAmIDxtZWhyPj8=",
		"base64url": "R3LDvMOfZSAmIDxtZWhyPj8",
		"hex":       "4772c3bcc39f652026203c6d6568723e3f",
		"url":       "Gr%C3%BC%C3%9Fe+%26+%3Cmehr%3E%3F",
		"html":      "Grüße &amp; &lt;mehr&gt;?",
	} {
		t.Run(format, func(t *testing.T) {
			var out encodeOut
			h.Call("text_encode", encodeIn{Text: text, Format: format, Direction: "encode"}).Decode(&out)
			if out.Text != want {
				t.Errorf("got %q, want %q", out.Text, want)
			}
			h.Call("text_encode", encodeIn{Text: want, Format: format, Direction: "decode"}).Decode(&out)
			if out.Text != text {
				t.Errorf("got back %q, want %q", out.Text, text)
			}
		})
	}
}

func TestDecodeRefusesWhatIsNotText(t *testing.T) {
	h := pdktest.New(t)
	for format, text := range map[string]string{"base64": "!!", "base64url": "a b", "hex": "f", "url": "%zz"} {
		e := h.Call("text_encode", encodeIn{Text: text, Format: format, Direction: "decode"}).Fails(abi.CodeInvalidArg)
		if !strings.HasPrefix(e.Message, "text: it is not "+format) {
			t.Errorf("%s: got %q", format, e.Message)
		}
	}
	h.Call("text_encode", encodeIn{Text: "ff", Format: "hex", Direction: "decode"}).Fails(abi.CodeInvalidArg)
}

func TestDiff(t *testing.T) {
	h := pdktest.New(t)
	for name, tt := range map[string]struct{ before, after, want string }{
		"equal":         {"a\nb\n", "a\nb\n", ""},
		"one line":      {"a\nb\nc\n", "a\nx\nc\n", "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		"from nothing":  {"", "a\n", "@@ -0,0 +1 @@\n+a\n"},
		"to nothing":    {"a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		"a missing end": {"a", "a\n", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
		"two hunks": {"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\nX\n3\n4\n5\n6\n7\n8\n9\nY\n10\n",
			"@@ -1,5 +1,5 @@\n 1\n-2\n+X\n 3\n 4\n 5\n@@ -7,4 +7,5 @@\n 7\n 8\n 9\n+Y\n 10\n"},
		"hunks that touch": {"1\n2\n3\n4\n5\n", "X\n2\n3\n4\nY\n",
			"@@ -1,5 +1,5 @@\n-1\n+X\n 2\n 3\n 4\n-5\n+Y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			want := tt.want
			if want != "" {
				want = "--- before\n+++ after\n" + want
			}
			var out diffOut
			h.Call("text_diff", map[string]any{"before": tt.before, "after": tt.after}).Decode(&out)
			if out.Diff != want || out.Equal != (want == "") {
				t.Errorf("got %v\n%s\nwant\n%s", out.Equal, out.Diff, want)
			}
		})
	}
}

// TestDiffIsRightAndShortest compares random texts: the script leads from one to the other, and no
// shorter one does.
func TestDiffIsRightAndShortest(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		a, b := randomLines(rnd), randomLines(rnd)
		script := compare(a, b)
		checkScript(t, script, a, b)
		changes := 0
		for _, e := range script {
			if e.op != ' ' {
				changes++
			}
		}
		if want := len(a) + len(b) - 2*commonLength(a, b); changes != want {
			t.Fatalf("%q to %q takes %d changes, want %d", a, b, changes, want)
		}
	}
}

func TestDiffOfVeryDifferentTextsIsStillRight(t *testing.T) {
	var a, b []string
	for i := range 3 * maxDistance {
		a, b = append(a, fmt.Sprintf("a%d\n", i)), append(b, fmt.Sprintf("b%d\n", i))
	}
	b[maxDistance] = a[maxDistance]
	checkScript(t, compare(a, b), a, b)
}

func checkScript(t *testing.T, script []edit, a, b []string) {
	t.Helper()
	var from, to []string
	for _, e := range script {
		if e.op != '+' {
			from = append(from, e.line)
		}
		if e.op != '-' {
			to = append(to, e.line)
		}
	}
	if !slices.Equal(from, a) || !slices.Equal(to, b) {
		t.Fatalf("the script of %d lines does not lead from one text to the other", len(script))
	}
}

func randomLines(rnd *rand.Rand) []string {
	lines := make([]string, rnd.IntN(12))
	for i := range lines {
		lines[i] = string(rune('a'+rnd.IntN(4))) + "\n"
	}
	return lines
}

func commonLength(a, b []string) int {
	row := make([]int, len(b)+1)
	for i := range a {
		diagonal := 0
		for j := range b {
			keep := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(row[j+1], row[j])
			}
			diagonal = keep
		}
	}
	return row[len(b)]
}

const shop = `{"items":[{"name":"tea","price":4,"tags":["hot"]},{"name":"cake","price":12.5,"tags":["sweet","warm"]},{"name":"gift"}],
	"big":12345678901234567890,"a b":{"c":[[1,2],[3]]}}`

func TestSelect(t *testing.T) {
	h := pdktest.New(t)
	for path, want := range map[string]string{
		`.`:                                  `[` + strings.Join(strings.Fields(shop), "") + `]`,
		`.items[0].name`:                     `["tea"]`,
		`.items[-1].name`:                    `["gift"]`,
		`.items[9].name`:                     `[null]`,
		`.items[].name`:                      `["tea","cake","gift"]`,
		`.items[1:].name?`:                   `[]`,
		`.items[1:] | .[].name`:              `["cake","gift"]`,
		`.items[:1] | length`:                `[1]`,
		`.items[0].name[1:2]`:                `["e"]`,
		`.items[0] | keys`:                   `[["name","price","tags"]]`,
		`.["a b"].c | flatten`:               `[[1,2,3]]`,
		`."a b".c[][]`:                       `[1,2,3]`,
		`.big`:                               `[12345678901234567890]`,
		`.nothing.at.all`:                    `[null]`,
		`.items | length`:                    `[3]`,
		`.items | map(.price)`:               `[[4,12.5,null]]`,
		`.items | map(.tags[0])`:             `[["hot","sweet",null]]`,
		`.items[].tags[]?`:                   `["hot","sweet","warm"]`,
		`.items[] | type`:                    `["object","object","object"]`,
		`.items | first | .name`:             `["tea"]`,
		`.items | last.name`:                 `["gift"]`,
		`.items[0] | values`:                 `[["tea",4,["hot"]]]`,
		`.items|map(.name)|sort`:             `[["cake","gift","tea"]]`,
		`.items|map(.name)|reverse`:          `[["gift","cake","tea"]]`,
		`.items[]|select(.price==4)|.name`:   `["tea"]`,
		`.items[]|select(.price==4.0)|.name`: `["tea"]`,
		`.items[]|select(.price > 4)|.name`:  `["cake"]`,
		`.items[]|select(.price >= 4 and .name != "tea")|.name`:                      `["cake"]`,
		`.items[]|select(.price)|.name`:                                              `["tea","cake"]`,
		`.items[]|select(not .price)|.name`:                                          `["gift"]`,
		`.items[]|select(.tags contains "sweet" or .name=="gift")|.name`:             `["cake","gift"]`,
		`.items[]|select((.price < 5 or .price > 12) and .name contains "ea")|.name`: `["tea"]`,
		`.items[]|select(.tags | length > 1)|.name`:                                  `["cake"]`,
		`.items[]|select(.tags == ["hot"])|.name`:                                    `["tea"]`,
		`.items|map(select(.price))|length`:                                          `[2]`,
		`.items|map(.price)|map(not)`:                                                `[[false,false,true]]`,
	} {
		t.Run(path, func(t *testing.T) {
			var out struct{ Values json.RawMessage }
			h.Call("text_select", map[string]any{"json": json.RawMessage(shop), "path": path}).Decode(&out)
			if got := strings.Join(strings.Fields(string(out.Values)), ""); !sameJSON(got, strings.ReplaceAll(want, " ", "")) {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// sameJSON compares without the order of members, which the document's own may differ in.
func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

func TestSelectSaysWhatIsWrongWithAPath(t *testing.T) {
	h := pdktest.New(t)
	for path, says := range map[string]string{
		`items`:                    `"items" is no step; a member is .items`,
		`.items[`:                  "at character 8: it ends where a number, a name in quotes or ] should be",
		`.items[0`:                 "it ends where ] should be",
		`.items | `:                "it ends where a step such as .name should be",
		`.items]`:                  `']' is there where | or the end should be`,
		`.items | select(.)x`:      `'x' is there`,
		`select(. == )`:            "a JSON literal",
		`.a..b`:                    "a name or [",
		`.items.name`:              `a list has no member "name"`,
		`.big | keys`:              "a number has no keys",
		`.big[]`:                   "a number has no elements",
		`.items | map(.name[])`:    "a string has no elements",
		strings.Repeat("map(", 60): "nests deeper than 50",
		`.[99999999999999999999]`:  "not an index",
	} {
		e := h.Call("text_select", map[string]any{"json": json.RawMessage(shop), "path": path}).Fails(abi.CodeInvalidArg)
		if !strings.HasPrefix(e.Message, "path: ") || !strings.Contains(e.Message, says) {
			t.Errorf("%s: got %q, want %q", path, e.Message, says)
		}
	}
}

func TestSelectReadsJSONInAString(t *testing.T) {
	h := pdktest.New(t)
	var out selectOut
	h.Call("text_select", map[string]any{"json": " [1,2,3] ", "path": ".[]", "limit": 2}).Decode(&out)
	if fmt.Sprint(out.Values) != "[1 2]" || out.Count != 3 || !out.More {
		t.Errorf("got %+v", out)
	}
	h.Call("text_select", map[string]any{"json": "{", "path": "."}).Fails(abi.CodeInvalidArg)
}

func TestSelectStopsARunawayPath(t *testing.T) {
	doc, err := parseDocument(json.RawMessage("[" + strings.Repeat("[1,1],", 100) + "[]]"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{".[]", ".[][]?", "map(map(.))", "flatten", "map(select(.[0] == 1))"} {
		p, err := parsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.run(doc, &budget{left: 50}); !errors.Is(err, errTooMuch) {
			t.Errorf("%s: got %v, want %v", path, err, errTooMuch)
		}
		if _, err := p.run(doc, &budget{left: 5000}); err != nil {
			t.Errorf("%s: got %v", path, err)
		}
	}
}

// FuzzSelect holds the parser and the evaluator to their word: any path ends, with values or with
// an error that says something, and never a panic.
func FuzzSelect(f *testing.F) {
	for _, path := range []string{".", ".a[0]?", ".items[] | select(.price > 1 and not .x) | map(.)", `."a b"["c"][1:-1]`, "select((. == {}))", "keys[0]"} {
		f.Add(path, shop)
	}
	f.Fuzz(func(t *testing.T, path, doc string) {
		if !json.Valid([]byte(doc)) || len(path) > 4096 {
			return
		}
		v, err := parseDocument(json.RawMessage(strings.TrimSpace(doc)))
		if err != nil {
			return
		}
		p, err := parsePath(path)
		if err == nil {
			_, err = p.run(v, &budget{left: 100_000})
		}
		if err != nil && err.Error() == "" {
			t.Error("an error without words")
		}
	})
}
