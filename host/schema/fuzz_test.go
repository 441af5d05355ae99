// Copyright 2026 The Gantry Authors.

package schema

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/jsonschema-go/jsonschema"
)

// FuzzCheckAgainstLibrary holds the compiled checker against the library: what one takes, the other
// has to take.
func FuzzCheckAgainstLibrary(f *testing.F) {
	for _, c := range [][2]string{
		{`{"type":"object","properties":{"a":{"type":"string","minLength":2},"n":{"type":"integer","minimum":1}},"required":["a"],"additionalProperties":false}`, `{"a":"xy","n":2}`},
		{`{"anyOf":[{"type":"string"},{"type":"array","items":{"enum":[1,"a",null,[1]]}}]}`, `[1,"a",null,[1.0]]`},
		{`{"oneOf":[{"multipleOf":2},{"multipleOf":3}],"not":{"const":8}}`, `6`},
		{`{"prefixItems":[{"type":"string"}],"items":{"type":"null"},"maxItems":2}`, `["a",null]`},
		{`{"patternProperties":{"^x":{"type":"number"}},"additionalProperties":{"type":"boolean"},"propertyNames":{"maxLength":2},"minProperties":1}`, `{"x1":1e2,"b":true}`},
		{`{"if":{"required":["a"]},"then":{"required":["b"]},"else":{"maxProperties":0}}`, `{"a":1,"b":2}`},
		{`{"$ref":"#/$defs/n","$defs":{"n":{"properties":{"c":{"$ref":"#/$defs/n"},"v":{"type":["integer","null"]}}}}}`, `{"c":{"v":null}}`},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","items":[{"type":"string"}],"additionalItems":false}`, `["a",1]`},
		{`{"type":"array","uniqueItems":true,"contains":{"const":1}}`, `[1,2]`},
		{`{"unevaluatedProperties":false,"allOf":[{"properties":{"a":true}}]}`, `{"a":1,"b":2}`},
		{`{"dependentRequired":{"a":["b"]},"not":{"required":["c"]},"oneOf":[{"uniqueItems":true},{"minItems":3}]}`, `{"a":1}`},
		{`{"properties":{"A":false},"enum":[{"B":"é"},{}]}`, `{"A":1}`},
		{`{"exclusiveMinimum":0.1,"exclusiveMaximum":1e3,"maximum":5}`, `5.0`},
		{`{"type":"string","pattern":"^a+$","maxLength":3}`, `"aä"`},
	} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, text, instance string) {
		if text == "" || len(text) > 2000 || len(instance) > 2000 {
			return
		}
		s, err := Compile(json.RawMessage(text))
		if err != nil {
			return
		}
		got := s.Check([]byte(instance))
		var v any
		if json.Unmarshal([]byte(instance), &v) != nil {
			if got == nil {
				t.Fatalf("%q was taken, though it is not JSON", instance)
			}
			return
		}
		if got != nil && (strings.Contains(got.Error(), "not usable JSON") || strings.Contains(got.Error(), "steps")) {
			return
		}
		// A recursive schema may branch more often than the library could follow.
		if strings.Contains(text, "$ref") && strings.Contains(text, "Of") {
			return
		}
		var js jsonschema.Schema
		if err := json.Unmarshal([]byte(text), &js); err != nil {
			t.Fatal(err)
		}
		js.Schema = strings.Replace(strings.TrimSuffix(js.Schema, "#"), "https://json-schema.org/draft-07", "http://json-schema.org/draft-07", 1)
		if strings.Contains(js.Schema, "draft-07") {
			js.Schema += "#"
		}
		resolved, err := js.Resolve(nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := resolved.Validate(v); (got == nil) != (want == nil) {
			t.Fatalf("schema %s\ninstance %s\nours: %v\nlibrary: %v", text, instance, got, want)
		}
	})
}

// FuzzTape holds the parser against encoding/json.
func FuzzTape(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,"\u00e4\\",true,false,null]}`, `[`, `"\ud800"`, `1e999`, `{"a":1,"a":2}`, "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tp := newTape()
		defer tp.free()
		err := tp.parse([]byte(s))
		if err == nil {
			var v any
			if jerr := json.Unmarshal([]byte(s), &v); jerr != nil {
				t.Fatalf("%q was taken, though encoding/json says %v", s, jerr)
			}
			return
		}
		ours := []string{"UTF-8", "nests", "twice", "too large"}
		for _, o := range ours {
			if strings.Contains(err.Error(), o) {
				return
			}
		}
		if json.Valid([]byte(s)) {
			t.Fatalf("%q was refused: %v", s, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s, err := Compile(json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{
		"text":{"type":"string","minLength":1},"algo":{"type":"string","enum":["sha256","sha1","md5"]},"n":{"type":"integer","minimum":0}},"required":["text"]}`))
	if err != nil {
		b.Fatal(err)
	}
	in := []byte(`{"text":"` + strings.Repeat("a", 200) + `","algo":"sha1","n":12}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Check(in); err != nil {
			b.Fatal(err)
		}
	}
}
