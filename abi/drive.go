// Copyright 2026 The Gantry Authors.

package abi

// The operations on the tenant's knowledge base ("Drive"): documents that people put there and that
// a guest may search and read, never change. All need Rights.Drive = read, and a caller with the
// scope read:data.
const (
	// OpDriveSearch takes a DriveSearch and answers a DriveHits.
	OpDriveSearch = "drive.search"
	// OpDriveRead takes a DriveRead and answers a DriveText. A path that is not there is CodeNotFound.
	OpDriveRead = "drive.read"
	// OpDriveList takes a DriveList and answers a DrivePage.
	OpDriveList = "drive.list"
)

// DriveRights is what Rights.Drive may be, where it is not empty.
const DriveRights = "read"

// DriveDocument describes a document of the knowledge base. Modified is in RFC 3339.
type DriveDocument struct {
	// Path is the document's name: parts with slashes between, such as contracts/2026/lease.md.
	Path      string   `json:"path"`
	Title     string   `json:"title,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	MediaType string   `json:"media_type"`
	// Size is the length of the text, in bytes of UTF-8. For HTML it is the text made from it.
	Size     int64  `json:"size"`
	Revision uint64 `json:"revision"`
	Modified string `json:"modified"`
}

// DriveSearch looks for documents. Words of the query stand alone (cat), together ("black cat") or
// for what must not be there (-dog, -"black dog"). Documents that have all words are found; where no
// document has them all, those with any, and DriveHits.Any says so.
type DriveSearch struct {
	Query string `json:"query"`
	// Under keeps to one document or to what lies below one folder, such as contracts/2026.
	Under string `json:"under,omitempty"`
	// Tags keeps to documents that have all of these.
	Tags []string `json:"tags,omitempty"`
	// Limit is 5 where 0, and 50 at most.
	Limit  int    `json:"limit,omitempty"`
	Cursor string `json:"cursor,omitempty"`
}

// DriveHits is a page of what was found, best first; Next is "" on the last.
type DriveHits struct {
	Hits []DriveHit `json:"hits"`
	// Total counts all documents found, on every page.
	Total int64 `json:"total"`
	// Any says that no document has all words of the query, so these have some.
	Any  bool   `json:"any,omitempty"`
	Next string `json:"next,omitempty"`
}

// DriveHit is one document found. Score compares hits of one answer.
type DriveHit struct {
	DriveDocument
	Score    float64        `json:"score"`
	Snippets []DriveSnippet `json:"snippets,omitempty"`
}

// DriveSnippet is a piece of the text in which words of the query stand. Line counts from 1; Offset
// is where it begins, for DriveRead.
type DriveSnippet struct {
	Text   string `json:"text"`
	Line   int    `json:"line"`
	Offset int64  `json:"offset"`
}

// DriveRead asks for a piece of a document's text.
type DriveRead struct {
	Path string `json:"path"`
	// Offset is the byte to begin at. Inside a character it means that character's beginning.
	Offset int64 `json:"offset,omitempty"`
	// Limit bounds the piece in bytes: 16 KiB where 0, and 256 KiB at most. A piece ends with a whole
	// character and, where it can, with a whole line.
	Limit int `json:"limit,omitempty"`
}

// DriveText is a piece of a document's text. Offset and Line say where it begins; Next is the offset
// of what follows, 0 at the document's end.
type DriveText struct {
	DriveDocument
	Text   string `json:"text"`
	Offset int64  `json:"offset"`
	Line   int    `json:"line"`
	Next   int64  `json:"next,omitempty"`
}

// DriveList asks for documents whose paths begin with Prefix, in order of paths, after Cursor.
type DriveList struct {
	Prefix string `json:"prefix,omitempty"`
	Cursor string `json:"cursor,omitempty"`
	// Limit is 100 where 0, and 1,000 at most.
	Limit int `json:"limit,omitempty"`
}

// DrivePage is a page of documents; Next is "" on the last.
type DrivePage struct {
	Documents []DriveDocument `json:"documents"`
	Next      string          `json:"next,omitempty"`
}
