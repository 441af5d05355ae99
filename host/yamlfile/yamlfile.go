// Copyright 2026 The Gantry Authors.

// Package yamlfile reads the YAML that operators write into a Go struct, strictly: a field that
// does not exist, a key that is there twice and a value of the wrong kind are errors that name the
// field, the line and the mend. ${NAME} in a value is replaced from the environment it is handed.
//
// It opens no files, reads no environment by itself and writes no YAML. Anchors, aliases, merge
// keys, custom tags and files of several documents are refused: settings do not need them, and each
// is a way to write a file that means something else than it shows.
package yamlfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// MaxBytes bounds a file; a longer one is refused with CodeLimit.
const MaxBytes = 1 << 20

// maxDepth bounds how deep values nest, so that a hostile file cannot exhaust the stack.
const maxDepth = 64

const op = "yamlfile.Decode"

// Lookup finds the value of a variable, like os.LookupEnv.
type Lookup func(name string) (value string, ok bool)

// Decode reads data into the struct that into points to. Fields go by their yaml tags, else by
// their names in small letters, "-" leaves one out, and ",inline" is for embedded structs. A field
// that the file does not mention, or leaves empty, keeps the value it had, so defaults can be set
// before; an empty file changes nothing.
//
// In values (not in keys) ${NAME} becomes what lookup finds, ${NAME:-text} becomes text where
// NAME is not set or empty, and $${ becomes ${. A variable that is not set and has no default is an
// error. What was expanded fits a number or a truth value where the field is one; in a field of type
// any it is always a string, so that the environment cannot change the kind of a value. A nil lookup
// finds nothing.
//
// time.Duration is read from "30s", Bytes from "64MiB", and a type with UnmarshalText from the
// value's text. Errors are host.Errors with CodeInvalidArg, or CodeLimit for a file over MaxBytes.
// Nothing is promised of *into after an error.
func Decode(data []byte, into any, lookup Lookup) error {
	if lookup == nil {
		lookup = func(string) (string, bool) { return "", false }
	}
	return decode(data, into, lookup)
}

// DecodeVerbatim is Decode for files that are no settings: ${NAME} stays as it is written.
func DecodeVerbatim(data []byte, into any) error { return decode(data, into, nil) }

func decode(data []byte, into any, lookup Lookup) error {
	target := reflect.ValueOf(into)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return host.Errorf(op, abi.CodeInternal, "decode into a %T; it needs a pointer to a struct", into)
	}
	if len(data) > MaxBytes {
		return host.Errorf(op, abi.CodeLimit, "the file has %d bytes; at most %d are allowed", len(data), MaxBytes)
	}
	root, err := parse(data)
	if err != nil || root == nil {
		return err
	}
	d := decoder{lookup: lookup}
	return d.value(root, target.Elem(), nil)
}

// parse returns the document's only value, nil for an empty file.
func parse(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, next yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "%s", tell(err))
	}
	if err := dec.Decode(&next); err == nil {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "line %d: a second document begins; a file holds one", next.Line)
	} else if !errors.Is(err, io.EOF) {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "%s", tell(err))
	}
	if len(doc.Content) != 1 || isNull(doc.Content[0]) {
		return nil, nil
	}
	return doc.Content[0], nil
}

// tell takes the library's name off its messages: "yaml: line 3: did not find expected key".
func tell(err error) string { return strings.TrimPrefix(err.Error(), "yaml: ") }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// at is where in the file a value stands: names and [numbers].
type at []string

func (a at) String() string {
	if len(a) == 0 {
		return "the file"
	}
	return strings.ReplaceAll(strings.Join(a, "."), ".[", "[")
}

func (a at) field(name string) at { return append(a[:len(a):len(a)], clip(name)) }
func (a at) index(i int) at       { return append(a[:len(a):len(a)], fmt.Sprintf("[%d]", i)) }

func badf(n *yaml.Node, a at, format string, args ...any) error {
	return host.Errorf(op, abi.CodeInvalidArg, "line %d: %s: %w", n.Line, a, fmt.Errorf(format, args...))
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand replaces the variables of one value and tells whether there were any.
func (d *decoder) expand(n *yaml.Node, a at) (string, bool, error) {
	if d.lookup == nil {
		return n.Value, false, nil
	}
	rest, found := n.Value, false
	var out strings.Builder
	for {
		before, after, ok := strings.Cut(rest, "${")
		if !ok {
			out.WriteString(rest)
			return out.String(), found, nil
		}
		if escaped, is := strings.CutSuffix(before, "$"); is {
			out.WriteString(escaped + "${")
			rest, found = after, true
			continue
		}
		inner, tail, ok := strings.Cut(after, "}")
		if !ok {
			return "", false, badf(n, a, "${ without }; write $${ for the two characters themselves")
		}
		value, err := d.variable(inner)
		if err != nil {
			return "", false, badf(n, a, "%w", err)
		}
		out.WriteString(before + value)
		rest, found = tail, true
	}
}

func (d *decoder) variable(inner string) (string, error) {
	name, fallback, hasDefault := strings.Cut(inner, ":-")
	if !variable.MatchString(name) {
		return "", fmt.Errorf("${%s} does not name a variable; write ${NAME} or ${NAME:-default}, or $${ for the two characters themselves", clip(inner))
	}
	value, ok := d.lookup(name)
	switch {
	case hasDefault && value == "":
		return fallback, nil
	case !ok:
		return "", fmt.Errorf("the variable %s is not set; set it, or write ${%s:-default}", name, name)
	}
	return value, nil
}
