// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// jsonFrame is one open object or array of a scan.
type jsonFrame struct {
	object bool
	key    bool // the next string is a name
	names  []string
	seen   map[string]struct{} // in place of names once there are many
	at     string              // the name under which the frame hangs
}

// member is one name of an object and its value, as it stands there.
type member struct {
	name  string
	value []byte
}

// manyNames is where a list of names becomes a set.
const manyNames = 16

// scanJSON checks that data is one JSON value, nested no deeper than depth, in which no object has
// the same name twice, and returns the members of the outermost object; they are parts of data.
// encoding/json lets the last of two equal names win, others the first, and a filter in front of us may
// be one of those others.
func scanJSON(data []byte, depth int) ([]member, error) {
	if err := syntax(data); err != nil {
		return nil, err
	}
	var stack []jsonFrame
	var top []member
	last, from := "", 0
	for i := 0; i < len(data); i++ {
		switch b := data[i]; b {
		case '{', '[':
			if len(stack) == depth {
				return nil, fmt.Errorf("%s: is nested deeper than %d levels", where(stack, last), depth)
			}
			stack = append(stack, jsonFrame{object: b == '{', key: b == '{', at: last})
		case '}', ']':
			if len(stack) == 1 {
				closeMember(top, data[from:i])
			}
			stack = stack[:len(stack)-1]
		case ',':
			if len(stack) == 1 {
				closeMember(top, data[from:i])
			}
			f := &stack[len(stack)-1]
			f.key = f.object
		case ':':
			if len(stack) == 1 {
				top, from = append(top, member{name: last}), i+1
			}
		case '"':
			end := stringEnd(data, i)
			if len(stack) > 0 && stack[len(stack)-1].key {
				last = unquote(data[i : end+1])
				if !stack[len(stack)-1].add(last) {
					return nil, fmt.Errorf("%s: is there twice", where(stack, last))
				}
			}
			i = end
		}
	}
	return top, nil
}

// closeMember gives the last member its value. There is none in an array, or in an empty object.
func closeMember(top []member, value []byte) {
	if n := len(top); n > 0 {
		value = bytes.Trim(value, " \t\r\n")
		top[n-1].value = value[:len(value):len(value)]
	}
}

// syntax names the place where data stops being JSON, and says so where a second value follows.
func syntax(data []byte) error {
	if json.Valid(data) {
		return nil
	}
	var v json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(data))
	err := dec.Decode(&v)
	var se *json.SyntaxError
	switch {
	case err == nil:
		return errors.New("something follows the JSON object; send one value")
	case errors.As(err, &se):
		return fmt.Errorf("the body is not valid JSON at byte %d: %s", se.Offset, se.Error())
	}
	return errors.New("the body ends in the middle of the JSON")
}

// add notes a name and tells whether it is new.
func (f *jsonFrame) add(name string) bool {
	f.key = false
	if f.seen == nil {
		for _, n := range f.names {
			if n == name {
				return false
			}
		}
		f.names = append(f.names, name)
		if len(f.names) >= manyNames {
			f.seen = make(map[string]struct{}, 2*manyNames)
			for _, n := range f.names {
				f.seen[n] = struct{}{}
			}
		}
		return true
	}
	if _, ok := f.seen[name]; ok {
		return false
	}
	f.seen[name] = struct{}{}
	return true
}

// stringEnd is the index of the quote that ends the string at i; data is valid JSON.
func stringEnd(data []byte, i int) int {
	for j := i + 1; ; j++ {
		switch data[j] {
		case '\\':
			j++
		case '"':
			return j
		}
	}
}

func unquote(quoted []byte) string {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return string(quoted[1 : len(quoted)-1])
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // valid JSON, so it cannot fail
	return s
}

// where writes the path to a name, such as input.messages.role.
func where(stack []jsonFrame, name string) string {
	path := ""
	for _, f := range stack[min(1, len(stack)):] {
		if f.object && f.at != "" {
			path += clip(f.at) + "."
		}
		if len(path) > 120 {
			break
		}
	}
	if name == "" {
		name = "the body"
	}
	return path + clip(name)
}
