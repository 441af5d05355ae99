// Copyright 2026 The Gantry Authors.

package abi

// The operations on the memory of the caller: text files that last, for the user of the call alone,
// or for the whole tenant where its key names no user. Reading needs Rights.Memory and a caller with
// the scope read:data; changing needs it to be "write" and the scope write:tools besides.
const (
	// OpMemoryRead takes a MemoryRead and answers a MemoryFile. A path that is not there is CodeNotFound.
	OpMemoryRead = "memory.read"
	// OpMemoryList takes a MemoryList and answers a MemoryPage.
	OpMemoryList = "memory.list"
	// OpMemoryReadMany takes a MemoryReadMany and answers a MemoryFiles.
	OpMemoryReadMany = "memory.read_many"
	// OpMemoryWrite takes a MemoryWrite and answers a MemoryInfo.
	OpMemoryWrite = "memory.write"
	// OpMemoryAppend takes a MemoryAppend and answers a MemoryInfo. A file that is not there is made.
	// Appends at the same time all take place, in some order.
	OpMemoryAppend = "memory.append"
	// OpMemoryDelete takes a MemoryDelete and answers {}. A path that is not there is CodeNotFound.
	OpMemoryDelete = "memory.delete"
	// OpMemorySearch takes a MemorySearch and answers a MemoryHits.
	OpMemorySearch = "memory.search"
)

// MaxMemoryPaths bounds the paths of one MemoryReadMany; more are CodeInvalidArg.
const MaxMemoryPaths = 50

// MemoryInfo describes a file. Its path is parts with slashes between, without one in front, such as
// projects/gantry.md. Modified is in RFC 3339.
type MemoryInfo struct {
	Path     string `json:"path"`
	Size     int64  `json:"size"`
	Revision uint64 `json:"revision"`
	Modified string `json:"modified"`
}

// MemoryRead asks for a file, or a piece of it.
type MemoryRead struct {
	Path string `json:"path"`
	// Offset is the byte to begin at. Inside a character it means that character's beginning.
	Offset int64 `json:"offset,omitempty"`
	// Limit bounds the piece in bytes; 0 means all that follows. A piece ends with a whole character.
	Limit int64 `json:"limit,omitempty"`
}

// MemoryFile is a file, or a piece of it. Offset is where the piece begins and Next where the next
// one does; both are 0 for a whole file, and Next also for the last piece.
type MemoryFile struct {
	MemoryInfo
	Content string `json:"content"`
	Offset  int64  `json:"offset,omitempty"`
	Next    int64  `json:"next,omitempty"`
}

// MemoryReadMany asks for up to MaxMemoryPaths files.
type MemoryReadMany struct {
	Paths []string `json:"paths"`
	// Limit bounds what they have together, in bytes: 1 MiB where 0, and 4 MiB at most.
	Limit int64 `json:"limit,omitempty"`
}

// MemoryFiles are the files in the order they were asked for.
type MemoryFiles struct {
	Files []MemoryResult `json:"files"`
}

// MemoryResult is a file or why it could not be read: CodeNotFound, CodeInvalidArg for what is no
// path, or CodeLimit where those before it left no room. Path is as it was asked for.
type MemoryResult struct {
	Path  string      `json:"path"`
	File  *MemoryFile `json:"file,omitempty"`
	Error *Error      `json:"error,omitempty"`
}

// MemoryList asks for files whose paths begin with Prefix, in order of paths, after Cursor.
type MemoryList struct {
	Prefix string `json:"prefix,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	// Limit is 100 where 0, and 1,000 at most.
	Limit int `json:"limit,omitempty"`
}

// MemoryPage is a page of files; Next is "" on the last.
type MemoryPage struct {
	Entries []MemoryInfo `json:"entries"`
	Next    string       `json:"next,omitempty"`
}

// MemoryWrite puts a whole file in place, atomically.
type MemoryWrite struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	// IfRevision, where it is not nil, makes the change fail with CodeConflict unless the file has
	// this revision; 0 means that it must not exist. The error's details are {"path", "revision"},
	// the revision it has now.
	IfRevision *uint64 `json:"if_revision,omitempty"`
}

// MemoryAppend adds to the end of a file.
type MemoryAppend struct {
	Path    string `json:"path"`
	Content string `json:"content"`
	// NewLine begins a new line where the file does not end with one.
	NewLine bool `json:"new_line,omitempty"`
	// IfRevision is as in MemoryWrite.
	IfRevision *uint64 `json:"if_revision,omitempty"`
}

// MemoryDelete removes a file.
type MemoryDelete struct {
	Path string `json:"path"`
	// IfRevision is as in MemoryWrite.
	IfRevision *uint64 `json:"if_revision,omitempty"`
}

// MemorySearch looks for files that hold all words of Query, in their text or their path; capitals
// and small letters are the same.
type MemorySearch struct {
	Query string `json:"query"`
	// Prefix keeps to files whose paths begin with it.
	Prefix string `json:"prefix,omitempty"`
	// Limit is how many files are answered: 10 where 0, and 50 at most.
	Limit int `json:"limit,omitempty"`
}

// MemoryHits are the files found: first those that hold the words as they stand in the query, then
// the others, each in order of paths. More says that there are others. Partial, where it is not
// empty, says why not every file was looked at.
type MemoryHits struct {
	Hits    []MemoryHit `json:"hits"`
	More    bool        `json:"more,omitempty"`
	Partial string      `json:"partial,omitempty"`
}

// MemoryHit is a file found and its best lines. Matches counts all lines that hold a word.
type MemoryHit struct {
	MemoryInfo
	Matches int          `json:"matches"`
	Lines   []MemoryLine `json:"lines,omitempty"`
}

// MemoryLine is a line of a file, or a piece of a long one. Line counts from 1.
type MemoryLine struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}
