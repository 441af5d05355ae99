// Copyright 2026 The Gantry Authors.

package abi

import "encoding/json"

// Result is what a tool answers. A plugin that answers OutputStructured or OutputText gets it built
// by the host; one with pictures, links or a mixture sends it whole as OutputResult.
type Result struct {
	// Content is for the model and the person, in order.
	Content []Content `json:"content,omitempty"`
	// Structured is one JSON value that matches the tool's output schema, nil where there is none.
	Structured json.RawMessage `json:"structured,omitempty"`
	// IsError says that the tool ran and failed; Content tells why.
	IsError bool `json:"is_error,omitempty"`
}

// ContentType is the kind of a Content.
type ContentType string

// The content types, as MCP names them.
const (
	ContentText     ContentType = "text"
	ContentImage    ContentType = "image"
	ContentAudio    ContentType = "audio"
	ContentLink     ContentType = "resource_link"
	ContentResource ContentType = "resource"
)

// Content is one block of a Result. Which fields count depends on Type: text has Text; image and
// audio have Data and MIMEType; resource_link has URI, Name, Title, Description and MIMEType;
// resource has URI, MIMEType and either Text or Data.
type Content struct {
	Type        ContentType `json:"type"`
	Text        string      `json:"text,omitempty"`
	Data        []byte      `json:"data,omitempty"`
	MIMEType    string      `json:"mime_type,omitempty"`
	URI         string      `json:"uri,omitempty"`
	Name        string      `json:"name,omitempty"`
	Title       string      `json:"title,omitempty"`
	Description string      `json:"description,omitempty"`
}

// Text is a text block.
func Text(s string) Content { return Content{Type: ContentText, Text: s} }

// PromptResult is what a prompt answers.
type PromptResult struct {
	Description string          `json:"description,omitempty"`
	Messages    []PromptMessage `json:"messages"`
}

// PromptMessage is one message of a PromptResult; Role is "user" or "assistant".
type PromptMessage struct {
	Role    string  `json:"role"`
	Content Content `json:"content"`
}

// ReadRequest asks for the document at URI; Variables are the template's, matched by the host.
type ReadRequest struct {
	URI       string            `json:"uri"`
	Variables map[string]string `json:"variables,omitempty"`
}

// ReadResult is the document: one or more contents of type resource.
type ReadResult struct {
	Contents []Content `json:"contents"`
}

// CompleteRequest asks for values of one argument of a prompt or one variable of a template.
type CompleteRequest struct {
	// Prompt or Template names what is being filled in; one of them is set.
	Prompt   string            `json:"prompt,omitempty"`
	Template string            `json:"template,omitempty"`
	Argument string            `json:"argument"`
	Value    string            `json:"value"`
	Known    map[string]string `json:"known,omitempty"`
}

// CompleteResult lists at most 100 values, best first.
type CompleteResult struct {
	Values []string `json:"values"`
	Total  int      `json:"total,omitempty"`
	More   bool     `json:"more,omitempty"`
}

// InputRequired asks the client for something before the tool can answer: the host passes the
// questions on as the protocol version allows and calls the tool again, from the start, with the
// answers and State in its Context. At least one of the two is set.
type InputRequired struct {
	Requests map[string]InputRequest `json:"requests,omitempty"`
	// State comes back unchanged. The host seals it (a client cannot read a change into it) and
	// binds it to the principal and the tool.
	State string `json:"state,omitempty"`
}

// InputRequest is one question. Method is "elicitation/create", "sampling/createMessage" or
// "roots/list", Params its parameters as MCP writes them.
type InputRequest struct {
	Method string          `json:"method"`
	Params json.RawMessage `json:"params,omitempty"`
}
