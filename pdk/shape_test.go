// Copyright 2026 The Gantry Authors.

package pdk

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

type base struct {
	ID string `json:"id" doc:"From the embedded struct" pattern:"^[a-z]+$"`
}

type tree struct {
	Value    int             `json:"value"`
	Children []tree          `json:"children,omitempty"`
	Next     *tree           `json:"next"`
	ByName   map[string]tree `json:"by_name,omitempty"`
}

type colour string

type everything struct {
	base
	Text   string            `json:"text" doc:"A text" title:"Text" minLength:"1" maxLength:"5" example:"hi" format:"email"`
	Colour colour            `json:"colour,omitempty" enum:"red,green" default:"red"`
	Count  int8              `json:"count,omitempty" minimum:"-1" max:"10" default:"3"`
	Size   uint              `json:"size,omitempty" enum:"1,2,4"`
	Ratio  float64           `json:"ratio,omitempty" min:"0.5"`
	On     bool              `json:"on,omitempty" default:"true"`
	When   time.Time         `json:"when,omitzero"`
	Data   []byte            `json:"data,omitempty"`
	Tags   []string          `json:"tags,omitempty" enum:"a,b,c" default:"a,b" minItems:"1" maxItems:"3"`
	Pair   [2]int            `json:"pair,omitzero"`
	Labels map[string]string `json:"labels,omitempty"`
	Any    any               `json:"any,omitempty"`
	Raw    json.RawMessage   `json:"raw,omitempty" doc:"Any JSON"`
	Number json.Number       `json:"number,omitempty"`
	Nested struct {
		Depth int    `json:"depth,omitempty" default:"7"`
		Must  string `json:"must"`
	} `json:"nested,omitzero"`
	Tree     *tree  `json:"tree"`
	Maybe    *int   `json:"maybe"`
	Hidden   string `json:"-"`
	Untagged string `json:",omitempty"`
}

// TestSchemaGolden pins the schemas made of types: authors' clients depend on their every word.
func TestSchemaGolden(t *testing.T) {
	for name, typ := range map[string]reflect.Type{
		"everything": reflect.TypeFor[everything](), "tree": reflect.TypeFor[tree](), "nothing": reflect.TypeFor[struct{}](),
	} {
		for suffix, dir := range map[string]direction{"input": forInput, "output": forOutput, "form": forForm} {
			t.Run(name+" "+suffix, func(t *testing.T) {
				s, err := newShape(typ)
				if err != nil {
					t.Fatal(err)
				}
				var buf bytes.Buffer
				if err := json.Indent(&buf, s.schema(dir), "", "  "); err != nil {
					t.Fatalf("%v\n%s", err, s.schema(dir))
				}
				buf.WriteByte('\n')
				golden(t, filepath.Join("testdata", "schema_"+name+"_"+suffix+".json"), buf.Bytes())
				again, err := newShape(typ)
				if err != nil || !bytes.Equal(again.schema(dir), s.schema(dir)) {
					t.Errorf("the second schema differs: %v", err)
				}
			})
		}
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}

func TestAMistakeInATagIsNamed(t *testing.T) {
	for says, typ := range map[string]reflect.Type{
		"tag minimum": reflect.TypeFor[struct {
			A int `minimum:"low"`
		}](),
		"minimum and maximum are for": reflect.TypeFor[struct {
			A string `minimum:"1"`
		}](),
		"minLength, maxLength and pattern are for": reflect.TypeFor[struct {
			A int `minLength:"1"`
		}](),
		"minItems and maxItems are for": reflect.TypeFor[struct {
			A string `minItems:"1"`
		}](),
		"tag maxItems": reflect.TypeFor[struct {
			A []int `maxItems:"-1"`
		}](),
		"tag enum": reflect.TypeFor[struct {
			A int `enum:"a,b"`
		}](),
		"enum is for": reflect.TypeFor[struct {
			A bool `enum:"true"`
		}](),
		`its default "c" is not one of a, b`: reflect.TypeFor[struct {
			A string `enum:"a,b" default:"c"`
		}](),
		"its default 11 is too large": reflect.TypeFor[struct {
			A int `max:"10" default:"11"`
		}](),
		"tag default": reflect.TypeFor[struct {
			A int `default:"x"`
		}](),
		"tag pattern": reflect.TypeFor[struct {
			A string `pattern:"("`
		}](),
		"used twice": reflect.TypeFor[struct {
			base
			Other int `json:"id"`
		}](),
		"no form in JSON": reflect.TypeFor[struct{ A chan int }](),
		"string keys":     reflect.TypeFor[struct{ A map[int]string }](),
		"json option string": reflect.TypeFor[struct {
			A int `json:"a,string"`
		}](),
	} {
		t.Run(says, func(t *testing.T) {
			if _, err := newShape(typ); err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
