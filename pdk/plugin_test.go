// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

type oneArg struct {
	A string `json:"a"`
}

func echo(_ *Context, in oneArg) (string, error) { return in.A, nil }

// TestAMistakeIsToldInPlaceOfTheManifest has no plugin panic before its author sees a message.
func TestAMistakeIsToldInPlaceOfTheManifest(t *testing.T) {
	page := func(*Context) (string, error) { return "", nil }
	words := func(*Context, CompleteRequest) ([]string, error) { return nil, nil }
	for says, s := range map[string]*Served{
		`name "Bad"`:                    build(Plugin{Name: "Bad"}, []Item{Tool("t", "", echo)}),
		"used twice":                    build(Plugin{Name: "x"}, []Item{Tool("t", "", echo), Tool("t", "", echo)}),
		"offers nothing":                build(Plugin{Name: "x"}, nil),
		`tool "t": its function is nil`: build(Plugin{Name: "x"}, []Item{Tool[oneArg, string]("t", "", nil)}),
		`tool "t": input: it is a int`:  build(Plugin{Name: "x"}, []Item{Tool("t", "", func(*Context, int) (string, error) { return "", nil })}),
		`tool "t": input: chan int has no form in JSON`: build(Plugin{Name: "x"}, []Item{Tool("t", "", func(*Context, chan int) (string, error) { return "", nil })}),
		`tool "t": output: func() has no form in JSON`:  build(Plugin{Name: "x"}, []Item{Tool("t", "", func(*Context, oneArg) (func(), error) { return nil, nil })}),
		"MIME is for resources":                         build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, MIME("x/y"))}),
		"Description is for":                            build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, Description("d"))}),
		"ReadOnly is for tools":                         build(Plugin{Name: "x"}, []Item{Resource("a:b", "c", page, ReadOnly)}),
		"Needs is for tools":                            build(Plugin{Name: "x"}, []Item{Resource("a:b", "c", page, Needs("roots"))}),
		"Icon is for tools":                             build(Plugin{Name: "x"}, []Item{Resource("a:b", "c", page, Icon("https://x/y.png"))}),
		"icons[0]: src":                                 build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, Icon("y.png", "48x48"))}),
		"annotation 9":                                  build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, Annotation(9))}),
		`"telepathy" is not one`:                        build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, Needs("telepathy"))}),
		"Complete is there twice":                       build(Plugin{Name: "x"}, []Item{Tool("t", "", echo), Complete(words), Complete(words)}),
		"argument a: it is a int": build(Plugin{Name: "x"}, []Item{Prompt("p", "", func(*Context, struct {
			A int `json:"a"`
		}) (PromptResult, error) {
			return PromptResult{}, nil
		})}),
		`resource "a:b": its function is nil`: build(Plugin{Name: "x"}, []Item{Resource[string]("a:b", "c", nil)}),
		"not an absolute URI":                 build(Plugin{Name: "x"}, []Item{Resource("ab", "c", page)}),
		"Plugin.Config: it is a string":       build(Plugin{Name: "x", Config: "x"}, []Item{Tool("t", "", echo)}),
		"input_schema":                        build(Plugin{Name: "x"}, []Item{Tool("t", "", echo, InputSchema(`{"type":"array"}`))}),
	} {
		t.Run(says, func(t *testing.T) {
			kind, out := s.Describe()
			var e abi.Error
			if err := json.Unmarshal(out, &e); err != nil || kind != abi.OutputError || e.Code != abi.CodeContract || !strings.Contains(e.Message, says) {
				t.Errorf("got %d %s", kind, out)
			}
		})
	}
}

func TestAProgramServesOnePlugin(t *testing.T) {
	defer func() { current = nil }()
	if kind, out := Registered().Describe(); kind != abi.OutputError || !strings.Contains(string(out), "var _ = pdk.Serve") {
		t.Errorf("without a plugin: got %d %s", kind, out)
	}
	first := Serve(Plugin{Name: "one"}, Tool("t", "", echo))
	if kind, _ := Registered().Describe(); kind != abi.OutputStructured || Registered() != first {
		t.Errorf("with a plugin: got %d", kind)
	}
	Serve(Plugin{Name: "two"}, Tool("t", "", echo))
	if kind, out := Registered().Describe(); kind != abi.OutputError || !strings.Contains(string(out), "called twice, for one and for two") {
		t.Errorf("with two: got %d %s", kind, out)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"text", "id", "count", "encoding"}
	for name, want := range map[string]string{"txet": "text", "tex": "text", "Text": "text", "ids": "id", "coutn": "count",
		"encodin": "encoding", "a": "", "zzz": "", strings.Repeat("x", 5000): ""} {
		if got := nearest(name, names); got != want {
			t.Errorf("%.20q: got %q, want %q", name, got, want)
		}
	}
}

func TestAskRefusesQuestionsThatMakeNoSense(t *testing.T) {
	for says, err := range map[string]error{
		"needs a question":   Ask(""),
		"a key of its own":   Ask("", Roots("a"), Roots("a")),
		`question ""`:        Ask("", Roots("")),
		"has to be a struct": Ask("", Elicit("a", "b", 5)),
		"nil has no type":    Ask("", Elicit("a", "b", nil)),
		"does not encode":    Ask("", Question{Key: "a", Method: "roots/list", Params: func() {}}),
	} {
		var q *question
		if err == nil || errors.As(err, &q) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v", says, err)
		}
	}
}
