// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

func decodeInto[T any](t *testing.T, input string) (T, error) {
	t.Helper()
	var v T
	s, err := newShape(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	err = s.decode([]byte(input), reflect.ValueOf(&v).Elem())
	return v, err
}

func TestDecodeFillsDefaults(t *testing.T) {
	v, err := decodeInto[everything](t, `{"id":"x","text":"hi"}`)
	if err != nil {
		t.Fatal(err)
	}
	if v.Colour != "red" || v.Count != 3 || !v.On || len(v.Tags) != 2 || v.Nested.Depth != 7 || v.Tree != nil || v.Maybe != nil {
		t.Errorf("got %+v", v)
	}
	v, err = decodeInto[everything](t, `{"id":"x","text":"hi","colour":"green","count":0,"on":false,"tags":["c"],"nested":{"must":"y","depth":0}}`)
	if err != nil {
		t.Fatal(err)
	}
	if v.Colour != "green" || v.Count != 0 || v.On || len(v.Tags) != 1 || v.Nested.Depth != 0 {
		t.Errorf("what is given is not kept: %+v", v)
	}
}

func TestDecodeTakesEveryKind(t *testing.T) {
	v, err := decodeInto[everything](t, ` { "id" : "x", "text":"h\u00e9\n", "count":1e0, "size":4.0, "ratio":0.5, "when":"2026-01-31T12:00:00Z",
		"data":"AQI=", "pair":[1,2], "labels":{"a":"b"}, "any":[{}], "raw":{"k":[1]}, "number":1.50, "maybe":7,
		"tree":{"value":1,"next":null,"children":[{"value":2,"next":{"value":3,"next":null}}],"by_name":{"x":{"value":4,"next":null}}}, "Untagged":"u" } `)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"x","text":"hé\n","colour":"red","count":1,"size":4,"ratio":0.5,"on":true,"when":"2026-01-31T12:00:00Z","data":"AQI=",` +
		`"tags":["a","b"],"pair":[1,2],"labels":{"a":"b"},"any":[{}],"raw":{"k":[1]},"number":1.50,"nested":{"depth":7,"must":""},` +
		`"tree":{"value":1,"children":[{"value":2,"next":{"value":3,"next":null}}],"next":null,"by_name":{"x":{"value":4,"next":null}}},"maybe":7,"Untagged":"u"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeNamesTheFieldAndTheMend(t *testing.T) {
	const ok = `"id":"x","text":"hi"`
	for input, want := range map[string]string{
		`{"text":"hi"}`:                                              "id: it is missing; give a string (From the embedded struct)",
		`{` + ok + `,"colr":"red"}`:                                  "colr: it is not a known field; did you mean colour?",
		`{` + ok + `,"zzzzzzzz":1}`:                                  "zzzzzzzz: it is not a known field; the fields are id, text, colour",
		`{` + ok + `,"TEXT":1}`:                                      "TEXT: it is not a known field; did you mean text?",
		`{"id":"x","text":5}`:                                        "text: it is a number; give a string",
		`{"id":"x","text":null}`:                                     "text: it is null; leave it out or give a string",
		`{"id":"x","text":""}`:                                       "text: it has 0 characters; give at least 1",
		`{"id":"x","text":"äöüäöü"}`:                                 "text: it has 6 characters; give at most 5",
		`{"id":"X","text":"hi"}`:                                     `id: "X" does not match ^[a-z]+$`,
		`{` + ok + `,"colour":"blue"}`:                               `colour: "blue" is not one of red, green`,
		`{` + ok + `,"count":11}`:                                    "count: 11 is too large; give 10 or less",
		`{` + ok + `,"count":-2}`:                                    "count: -2 is too small; give -1 or more",
		`{` + ok + `,"count":1.5}`:                                   "count: 1.5 is not a whole number of 8 bits",
		`{` + ok + `,"count":300}`:                                   "count: 300 is not a whole number of 8 bits",
		`{` + ok + `,"count":"3"}`:                                   "count: it is a string; give a whole number",
		`{` + ok + `,"size":3}`:                                      "size: 3 is not one of 1, 2, 4",
		`{` + ok + `,"size":-1}`:                                     "size: -1 is not a whole number of 64 bits, 0 or more",
		`{` + ok + `,"ratio":1e999}`:                                 "ratio: 1e999 is too large a number",
		`{` + ok + `,"on":"yes"}`:                                    "on: it is a string; give true or false",
		`{` + ok + `,"when":"today"}`:                                `when: "today" is not a time; write it like 2026-01-31T12:00:00Z`,
		`{` + ok + `,"data":"!"}`:                                    "data: it is not base64",
		`{` + ok + `,"tags":"a"}`:                                    "tags: it is a string; give a list",
		`{` + ok + `,"tags":["a","d"]}`:                              `tags[1]: "d" is not one of a, b, c`,
		`{` + ok + `,"tags":[]}`:                                     "tags: it has 0 elements; give at least 1",
		`{` + ok + `,"tags":["a","a","a","a"]}`:                      "tags: it has 4 elements; give at most 3",
		`{` + ok + `,"pair":[1]}`:                                    "pair: it has 1 elements; give 2",
		`{` + ok + `,"pair":[1,2,3]}`:                                "pair: it has more than 2 elements",
		`{` + ok + `,"labels":{"a":1}}`:                              "labels.a: it is a number; give a string",
		`{` + ok + `,"labels":[]}`:                                   "labels: it is a list; give an object",
		`{` + ok + `,"nested":{}}`:                                   "nested.must: it is missing; give a string",
		`{` + ok + `,"nested":{"must":"","dept":1}}`:                 "nested.dept: it is not a known field; did you mean depth?",
		`{` + ok + `,"tree":{"value":1,"children":[{"value":"x"}]}}`: "tree.children[0].value: it is a string; give a whole number",
		`[]`:  "the input is a list; send a JSON object of arguments",
		`"x"`: "the input is a string; send a JSON object of arguments",
		`{`:   "the input is not JSON: unexpected end of JSON input",
	} {
		t.Run(input, func(t *testing.T) {
			_, err := decodeInto[everything](t, input)
			if err == nil || !strings.HasPrefix(err.Error(), want) || CodeOf(err) != abi.CodeInvalidArg {
				t.Errorf("got %v (%s), want %s", err, CodeOf(err), want)
			}
		})
	}
}

func TestDecodeLeavesAFreeFormInputAlone(t *testing.T) {
	m, err := decodeInto[map[string]any](t, `{"a":[1,"x"],"b":null}`)
	if err != nil || len(m) != 2 {
		t.Errorf("got %v, %v", m, err)
	}
	raw, err := decodeInto[json.RawMessage](t, ` {"a": 1} `)
	if err != nil || string(raw) != `{"a": 1}` {
		t.Errorf("got %s, %v", raw, err)
	}
	if _, err := decodeInto[json.RawMessage](t, ""); err != nil {
		t.Errorf("no input is no object: %v", err)
	}
}

// FuzzDecode compares with encoding/json: what decode takes, json.Unmarshal takes to the same value.
func FuzzDecode(f *testing.F) {
	type plain struct {
		S string          `json:"s,omitempty"`
		I int32           `json:"i,omitempty"`
		F float64         `json:"f,omitempty"`
		B bool            `json:"b,omitempty"`
		L []string        `json:"l,omitempty"`
		M map[string]int  `json:"m,omitempty"`
		A any             `json:"a,omitempty"`
		P *plainChild     `json:"p,omitempty"`
		R json.RawMessage `json:"r,omitempty"`
		D []byte          `json:"d,omitempty"`
		N []plainChild    `json:"n,omitempty"`
	}
	for _, s := range []string{`{}`, `{"s":"\u00e9\ud800","i":1,"f":-1.5e3,"b":true,"l":["a",""],"m":{"k":1}}`,
		`{"a":{"x":[1,{"y":null}]},"p":{"x":"\"}"},"r":[1, 2],"d":"AQI=","n":[{"x":"1"},{}]}`, `{"s":"a","s":"b"}`, "{\"s\":\"\xff\"}", ` { "l" : null } `} {
		f.Add([]byte(s))
	}
	shape, err := newShape(reflect.TypeFor[plain]())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, want plain
		if err := shape.decode(data, reflect.ValueOf(&got).Elem()); err != nil {
			if CodeOf(err) != abi.CodeInvalidArg {
				t.Fatalf("got %v", err)
			}
			return
		}
		if len(strings.TrimSpace(string(data))) == 0 {
			return
		}
		if repeats(data) {
			return // encoding/json merges members that come twice
		}
		if err := json.Unmarshal(data, &want); err != nil {
			if !strings.Contains(err.Error(), "number") { // 1.0 is a whole number here
				t.Fatalf("decode takes %q, encoding/json says %v", data, err)
			}
			return
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if string(a) != string(b) {
			t.Fatalf("%q\n got %s\nwant %s", data, a, b)
		}
	})
}

type plainChild struct {
	X string `json:"x,omitempty"`
}

// repeats tells whether an object of data has a member twice.
func repeats(data []byte) bool {
	d := json.NewDecoder(strings.NewReader(string(data)))
	var objects []map[string]bool
	var isKey []bool
	for {
		tok, err := d.Token()
		if err != nil {
			return false
		}
		n := len(objects)
		switch tok := tok.(type) {
		case json.Delim:
			switch tok {
			case '{':
				objects, isKey = append(objects, map[string]bool{}), append(isKey, true)
				continue
			case '[':
				objects, isKey = append(objects, nil), append(isKey, false)
				continue
			}
			objects, isKey = objects[:n-1], isKey[:n-1]
			n--
		case string:
			if n > 0 && isKey[n-1] {
				if objects[n-1][tok] {
					return true
				}
				objects[n-1][tok], isKey[n-1] = true, false
				continue
			}
		}
		if n > 0 && objects[n-1] != nil {
			isKey[n-1] = true
		}
	}
}
