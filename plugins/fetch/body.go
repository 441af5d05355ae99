// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// kind is what can be done with a body.
type kind int

const (
	kindBinary kind = iota
	kindText
	kindHTML
	kindImage
	kindAudio
)

func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// kindOf goes by the content type and, where there is none that says something, by the bytes.
func kindOf(contentType string, body []byte) kind {
	t := mediaType(contentType)
	switch {
	case t == "text/html" || t == "application/xhtml+xml":
		return kindHTML
	case t == "image/svg+xml", strings.HasPrefix(t, "text/"), strings.HasSuffix(t, "+json"), strings.HasSuffix(t, "+xml"):
		return kindText
	case strings.HasPrefix(t, "image/"):
		return kindImage
	case strings.HasPrefix(t, "audio/"):
		return kindAudio
	}
	switch t {
	case "application/json", "application/xml", "application/javascript", "application/ecmascript", "application/x-ndjson",
		"application/yaml", "application/x-yaml", "application/toml", "application/sql", "application/graphql",
		"application/x-www-form-urlencoded", "application/x-sh":
		return kindText
	case "", "application/octet-stream", "binary/octet-stream":
		return sniff(body)
	}
	return kindBinary
}

// sniff tells text from other bytes: text is UTF-8 without control characters.
func sniff(body []byte) kind {
	head := body[:min(len(body), 1024)]
	for cut := 0; cut < utf8.UTFMax && len(head) == 1024 && !utf8.Valid(head); cut++ {
		head = body[:1023-cut] // a character may lie across the cut
	}
	if !utf8.Valid(head) || bytes.IndexFunc(head, func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", r) }) >= 0 {
		return kindBinary
	}
	low := bytes.ToLower(bytes.TrimSpace(head))
	if bytes.HasPrefix(low, []byte("<!doctype html")) || bytes.HasPrefix(low, []byte("<html")) {
		return kindHTML
	}
	return kindText
}

// decode turns a body into UTF-8 by its byte order mark, its content type's charset or the page's
// own word. Charsets other than UTF-8, UTF-16, ISO 8859-1 and Windows 1252 are read as UTF-8, with
// a replacement for what is not.
func decode(body []byte, contentType string) string {
	switch {
	case bytes.HasPrefix(body, []byte("\xef\xbb\xbf")):
		return strings.ToValidUTF8(string(body[3:]), "\ufffd")
	case bytes.HasPrefix(body, []byte("\xff\xfe")):
		return fromUTF16(body[2:], binary.LittleEndian)
	case bytes.HasPrefix(body, []byte("\xfe\xff")):
		return fromUTF16(body[2:], binary.BigEndian)
	}
	name := charset(contentType)
	if name == "" && !utf8.Valid(body) {
		name = charset(string(body[:min(len(body), 1024)]))
	}
	switch name {
	case "iso-8859-1", "iso8859-1", "latin1", "windows-1252", "cp1252":
		return fromWindows1252(body)
	case "utf-16le":
		return fromUTF16(body, binary.LittleEndian)
	case "utf-16be":
		return fromUTF16(body, binary.BigEndian)
	}
	return strings.ToValidUTF8(string(body), "\ufffd")
}

// charset finds charset=NAME in a content type or in the head of a page.
func charset(s string) string {
	s = strings.ToLower(s)
	_, after, ok := strings.Cut(s, "charset=")
	if !ok {
		return ""
	}
	after = strings.TrimLeft(after, `"' `)
	if i := strings.IndexAny(after, "\"' ;/>\r\n\t"); i >= 0 {
		after = after[:i]
	}
	return after
}

func fromUTF16(b []byte, order binary.ByteOrder) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// high are the characters of Windows 1252 from 0x80 to 0x9f; the rest is that of Unicode.
const high = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ"

func fromWindows1252(b []byte) string {
	table := []rune(high)
	var s strings.Builder
	s.Grow(len(b) + len(b)/8)
	for _, c := range b {
		if c >= 0x80 && c < 0xa0 {
			s.WriteRune(table[c-0x80])
		} else {
			s.WriteRune(rune(c))
		}
	}
	return s.String()
}

func indent(body []byte) string {
	var out bytes.Buffer
	if json.Indent(&out, bytes.TrimSpace(body), "", "  ") != nil {
		return string(body)
	}
	return strings.ToValidUTF8(out.String(), "\ufffd")
}
