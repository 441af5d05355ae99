// Copyright 2026 The Gantry Authors.

package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/schema"
)

const hashSchema = `{"$schema":"https://json-schema.org/draft/2020-12/schema","type":"object","additionalProperties":false,
	"properties":{"text":{"type":"string","minLength":1,"maxLength":10},"algo":{"type":"string","enum":["sha256","sha1","md5"]},
	"rounds":{"type":"integer","minimum":1,"maximum":9},"tags":{"type":"array","maxItems":2,"items":{"type":"string","pattern":"^[a-z]+$"}}},
	"required":["text"]}`

func compile(t testing.TB, text string) *schema.Schema {
	t.Helper()
	s, err := schema.Compile(json.RawMessage(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckNamesTheFieldAndTheMend(t *testing.T) {
	for _, c := range []struct{ name, schema, input, want string }{
		{"a missing field", hashSchema, `{}`, `/text is missing; send it, a string`},
		{"a wrong type", hashSchema, `{"text":5}`, `/text has to be a string, but is a number; send it in quotes`},
		{"a number in quotes", hashSchema, `{"text":"a","rounds":"5"}`, `/rounds has to be an integer, but is a string; send it without quotes`},
		{"a fraction", hashSchema, `{"text":"a","rounds":1.5}`, `/rounds has to be an integer, but is a number`},
		{"a slip of the hand", hashSchema, `{"text":"a","alog":"md5"}`, `/alog is not a field here; did you mean "algo"?`},
		{"an unknown field", hashSchema, `{"text":"a","password":1}`, `/password is not a field here; the fields are algo, rounds, tags, text`},
		{"an enum", hashSchema, `{"text":"a","algo":"crc"}`, `/algo has to be one of "sha256", "sha1", "md5"`},
		{"too short", hashSchema, `{"text":""}`, `/text has 0 characters; send at least 1`},
		{"too long, in characters", hashSchema, `{"text":"äöüäöüäöüäö"}`, `/text has 11 characters; send at most 10`},
		{"too small", hashSchema, `{"text":"a","rounds":0}`, `/rounds has to be at least 1`},
		{"too large", hashSchema, `{"text":"a","rounds":10}`, `/rounds has to be at most 9`},
		{"too many items", hashSchema, `{"text":"a","tags":["a","b","c"]}`, `/tags has 3 items; send at most 2`},
		{"an item's pattern", hashSchema, `{"text":"a","tags":["a","B"]}`, `/tags/1 has to match the regular expression ^[a-z]+$`},
		{"not an object", hashSchema, `[]`, `the input has to be an object, but is a list`},
		{"the text of an object", hashSchema, `"{}"`, `the input has to be an object, but is a string; send the JSON itself, not its text`},
		{"two problems", hashSchema, `{"text":1,"rounds":0}`, `/text has to be a string, but is a number; send it in quotes (and 1 problem more; see details)`},
		{"a key with a slash", `{"properties":{"a/b~c":{"type":"null"}}}`, `{"a/b~c":1}`, `/a~1b~0c has to be null, but is a number`},
		{"a const", `{"properties":{"v":{"const":1}}}`, `{"v":2}`, `/v has to be 1`},
		{"a closed field", `{"properties":{"v":false}}`, `{"v":2}`, `/v is not allowed here; leave it out`},
		{"the branch whose type fits", `{"properties":{"v":{"anyOf":[{"type":"null"},{"type":"string","minLength":2}]}}}`, `{"v":"a"}`, `/v has 1 character; send at least 2`},
		{"no branch of that type", `{"properties":{"v":{"anyOf":[{"type":"null"},{"type":"string"}]}}}`, `{"v":[]}`, `/v has to be a string or null, but is a list`},
		{"two branches at once", `{"oneOf":[{"required":["a"]},{"required":["b"]}]}`, `{"a":1,"b":2}`, `the input matches 2 of the allowed forms; it has to match exactly one`},
		{"a rare keyword", `{"properties":{"v":{"type":"array","contains":{"type":"string"}}}}`, `{"v":[1,1]}`, `/v holds no item of the form that is asked for`},
		{"a field that a branch asks for", `{"if":{"required":["a"]},"then":{"required":["b"]}}`, `{"a":1}`, `/b is missing; send it`},
		{"a recursive schema", `{"properties":{"next":{"$ref":"#"},"v":{"type":"string"}}}`, `{"next":{"next":{"v":1}}}`, `/next/next/v has to be a string, but is a number; send it in quotes`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := compile(t, c.schema).Check([]byte(c.input))
			if host.CodeOf(err) != abi.CodeInvalidArg {
				t.Fatalf("got %v, want %s", err, abi.CodeInvalidArg)
			}
			out := host.Outward(err)
			if out.Message != c.want {
				t.Errorf("got  %s\nwant %s", out.Message, c.want)
			}
			var details []schema.Problem
			if err := json.Unmarshal(out.Details, &details); err != nil || len(details) == 0 {
				t.Errorf("details %s: %v", out.Details, err)
			}
		})
	}
}

func TestCheckTakesWhatFits(t *testing.T) {
	for _, c := range []struct{ schema, input string }{
		{"", `{"anything":[1,{"a":null}]}`},
		{hashSchema, ` {"text":"a\u00e4\n","rounds":2.0,"tags":[]} `},
		{`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/s","type":"null"}},"definitions":{"s":{"type":"string"}}}`, `{"a":"x"}`},
		{`{"properties":{"\u0061":{"type":"integer"}}}`, `{"\u0061":1e2}`},
		{`{"type":["object","null"]}`, `null`},
		{`{"properties":{"v":{"enum":[1,"a",null,[1],{"a":1}]}}}`, `{"v":{"a":1.0}}`},
	} {
		if err := compile(t, c.schema).Check([]byte(c.input)); err != nil {
			t.Errorf("%s against %s: %v", c.input, c.schema, err)
		}
	}
}

func TestCheckRefusesBrokenJSON(t *testing.T) {
	s := compile(t, "")
	for _, c := range []struct{ name, input, want string }{
		{"nothing", ``, "it ends at byte 0"},
		{"something after the value", `{} {}`, "something after the value, at byte 3"},
		{"a key twice", `{"a":1,"\u0061":2}`, `"a" stands twice`},
		{"a key twice among many", `{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1,"a":2}`, `"a" stands twice`},
		{"deep nesting", strings.Repeat("[", 100_000), "nests deeper than 64"},
		{"deep objects", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), "nests deeper than 64"},
		{"a trailing comma", `{"a":1,}`, `'}' at byte 7 where a key in quotes is expected`},
		{"bare words", `{a:1}`, "a key in quotes is expected"},
		{"half a literal", `{"a":tru`, "a value is expected"},
		{"a huge number", `{"a":1e999}`, "is too large"},
		{"a leading zero", `{"a":01}`, "a comma or }"},
		{"a control character", "{\"a\":\"\x01\"}", "control character"},
		{"an unknown escape", `{"a":"\x"}`, "escape"},
		{"an open string", `{"a":"b`, "has no end"},
		{"wrong UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.Check([]byte(c.input))
			if host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCompileRefusesWhatCannotBeChecked(t *testing.T) {
	deep := strings.Repeat(`{"properties":{"a":`, 40) + "{}" + strings.Repeat("}}", 40)
	bomb := `{"uniqueItems":true,"$defs":{"a0":{}`
	for i := range 20 {
		bomb += fmt.Sprintf(`,"a%d":{"allOf":[{"$ref":"#/$defs/a%d"},{"$ref":"#/$defs/a%d"}]}`, i+1, i, i)
	}
	bomb += `},"$ref":"#/$defs/a20"}`
	for _, c := range []struct{ name, schema, want string }{
		{"a remote schema", `{"$ref":"https://example.com/s.json"}`, "only places in the same schema"},
		{"a place that is not there", `{"$ref":"#/$defs/none"}`, "no such place"},
		{"a loop", `{"$ref":"#"}`, "leads back to itself"},
		{"a loop over two", `{"$ref":"#/$defs/a","$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"anyOf":[{"$ref":"#/$defs/a"}]}}}`, "leads back to itself"},
		{"an unknown draft", `{"$schema":"http://json-schema.org/draft-04/schema#"}`, "use draft 2020-12 or draft-07"},
		{"an unknown type", `{"type":"text"}`, "is not one of string"},
		{"a pattern Go does not know", `{"pattern":"(?=a)"}`, "pattern"},
		{"too deep", deep, "nests deeper"},
		{"a schema bomb", bomb, "more than 10000 subschemas"},
		{"recursion the library would follow", `{"properties":{"n":{"$ref":"#"}},"unevaluatedProperties":false}`, "refers to itself"},
		{"multiples of nothing", `{"multipleOf":0}`, "greater than 0"},
		{"not JSON", `{`, "ends at byte"},
		{"not a schema", `[]`, ""},
		{"too large", `{"title":"` + strings.Repeat("a", abi.MaxSchemaBytes) + `"}`, "at most"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := schema.Compile(json.RawMessage(c.schema))
			if host.CodeOf(err) != abi.CodeContract || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCheckEndsOnAnInputThatBranchesWithoutEnd(t *testing.T) {
	s := compile(t, `{"$defs":{"n":{"anyOf":[{"properties":{"c":{"$ref":"#/$defs/n"}},"required":["x"]},
		{"properties":{"c":{"$ref":"#/$defs/n"}},"required":["y"]}]}},"$ref":"#/$defs/n"}`)
	err := s.Check([]byte(strings.Repeat(`{"c":`, 60) + "{}" + strings.Repeat("}", 60)))
	if code := host.CodeOf(err); code != abi.CodeLimit {
		t.Errorf("got %v, want %s", err, abi.CodeLimit)
	}
}

func TestManyMayCheckAtOnce(t *testing.T) {
	s := compile(t, hashSchema)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				input := fmt.Sprintf(`{"text":"t%d","rounds":%d}`, g, i%12)
				err := s.Check([]byte(input))
				if bad := i%12 < 1 || i%12 > 9; bad != (err != nil) {
					t.Errorf("%s: %v", input, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestDetailsAreBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"text":"a"`)
	for i := range 500 {
		fmt.Fprintf(&b, `,"x%d":1`, i)
	}
	b.WriteByte('}')
	err := compile(t, hashSchema).Check([]byte(b.String()))
	var he *host.Error
	if !errors.As(err, &he) {
		t.Fatal(err)
	}
	var details []schema.Problem
	if err := json.Unmarshal(he.Details, &details); err != nil || len(details) != 8 {
		t.Errorf("got %d problems (%v), want 8", len(details), err)
	}
}
