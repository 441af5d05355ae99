// Copyright 2026 The Gantry Authors.

package abi

import "encoding/json"

// The operations of ImportOp. Requests and responses are JSON. An operation the plugin has no right
// to fails with CodeForbidden and a hint that names the line to add to its settings.
const (
	// OpContext takes nothing and answers a Context.
	OpContext = "context"
	// OpConfig takes nothing and answers the plugin's settings, a JSON object ({} where there are none).
	OpConfig = "config"
	// OpFetch takes a FetchRequest and answers a FetchResponse. Needs Rights.Hosts.
	OpFetch = "fetch"
	// OpFetchNext takes a FetchNext and answers a FetchChunk: the next piece of a streamed response.
	OpFetchNext = "fetch.next"
	// OpFileRead takes a FileRequest and answers a FileData. Needs Rights.Files.
	OpFileRead = "file.read"
	// OpFileWrite takes a FileWrite and answers a FileInfo. The folders above the path are made. Needs
	// Rights.Files = write.
	OpFileWrite = "file.write"
	// OpFileList takes a FileRequest that names a folder and answers a FileList in order of names.
	OpFileList = "file.list"
	// OpFileStat takes a FileRequest and answers a FileInfo.
	OpFileStat = "file.stat"
	// OpFileDelete takes a FileRequest and answers {}. A folder must be empty. Deleting what is not there
	// is CodeNotFound.
	OpFileDelete = "file.delete"
	// OpKVGet takes a KVRequest and answers a KVEntry. Needs Rights.KV, as the next three.
	OpKVGet = "kv.get"
	// OpKVPut takes a KVPut and answers a KVEntry without its value.
	OpKVPut = "kv.put"
	// OpKVDelete takes a KVRequest and answers {}. Deleting what is not there is no error.
	OpKVDelete = "kv.delete"
	// OpKVList takes a KVList and answers a KVPage.
	OpKVList = "kv.list"
	// OpCall takes a CallRequest and answers a Result: another plugin's tool, as the same principal.
	// Needs Rights.Tools. Calls nest at most 8 deep.
	OpCall = "call"
	// OpChanged takes a Changed and answers {}: it tells connected clients that a list or a resource
	// of this plugin has changed.
	OpChanged = "changed"
)

// Context says for whom and within what a call runs.
type Context struct {
	Tenant    string `json:"tenant"`
	User      string `json:"user,omitempty"`
	Workspace string `json:"workspace,omitempty"`
	Plugin    string `json:"plugin"`
	Tool      string `json:"tool"`
	CallID    string `json:"call_id"`
	RequestID string `json:"request_id,omitempty"`
	SessionID string `json:"session_id,omitempty"`
	// DeadlineMS is the wall time left, in milliseconds, when it was asked.
	DeadlineMS int64 `json:"deadline_ms"`
	// Metadata is what the REST caller sent beside the input.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Client says what is known of the MCP client; zero on other surfaces.
	Client Client `json:"client,omitzero"`
	// Answers are the client's answers to the InputRequired of the run before, by key, as MCP writes
	// them; State is what that InputRequired held.
	Answers map[string]json.RawMessage `json:"answers,omitempty"`
	State   string                     `json:"state,omitempty"`
}

// Client is what an MCP client said of itself.
type Client struct {
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	Protocol string `json:"protocol,omitempty"`
	// Can lists ClientElicitation, ClientSampling, ClientRoots as declared.
	Can []string `json:"can,omitempty"`
	// ProgressToken is the caller's progress token in JSON, absent where it asked for no progress.
	ProgressToken json.RawMessage `json:"progress_token,omitempty"`
}

// Header is one HTTP header line. Names keep the case they came with.
type Header struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// FetchRequest is one outbound HTTP request.
type FetchRequest struct {
	// Method is GET where empty.
	Method  string   `json:"method,omitempty"`
	URL     string   `json:"url"`
	Headers []Header `json:"headers,omitempty"`
	Body    []byte   `json:"body,omitempty"`
	// TimeoutMS bounds the whole exchange; 0 and more than the call has left mean the call's own deadline.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
	// MaxBytes bounds the response body; 0 and more than the host's limit mean that limit. A longer
	// body is CodeLimit.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Stream answers after the headers; the body is read with OpFetchNext.
	Stream bool `json:"stream,omitempty"`
}

// FetchResponse is the answer, whatever its status.
type FetchResponse struct {
	Status  int      `json:"status"`
	URL     string   `json:"url"`
	Headers []Header `json:"headers,omitempty"`
	Body    []byte   `json:"body,omitempty"`
	// Stream is the handle for OpFetchNext where one was asked for. Handles end with the call.
	Stream int32 `json:"stream,omitempty"`
}

// FetchNext asks for the next piece of a streamed body.
type FetchNext struct {
	Stream int32 `json:"stream"`
	// MaxBytes bounds the piece; 0 means 64 KiB.
	MaxBytes int64 `json:"max_bytes,omitempty"`
	// Close ends the stream early.
	Close bool `json:"close,omitempty"`
}

// FetchChunk is a piece of a streamed body as it arrived; End says that nothing follows.
type FetchChunk struct {
	Data []byte `json:"data,omitempty"`
	End  bool   `json:"end,omitempty"`
}

// FileRequest names a file or folder by a relative slash path; "" and "." are the plugin's folder.
type FileRequest struct {
	Path string `json:"path"`
}

// FileWrite puts a whole file in place, atomically.
type FileWrite struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// FileData is a whole file.
type FileData struct {
	Data []byte `json:"data"`
}

// FileInfo describes a file or folder; Modified is in RFC 3339.
type FileInfo struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	Dir      bool   `json:"dir,omitempty"`
	Modified string `json:"modified"`
}

// FileList is the content of a folder.
type FileList struct {
	Entries []FileInfo `json:"entries"`
}

// KVRequest names an entry. A key has 1 to 512 bytes.
type KVRequest struct {
	Key string `json:"key"`
}

// KVPut writes an entry.
type KVPut struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
	// TTLMS lets the entry end after so many milliseconds; 0 keeps it.
	TTLMS int64 `json:"ttl_ms,omitempty"`
	// IfRevision, where it is not nil, makes the write fail with CodeConflict unless the entry has
	// this revision; 0 means that it must not exist.
	IfRevision *uint64 `json:"if_revision,omitempty"`
}

// KVEntry is an entry and its revision.
type KVEntry struct {
	Key      string `json:"key"`
	Value    []byte `json:"value,omitempty"`
	Revision uint64 `json:"revision"`
}

// KVList asks for entries whose keys begin with Prefix, in order, after Cursor.
type KVList struct {
	Prefix string `json:"prefix,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	// Limit is 100 where 0, and 1,000 at most.
	Limit int `json:"limit,omitempty"`
}

// KVPage is a page of keys (entries without their values); Next is "" on the last.
type KVPage struct {
	Entries []KVEntry `json:"entries"`
	Next    string    `json:"next,omitempty"`
}

// CallRequest calls another tool.
type CallRequest struct {
	Tool  string          `json:"tool"`
	Input json.RawMessage `json:"input"`
}

// Changed says what changed: any of "tools", "prompts", "resources", and URIs of resources whose
// text is new.
type Changed struct {
	Lists []string `json:"lists,omitempty"`
	URIs  []string `json:"uris,omitempty"`
}
