// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

type plainBody struct {
	Tool  string          `json:"tool"`
	Input json.RawMessage `json:"input"`
	Other json.RawMessage `json:"other"`
	ID    string          `json:"id"`
}

// FuzzPlainBody holds the short way for bodies of texts and raw values against encoding/json: what is
// taken has to be the same.
func FuzzPlainBody(f *testing.F) {
	for _, body := range []string{
		`{"tool":"echo","input":{"text":"hello, \"world\"","n":[1,{"a":":,"}]},"id":"x"}`,
		" {\n\"tool\" :\t\"\\u0065cho\\n\" , \"input\" : [ 1 , 2 ] }\n", `{}`, `{"input":null,"tool":null}`,
		`{"tool":"\ud800","other":"text","input":1.5e3}`, `{"tool":1}`, `{"TOOL":"a"}`, `{"id":"a","id":"b"}`,
	} {
		f.Add([]byte(body))
	}
	known := &shapes{}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got, want plainBody
		if decodeJSON(known, bytes.Clone(body), &got) != nil {
			return
		}
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatalf("%q is taken; encoding/json says %v", body, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q is read as %+v, want %+v", body, got, want)
		}
	})
}

func TestAStructsNamesAreLookedUpOnce(t *testing.T) {
	known := &shapes{}
	var a, b plainBody
	if err := decodeJSON(known, []byte(`{"tool":"a"}`), &a); err != nil {
		t.Fatal(err)
	}
	if err := decodeJSON(known, []byte(`{"tool":"b","input":{}}`), &b); err != nil {
		t.Fatal(err)
	}
	if a.Tool != "a" || b.Tool != "b" || string(b.Input) != "{}" {
		t.Errorf("got %+v and %+v", a, b)
	}
	err := decodeJSON(known, []byte(`{"Tool":"a"}`), &a)
	if want := "web.DecodeJSON: Tool: is not a field of this request; it takes tool, input, other, id"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
