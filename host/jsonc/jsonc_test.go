// Copyright 2026 The Gantry Authors.

package jsonc

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestSetKeepsEveryOtherByte(t *testing.T) {
	entry := map[string]string{"url": "http://x/mcp?a&b"}
	path := []string{"servers", "new"}
	for _, c := range []struct{ name, doc, want string }{
		{"an empty file", "", "{\n  \"servers\": {\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}\n"},
		{"a file of a comment", "// mine\n", "// mine\n{\n  \"servers\": {\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}\n"},
		{"an empty object", "{}", "{\n  \"servers\": {\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}"},
		{"an object in one line", `{"a":1}`, "{\"a\":1,\n  \"servers\": {\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}"},
		{"other members, tabs", "{\n\t\"z\": 1,\n\t\"servers\": {\n\t\t\"old\": {}\n\t}\n}\n",
			"{\n\t\"z\": 1,\n\t\"servers\": {\n\t\t\"old\": {},\n\t\t\"new\": {\n\t\t\t\"url\": \"http://x/mcp?a&b\"\n\t\t}\n\t}\n}\n"},
		{"comments and a comma at the end", "{\n  // which\n  \"servers\": {\n    \"old\": 1, // keep\n    /* and this */\n  }, // end\n}\n",
			"{\n  // which\n  \"servers\": {\n    \"old\": 1, // keep\n    /* and this */\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }, // end\n}\n"},
		{"a comment behind the last", "{\n  \"servers\": {\n    \"old\": 1 // keep }\n  }\n}",
			"{\n  \"servers\": {\n    \"old\": 1, // keep }\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}"},
		{"what was there under the name", "{\"servers\": {\"new\": {\"url\": 1}, \"b\": [1,2]}}", "{\"servers\": {\"new\": {\n  \"url\": \"http://x/mcp?a&b\"\n}, \"b\": [1,2]}}"},
		{"lines of Windows", "{\r\n  \"servers\": {}\r\n}\r\n", "{\r\n  \"servers\": {\r\n    \"new\": {\r\n      \"url\": \"http://x/mcp?a&b\"\r\n    }\r\n  }\r\n}\r\n"},
		{"a byte order mark", "\ufeff{}", "\ufeff{\n  \"servers\": {\n    \"new\": {\n      \"url\": \"http://x/mcp?a&b\"\n    }\n  }\n}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Set([]byte(c.doc), path, entry)
			if err != nil || string(got) != c.want {
				t.Fatalf("got %v\n%q\nwant\n%q", err, got, c.want)
			}
			var back map[string]string
			if ok, err := Get(got, path, &back); !ok || err != nil || !reflect.DeepEqual(back, entry) {
				t.Errorf("read back: got %v %v %v", back, ok, err)
			}
			again, err := Set(got, path, entry)
			if err != nil || string(again) != string(got) {
				t.Errorf("a second time: got %v\n%s", err, again)
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, c := range []struct{ name, doc, want string }{
		{"makes the list", `{}`, "{\n  \"inputs\": [\n    7\n  ]\n}"},
		{"adds to one", "{\n  \"inputs\": [\n    {\"id\": 1} // one\n  ]\n}", "{\n  \"inputs\": [\n    {\"id\": 1}, // one\n    7\n  ]\n}"},
		{"adds to an empty one", `{"inputs": []}`, "{\"inputs\": [\n  7\n]}"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, err := Append([]byte(c.doc), []string{"inputs"}, 7); err != nil || string(got) != c.want {
				t.Errorf("got %v\n%s", err, got)
			}
		})
	}
	if _, err := Append([]byte(`{"inputs": {}}`), []string{"inputs"}, 7); host.CodeOf(err) != abi.CodeConflict {
		t.Errorf("an object: got %v", err)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name, doc, words string
		code             abi.Code
	}{
		{"a list on the way", `{"servers": []}`, `"servers" is not an object`, abi.CodeConflict},
		{"a list for a file", `[]`, "the file is not an object", abi.CodeConflict},
		{"a name twice", `{"servers": {}, "servers": {}}`, `"servers" is there twice`, abi.CodeInvalidArg},
		{"a file that is cut", "{\n\"a\": 1,\n", "line 3: a name in double quotes", abi.CodeInvalidArg},
		{"a text that does not end", "{\n\"a\": \"x\n}", "line 2: a text", abi.CodeInvalidArg},
		{"a comma that is missing", "{\"a\": 1\n \"b\": 2}", "line 2: a comma or }", abi.CodeInvalidArg},
		{"a comment that does not end", "{} /* ", "a comment", abi.CodeInvalidArg},
		{"two values", "{}{}", "something follows", abi.CodeInvalidArg},
		{"a word that is none", "{\"a\": yes}", "a value is missing", abi.CodeInvalidArg},
		{"too deep", strings.Repeat("[", 1000), "deeper than 128", abi.CodeInvalidArg},
		{"too long", strings.Repeat(" ", MaxBytes+1), "at most", abi.CodeLimit},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Set([]byte(c.doc), []string{"servers", "x"}, 1)
			if got != nil || host.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %q %v", got, err)
			}
		})
	}
}

func TestRedactHidesValuesAndCommentsAndKeepsNames(t *testing.T) {
	for doc, want := range map[string]string{
		"{\"a\": \"s1\", /* s2 */ \"b\": [\"s3\", 3]} // s4\n": "{\"a\": \"…\", /* … */ \"b\": [\"…\", 3]} // …\n",
		"// s1": "// …",
		"":      "",
	} {
		if got, err := Redact([]byte(doc), func(string) string { return "…" }); err != nil || string(got) != want {
			t.Errorf("%q: got %q %v", doc, got, err)
		}
	}
}

// FuzzSet: what is taken has the new member afterwards and all the others it had, and what JSON's own
// decoder takes is taken.
func FuzzSet(f *testing.F) {
	for _, s := range []string{"", "{}", `{"servers":{"a":[1,"x",{}]},"b":null}`, "{ // c\n\"servers\": {\"a\":1,},}", "[", `{"a":"\ud800"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		got, err := Set(doc, []string{"servers", "new"}, 1)
		if err != nil {
			return
		}
		var n int
		if ok, err := Get(got, []string{"servers", "new"}, &n); !ok || err != nil || n != 1 {
			t.Fatalf("%q became %q: %v %v", doc, got, ok, err)
		}
		before, after := map[string]any{}, map[string]any{}
		if _, err := Get(doc, nil, &before); err != nil {
			return // not an object, or numbers that do not fit
		}
		if _, err := Get(got, nil, &after); err != nil {
			t.Fatalf("%q became %q: %v", doc, got, err)
		}
		for _, m := range []map[string]any{before, after} {
			if servers, ok := m["servers"].(map[string]any); ok {
				delete(servers, "new")
			}
			if len(m) > 0 && reflect.DeepEqual(m["servers"], map[string]any{}) {
				delete(m, "servers")
			}
		}
		if !reflect.DeepEqual(before, after) {
			t.Fatalf("%q became %q", doc, got)
		}
		if json.Valid(doc) != json.Valid(got) && json.Valid(doc) {
			t.Fatalf("%q was JSON and became %q", doc, got)
		}
	})
}
