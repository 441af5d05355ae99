// Copyright 2026 The Gantry Authors.

package pdk

import "github.com/gantryhost/gantry/abi"

// Result is an answer of any kind of content; a tool whose Out is Result sends it as it is.
type Result = abi.Result

// Content is one block of a Result.
type Content = abi.Content

// Contents is a Result of these blocks, in order.
func Contents(blocks ...Content) Result { return Result{Content: blocks} }

// Text is a text block.
func Text(s string) Content { return abi.Text(s) }

// Image is a picture, such as ("image/png", data).
func Image(mimeType string, data []byte) Content {
	return Content{Type: abi.ContentImage, MIMEType: mimeType, Data: data}
}

// Audio is a sound, such as ("audio/wav", data).
func Audio(mimeType string, data []byte) Content {
	return Content{Type: abi.ContentAudio, MIMEType: mimeType, Data: data}
}

// Link points to a resource that the client may read.
func Link(uri, name string) Content {
	return Content{Type: abi.ContentLink, URI: uri, Name: name}
}

// Embed is a text resource, whole.
func Embed(uri, mimeType, text string) Content {
	return Content{Type: abi.ContentResource, URI: uri, MIMEType: mimeType, Text: text}
}

// EmbedBytes is a binary resource, whole.
func EmbedBytes(uri, mimeType string, data []byte) Content {
	return Content{Type: abi.ContentResource, URI: uri, MIMEType: mimeType, Data: data}
}
