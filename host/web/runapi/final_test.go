// Copyright 2026 The Gantry Authors.

package runapi

import (
	"encoding/json"
	"testing"
)

// FuzzFinalLine holds the line that is written by hand against encoding/json's, byte by byte.
func FuzzFinalLine(f *testing.F) {
	f.Add("hello, world", `{"text":"hello, world"}`)
	f.Add(`say "yes" \ <no>`, `{"a": 1}`)
	f.Add("", `"a\"b\\"`)
	f.Add("é\n\u2028", "[1,\t2,\"<\u2028\"]")
	f.Add("x", "")
	f.Fuzz(func(t *testing.T, text, structured string) {
		if structured != "" && !json.Valid([]byte(structured)) {
			return // the pipeline hands out none
		}
		d := finalData{Type: "final", Text: text, Structured: json.RawMessage(structured)}
		got, err := d.line()
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}
