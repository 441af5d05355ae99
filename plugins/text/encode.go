// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/base64"
	"encoding/hex"
	"html"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/pdk"
)

const encodeDoc = "Encode a text, or decode one back: base64, base64url (no padding), hex, url (percent-encoding of a " +
	"query value; a space becomes +) and html (entities). Decoding fails where the input is malformed or the " +
	"decoded bytes are not UTF-8 text."

type encodeIn struct {
	Text      string `json:"text" doc:"What to encode or decode" example:"Grüße & mehr"`
	Format    string `json:"format" doc:"The encoding" enum:"base64,base64url,hex,url,html"`
	Direction string `json:"direction,omitempty" doc:"encode, or decode back" enum:"encode,decode" default:"encode"`
}

type encodeOut struct {
	Text string `json:"text" doc:"The encoded or decoded text"`
}

func encodeText(_ *pdk.Context, in encodeIn) (encodeOut, error) {
	if in.Direction == "encode" {
		return encodeOut{encode(in.Format, in.Text)}, nil
	}
	text, err := decode(in.Format, in.Text)
	switch {
	case err != nil:
		return encodeOut{}, pdk.Invalid("text", "it is not %s: %v", in.Format, err)
	case !utf8.ValidString(text):
		return encodeOut{}, pdk.Invalid("text", "it decodes to bytes that are not UTF-8 text")
	}
	return encodeOut{text}, nil
}

func encode(format, text string) string {
	switch format {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(text))
	case "base64url":
		return base64.RawURLEncoding.EncodeToString([]byte(text))
	case "hex":
		return hex.EncodeToString([]byte(text))
	case "url":
		return url.QueryEscape(text)
	}
	return html.EscapeString(text)
}

// decode takes base64 and base64url with or without padding, because both are common.
func decode(format, text string) (string, error) {
	var data []byte
	var err error
	switch format {
	case "base64":
		data, err = base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	case "base64url":
		data, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	case "hex":
		data, err = hex.DecodeString(text)
	case "url":
		return url.QueryUnescape(text)
	default:
		return html.UnescapeString(text), nil
	}
	return string(data), err
}
