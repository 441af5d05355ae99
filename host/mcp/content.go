// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
)

// The first versions that know a kind of content.
const (
	firstAudio      = "2025-03-26"
	firstLink       = "2025-06-18"
	firstStructured = "2025-06-18"
)

// resultFor is a tool's result in the words of the client's protocol version. It is new for each
// call: the SDK writes into it.
func resultFor(r *abi.Result, e era) *sdk.CallToolResult {
	out := &sdk.CallToolResult{IsError: r.IsError, Content: make([]sdk.Content, 0, len(r.Content)+1)}
	for _, c := range r.Content {
		out.Content = append(out.Content, contentFor(c, e.client.Protocol))
	}
	if showsStructured(r, e) {
		out.StructuredContent = r.Structured
	}
	if len(out.Content) == 0 && len(r.Structured) > 0 {
		out.Content = append(out.Content, &sdk.TextContent{Text: string(r.Structured)})
	}
	return out
}

// showsStructured tells whether the client can read the structured result, which had to be an object
// before the modern era.
func showsStructured(r *abi.Result, e era) bool {
	if e.modern {
		return len(r.Structured) > 0
	}
	object := bytes.HasPrefix(bytes.TrimLeft(r.Structured, " \t\r\n"), []byte("{"))
	return object && e.client.Protocol >= firstStructured
}

// contentFor is one block. A kind that the version does not know becomes text, since its clients
// refuse a whole result for it.
func contentFor(c abi.Content, version string) sdk.Content {
	switch c.Type {
	case abi.ContentImage:
		return &sdk.ImageContent{Data: c.Data, MIMEType: c.MIMEType}
	case abi.ContentAudio:
		if version < firstAudio {
			return &sdk.TextContent{Text: "[audio of type " + c.MIMEType + ", which this client cannot take]"}
		}
		return &sdk.AudioContent{Data: c.Data, MIMEType: c.MIMEType}
	case abi.ContentLink:
		if version < firstLink {
			return &sdk.TextContent{Text: c.URI}
		}
		return &sdk.ResourceLink{URI: c.URI, Name: linkName(c), Title: c.Title, Description: c.Description, MIMEType: c.MIMEType}
	case abi.ContentResource:
		return &sdk.EmbeddedResource{Resource: resourceContents(c)}
	default:
		return &sdk.TextContent{Text: c.Text}
	}
}

// linkName is a link's name, which the protocol requires.
func linkName(c abi.Content) string {
	if c.Name != "" {
		return c.Name
	}
	return c.URI
}

func resourceContents(c abi.Content) *sdk.ResourceContents {
	return &sdk.ResourceContents{URI: c.URI, MIMEType: c.MIMEType, Text: c.Text, Blob: c.Data}
}
