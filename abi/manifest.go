// Copyright 2026 The Gantry Authors.

package abi

import "encoding/json"

// Manifest is what a plugin says of itself, once per digest. See Validate for its rules.
type Manifest struct {
	// ABI is the contract version the plugin was built for.
	ABI int `json:"abi"`
	// Name is the plugin's name, [a-z][a-z0-9_-]{0,63}. It names its settings file and its folder of state.
	Name string `json:"name"`
	// Version is free text for people; the digest is what identifies a build. At most 64 bytes.
	Version string `json:"version,omitempty"`
	// Summary is one line for listings. At most 200 bytes.
	Summary string `json:"summary,omitempty"`
	// Tools, Prompts, Resources and Templates are what the plugin offers, in the order of the
	// numbers that its exports are called with.
	Tools     []Tool     `json:"tools,omitempty"`
	Prompts   []Prompt   `json:"prompts,omitempty"`
	Resources []Resource `json:"resources,omitempty"`
	Templates []Template `json:"templates,omitempty"`
	// Completes says that the plugin exports ExportComplete.
	Completes bool `json:"completes,omitempty"`
	// Config is a JSON Schema of the settings the plugin reads with OpConfig; nil takes any.
	Config json.RawMessage `json:"config,omitempty"`
	// Wants is what the plugin asks to be allowed. It grants nothing: the operator does.
	// A version that wants more than the one before it is served once the operator has agreed.
	Wants Rights `json:"wants,omitzero"`
}

// Tool is one callable thing of a plugin. Its name is the name callers use, on every surface.
type Tool struct {
	// Name is unique in the host, [A-Za-z0-9_.-]{1,64}.
	Name string `json:"name"`
	// Title is a short name for people.
	Title string `json:"title,omitempty"`
	// Description tells a model what the tool does and when to use it.
	Description string `json:"description,omitempty"`
	// InputSchema is a JSON Schema (2020-12) of type object. Empty means an object with no properties.
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
	// OutputSchema is a JSON Schema of the structured result. Empty means that none is promised; an answer
	// that breaks the promise reaches nobody, and its call ends with CodeContract.
	OutputSchema json.RawMessage `json:"output_schema,omitempty"`
	// Annotations are hints for clients and for the permission check.
	Annotations Annotations `json:"annotations,omitzero"`
	// Needs lists what the calling client must be able to do (ClientElicitation, ClientSampling,
	// ClientRoots); a client without it gets CodeClientCapability and the tool is not called.
	Needs []string `json:"needs,omitempty"`
	// Scopes are what a credential needs for the tool beside read:tools or write:tools: ScopeData,
	// ScopeChat or ScopeAdmin. One without them is not shown the tool, and gets CodeForbidden.
	Scopes []string `json:"scopes,omitempty"`
	// Task says whether a call may become a task, which its client comes back for: TaskOptional,
	// TaskRequired or, where empty, never. Only MCP has tasks; REST's runs are there for every tool.
	Task string `json:"task,omitempty"`
	// AsksFirst says of a tool with a Task that whatever it asks its client it asks before its work
	// begins: a call without answers is not a task yet.
	AsksFirst bool `json:"asks_first,omitempty"`
	// ErrorCode replaces CodeUpstream on the surfaces when the tool's upstream fails, such as
	// "OPENAI_ERROR". Empty keeps CodeUpstream.
	ErrorCode Code `json:"error_code,omitempty"`
	// Icons are pictures that a client may show beside the tool's title, at most MaxIcons.
	Icons []Icon `json:"icons,omitempty"`
}

// The scopes that a tool may ask for.
const (
	ScopeData  = "read:data"
	ScopeChat  = "chat"
	ScopeAdmin = "admin"
)

// Icon is one picture, in one or more sizes.
type Icon struct {
	// Src is where the picture is: a data: URI, which every client can show, or an https: URL, which
	// the client fetches itself. At most MaxIconBytes.
	Src string `json:"src"`
	// MIMEType is its type, such as image/png, where Src does not say it.
	MIMEType string `json:"mime_type,omitempty"`
	// Sizes are such as "48x48", or "any" for a drawing that scales.
	Sizes []string `json:"sizes,omitempty"`
	// Theme is "light" or "dark" for the background that it is made for; empty is any.
	Theme string `json:"theme,omitempty"`
}

// Annotations say how a tool behaves. ReadOnly is more than a hint: a principal with the scope
// read:tools alone may call only tools that are ReadOnly.
type Annotations struct {
	// ReadOnly says that the tool changes nothing outside its answer.
	ReadOnly bool `json:"read_only,omitempty"`
	// Destructive says that the tool may delete or overwrite. A tenant's policy may want a person to
	// confirm each such call before the tool runs.
	Destructive bool `json:"destructive,omitempty"`
	// Idempotent says that a second equal call has no further effect.
	Idempotent bool `json:"idempotent,omitempty"`
	// OpenWorld says that the tool reaches things outside the host.
	OpenWorld bool `json:"open_world,omitempty"`
}

// Prompt is a text template for a model that a person picks.
type Prompt struct {
	Name        string           `json:"name"`
	Title       string           `json:"title,omitempty"`
	Description string           `json:"description,omitempty"`
	Arguments   []PromptArgument `json:"arguments,omitempty"`
}

// PromptArgument is one argument of a Prompt; all are strings.
type PromptArgument struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
}

// Resource is a document at a fixed URI.
type Resource struct {
	URI         string `json:"uri"`
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	MIMEType    string `json:"mime_type,omitempty"`
}

// Template is a family of documents: URITemplate is an RFC 6570 template.
type Template struct {
	URITemplate string `json:"uri_template"`
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	MIMEType    string `json:"mime_type,omitempty"`
}

// When a call becomes a task, for Tool.Task.
const (
	// TaskOptional makes it a task for clients that know tasks; others wait for the answer.
	TaskOptional = "optional"
	// TaskRequired refuses MCP clients that do not know tasks.
	TaskRequired = "required"
)

// What a client may be able to do, for Tool.Needs and Client.Can.
const (
	ClientElicitation = "elicitation"
	ClientSampling    = "sampling"
	ClientRoots       = "roots"
)
