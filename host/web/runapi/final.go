// Copyright 2026 The Gantry Authors.

package runapi

import "encoding/json"

// line is the data line of a final event. It writes what json.Marshal would; the usual one, a text and
// perhaps a structured result, is written by hand, since nearly every run ends with one.
func (d *finalData) line() ([]byte, error) {
	if len(d.Content) > 0 || d.IsError || !plainText(d.Text) || !compact(d.Structured) {
		return marshal(d)
	}
	b := make([]byte, 0, len(d.Text)+len(d.Structured)+48)
	b = append(append(b, `{"type":"final","text":`...), '"')
	for i := range len(d.Text) {
		if c := d.Text[i]; c == '"' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, d.Text[i])
	}
	b = append(b, '"')
	if len(d.Structured) > 0 {
		b = append(append(b, `,"structured":`...), d.Structured...)
	}
	return append(b, '}'), nil
}

// plainText tells whether s has nothing that json.Marshal escapes but quotes and backslashes.
func plainText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || escapedHTML(c) {
			return false
		}
	}
	return true
}

func escapedHTML(c byte) bool { return c == '<' || c == '>' || c == '&' }

// compact tells whether raw, a JSON value or nothing, would go out as it is: without blanks between
// its parts and without anything that json.Marshal escapes.
func compact(raw json.RawMessage) bool {
	quoted := false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c > '~' || c < ' ' || escapedHTML(c) || c == ' ' && !quoted:
			return false
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		}
	}
	return true
}
