// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/gantryhost/gantry/pdk"
)

const selectDoc = `Pick values out of a JSON document with a jq-like path; the answer lists every value the path yields.

The path is one or more steps joined by |, each working on every value of the step before:
  .            the value itself
  .a.b  ."a b" a member (null where it is missing)
  .[0] .[-1]   an element, from the end where negative (null where it is missing)
  .[1:3]       a slice of a list or of a string
  .[]          every element of a list, or every value of an object
  keys values length type not     of the value; keys come sorted
  first last reverse sort unique flatten     of a list (flatten by one level)
  map(PATH)    a list of what PATH yields for each element
  select(PATH OP LITERAL)     the value, if the comparison holds; OP is == != < <= > >= or contains;
               without OP LITERAL, if PATH yields something other than false and null; join with and, or, not
A literal is JSON. A ? after a member, element or [] step drops values of the wrong kind instead of failing.
Examples: .items[] | select(.price > 10) | .name     .users | map(.email)     . | keys`

type selectIn struct {
	JSON  json.RawMessage `json:"json" doc:"The document: JSON, or a string that holds JSON"`
	Path  string          `json:"path" doc:"What to select" example:".items[].name" minLength:"1" maxLength:"4096"`
	Limit int             `json:"limit,omitempty" doc:"The most values to return" minimum:"1" maximum:"10000" default:"1000"`
}

type selectOut struct {
	Values []any `json:"values" doc:"What the path yields, in order"`
	Count  int   `json:"count" doc:"How many values there are in all"`
	More   bool  `json:"more" doc:"Whether limit left some out"`
}

func selectJSON(_ *pdk.Context, in selectIn) (selectOut, error) {
	doc, err := parseDocument(in.JSON)
	if err != nil {
		return selectOut{}, pdk.Invalid("json", "it is a string that does not hold JSON: %v", err)
	}
	path, err := parsePath(in.Path)
	if err != nil {
		return selectOut{}, pdk.Invalid("path", "%v", err)
	}
	values, err := path.run(doc, &budget{left: maxSteps})
	if err != nil {
		return selectOut{}, pdk.Invalid("path", "%v", err)
	}
	out := selectOut{Values: values, Count: len(values)}
	if len(values) > in.Limit {
		out.Values, out.More = values[:in.Limit], true
	}
	if out.Values == nil {
		out.Values = []any{}
	}
	return out, nil
}

// parseDocument keeps numbers as they are written: 12345678901234567890 stays itself.
func parseDocument(raw json.RawMessage) (any, error) {
	var text string
	if bytes.HasPrefix(raw, []byte(`"`)) {
		if err := json.Unmarshal(raw, &text); err != nil {
			return nil, err
		}
		if trimmed := strings.TrimSpace(text); json.Valid([]byte(trimmed)) {
			raw = json.RawMessage(trimmed)
		} else {
			var v any
			return nil, json.Unmarshal([]byte(trimmed), &v)
		}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var doc any
	err := d.Decode(&doc)
	return doc, err
}
