// Copyright 2026 The Gantry Authors.

package yamlfile_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/yamlfile"
)

type inner struct {
	Wall   time.Duration  `yaml:"wall"`
	Memory yamlfile.Bytes `yaml:"memory"`
}

type Shared struct {
	Note string `yaml:"note"`
}

type file struct {
	Shared `yaml:",inline"`
	Name   string            `yaml:"name"`
	Listen string            `yaml:"listen"`
	Count  int               `yaml:"count"`
	Small  uint8             `yaml:"small"`
	Ratio  float64           `yaml:"ratio"`
	On     bool              `yaml:"on"`
	List   []string          `yaml:"list"`
	Limits inner             `yaml:"limits"`
	Far    *inner            `yaml:"far"`
	Labels map[string]string `yaml:"labels"`
	Free   any               `yaml:"free"`
	Hidden string            `yaml:"-"`
	Plain  string
}

func env(pairs ...string) yamlfile.Lookup {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func TestDecodeReadsEveryKindOfField(t *testing.T) {
	const text = `
note: inlined
name: 1.10            # a string field keeps the text
count: 0x10
small: 255
ratio: 1e3
on: true
list: [a, "b", 3]
limits: {wall: 1m30s, memory: 1.5 MiB}
far:
  wall: 5s
labels: {a: b}
free: {n: 1, f: 0.5, s: x, d: 2026-01-02, l: [true, null]}
plain: y
`
	var got file
	if err := yamlfile.Decode([]byte(text), &got, nil); err != nil {
		t.Fatal(err)
	}
	want := file{
		Shared: Shared{"inlined"}, Name: "1.10", Count: 16, Small: 255, Ratio: 1000, On: true,
		List: []string{"a", "b", "3"}, Limits: inner{90 * time.Second, 3 << 19},
		Far: &inner{Wall: 5 * time.Second}, Labels: map[string]string{"a": "b"}, Plain: "y",
		Free: map[string]any{"n": 1, "f": 0.5, "s": "x", "d": "2026-01-02", "l": []any{true, nil}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatTheFileLeavesOutKeepsItsDefault(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "name:\n", "limits:\n  # wall: 3s\n", "null"} {
		got := file{Name: "before", Limits: inner{Wall: time.Second}}
		if err := yamlfile.Decode([]byte(text), &got, nil); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if got.Name != "before" || got.Limits.Wall != time.Second {
			t.Errorf("%q: got %+v", text, got)
		}
	}
}

func TestErrorsNameFieldLineAndMend(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown field":      {"name: a\nlimits:\n  wal: 3s", "line 3: limits.wal: there is no such field; did you mean wall?"},
		"unknown, far off":   {"limits: {zzzzzz: 1}", "limits.zzzzzz: there is no such field; there are memory, wall"},
		"not exported":       {"hidden: a", "hidden: there is no such field"},
		"duplicate":          {"name: a\nname: b", "line 2: name: is set twice, first in line 1"},
		"duplicate, free":    {"free: {a: 1, a: 2}", "free.a: is set twice"},
		"alias":              {"name: &x a\nplain: *x", "anchors (&) and aliases (*) are not supported"},
		"merge key":          {"<<: {name: a}", "a key has to be a plain name"},
		"custom tag":         {"name: !secret a", "the tag !secret is not supported"},
		"two documents":      {"name: a\n---\nname: b", "a second document begins"},
		"not a mapping":      {"- a", "line 1: the file: is a list; it has to be a mapping"},
		"scalar for a list":  {"list: a", `list: is one value; it has to be a list, such as [a, b]`},
		"list for a scalar":  {"name: [a]", "name: is a list; it has to be one value"},
		"item of a list":     {"list: [a, {b: c}]", "list[1]: is a mapping; it has to be one value"},
		"not a number":       {"count: many", `count: "many" is not a whole number`},
		"fraction":           {"count: 2.5", `count: "2.5" is not a whole number`},
		"number too large":   {"small: 256", `small: "256" is not a whole number`},
		"not a truth value":  {"on: maybe", `on: "maybe" is not a truth value; write true or false`},
		"duration, no unit":  {"limits: {wall: 30}", `limits.wall: "30" is not a duration; write one such as 500ms, 30s or 5m`},
		"size, odd unit":     {"limits: {memory: 3 MIBS}", `limits.memory: "3 MIBS" is not a size; write one such as`},
		"size, negative":     {"limits: {memory: -1}", `"-1" is not a size`},
		"not for JSON":       {"free: .inf", `".inf" is not a number that JSON can hold`},
		"unset variable":     {"name: x${GONE}y", "line 1: name: the variable GONE is not set; set it, or write ${GONE:-default}"},
		"unset, deep":        {"free: {a: [\"${GONE}\"]}", "free.a[0]: the variable GONE is not set"},
		"unclosed variable":  {"name: ${GONE", "name: ${ without }"},
		"odd variable":       {"name: ${a b}", "${a b} does not name a variable"},
		"broken YAML":        {"name: [", "line 1"},
		"expanded, no digit": {"count: ${WORD}", `count: "word" is not a whole number`},
	} {
		t.Run(name, func(t *testing.T) {
			err := yamlfile.Decode([]byte(c.text), new(file), env("WORD", "word"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if code := host.CodeOf(err); code != abi.CodeInvalidArg {
				t.Errorf("got code %s, want %s", code, abi.CodeInvalidArg)
			}
		})
	}
}

func TestVariablesAreExpandedInValues(t *testing.T) {
	lookup := env("PORT", "8080", "ON", "true", "EMPTY", "", "WALL", "3s", "ODD", "a: [b")
	for name, c := range map[string]struct {
		text string
		got  func(f file) any
		want any
	}{
		"inside a text":             {"listen: 127.0.0.1:${PORT}", func(f file) any { return f.Listen }, "127.0.0.1:8080"},
		"two in one":                {"name: ${PORT}${ON}", func(f file) any { return f.Name }, "8080true"},
		"a number field":            {"count: ${PORT}", func(f file) any { return f.Count }, 8080},
		"a quoted number field":     {`count: "${PORT}"`, func(f file) any { return f.Count }, 8080},
		"a truth field":             {"on: ${ON}", func(f file) any { return f.On }, true},
		"a duration":                {"limits: {wall: '${WALL}'}", func(f file) any { return f.Limits.Wall }, 3 * time.Second},
		"a free field stays text":   {"free: ${PORT}", func(f file) any { return f.Free }, "8080"},
		"a default":                 {"name: ${GONE:-x:-y}", func(f file) any { return f.Name }, "x:-y"},
		"a default for an empty":    {"name: ${EMPTY:-x}", func(f file) any { return f.Name }, "x"},
		"an empty variable":         {"name: a${EMPTY}b", func(f file) any { return f.Name }, "ab"},
		"escaped":                   {"name: $${PORT} $5", func(f file) any { return f.Name }, "${PORT} $5"},
		"a value is never YAML":     {"name: ${ODD}", func(f file) any { return f.Name }, "a: [b"},
		"what it holds stays as is": {"name: ${A}", func(f file) any { return f.Name }, "${B}"},
	} {
		t.Run(name, func(t *testing.T) {
			var f file
			l := lookup
			if strings.Contains(c.text, "${A}") {
				l = env("A", "${B}")
			}
			if err := yamlfile.Decode([]byte(c.text), &f, l); err != nil {
				t.Fatal(err)
			}
			if got := c.got(f); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %#v, want %#v", got, c.want)
			}
		})
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]yamlfile.Bytes{
		"0": 0, "65536": 65536, "12b": 12, "64KiB": 64 << 10, "16 mib": 16 << 20, "1.5GiB": 3 << 29, "2kb": 2000, "1TB": 1e12,
	} {
		var got yamlfile.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: got %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "MiB", "1e3", "inf", "0x10", "1.3", "-5", "9999999TiB", "1 2"} {
		var b yamlfile.Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, b)
		}
	}
}

func TestLimitsOfAFile(t *testing.T) {
	t.Run("too long says which limit", func(t *testing.T) {
		err := yamlfile.Decode(make([]byte, yamlfile.MaxBytes+1), new(file), nil)
		if host.CodeOf(err) != abi.CodeLimit || !strings.Contains(err.Error(), "1048576") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("too deep is refused", func(t *testing.T) {
		err := yamlfile.Decode([]byte("free: "+strings.Repeat("[", 500)+strings.Repeat("]", 500)), new(file), nil)
		if err == nil || !strings.Contains(err.Error(), "nested more than") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a target that is no struct is the host's fault", func(t *testing.T) {
		if err := yamlfile.Decode(nil, "", nil); host.CodeOf(err) != abi.CodeInternal {
			t.Errorf("got %v", err)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{"name: a", "free: {a: [1, x, null, 2026-01-01]}", "limits: {wall: 3s, memory: 1MiB}", "name: ${A:-b}$${", "a: &x\n  - *x", "!!binary aGk=", "? [a]\n: b", "free: !!float ''"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v file
		err := yamlfile.Decode(data, &v, env("A", "1"))
		if err != nil {
			if host.CodeOf(err) != abi.CodeInvalidArg {
				t.Fatalf("code %s: %v", host.CodeOf(err), err)
			}
			return
		}
		if _, err := json.Marshal(v.Free); err != nil {
			t.Fatalf("a free value that JSON cannot hold: %v", err)
		}
	})
}

func TestVerbatimExpandsNothing(t *testing.T) {
	var got struct {
		Name string
		Any  map[string]any
	}
	err := yamlfile.DecodeVerbatim([]byte("name: ${HOME} $${x} ${broken\nany: {a: '${B:-c}'}\n"), &got)
	if want := "${HOME} $${x} ${broken"; err != nil || got.Name != want || got.Any["a"] != "${B:-c}" {
		t.Errorf("got %+v, %v, want %q", got, err, want)
	}
	if err := yamlfile.DecodeVerbatim([]byte("nme: x"), &got); err == nil {
		t.Error("a field that is not there was taken")
	}
}
