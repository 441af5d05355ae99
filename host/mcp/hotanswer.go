// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
)

// stampOf is how a result of the modern era begins: with who answered.
func stampOf(cfg *Config) []byte {
	info := marshal(&sdk.Implementation{Name: cfg.Name, Version: cfg.Version})
	return append(append([]byte(`"_meta":{"`+sdk.MetaKeyServerInfo+`":`), info...), `},`...)
}

// messageFor is the JSON-RPC message that the SDK would make of the result.
func (s *Server) messageFor(b []byte, id []byte, r *abi.Result, e era) []byte {
	b = append(append(append(b, `{"jsonrpc":"2.0","id":`...), id...), `,"result":{`...)
	if e.modern {
		b = append(b, s.stamp...)
	}
	b = append(b, `"content":[`...)
	for i, c := range r.Content {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendContent(b, c, e)
	}
	if len(r.Content) == 0 && len(r.Structured) > 0 {
		b = appendContent(b, abi.Text(string(r.Structured)), e)
	}
	b = append(b, ']')
	if showsStructured(r, e) {
		b = appendLine(append(b, `,"structuredContent":`...), r.Structured)
	}
	if r.IsError {
		b = append(b, `,"isError":true`...)
	}
	if e.modern {
		b = append(b, `,"resultType":"complete"`...)
	}
	return append(b, `}}`...)
}

func appendContent(b []byte, c abi.Content, e era) []byte {
	block := c
	if c.Type != abi.ContentText {
		made := contentFor(c, e.client.Protocol)
		text, ok := made.(*sdk.TextContent)
		if !ok {
			return append(b, marshal(made)...)
		}
		block.Text = text.Text
	}
	b = appendString(append(b, `{"type":"text","text":`...), block.Text)
	return append(b, '}')
}

// appendLine appends JSON without its line breaks, which would end an event of a stream.
func appendLine(b, raw []byte) []byte {
	if !bytes.ContainsAny(raw, "\r\n") {
		return append(b, raw...)
	}
	var line bytes.Buffer
	if json.Compact(&line, raw) != nil {
		return append(b, "null"...) // cannot happen: the pipeline has checked it
	}
	return append(b, line.Bytes()...)
}

// appendString appends text as a JSON string. What is no UTF-8 becomes the replacement character,
// as in encoding/json.
func appendString(b []byte, text string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, text[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += n
			continue
		}
		b = append(b, text[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	return append(append(b, text[start:]...), '"')
}
