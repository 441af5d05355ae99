// Copyright 2026 The Gantry Authors.

package pdktest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// document is one document of the tenant's knowledge base.
type document struct {
	abi.DriveDocument
	text string
}

// PutDocument puts a document into the tenant's knowledge base. What it leaves out is filled in.
//
// The search of a test host knows plain words and tags; it does not rank, and it knows no word forms.
func (h *Host) PutDocument(doc abi.DriveDocument, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.rev++
	doc.Path, doc.Size, doc.Revision = path.Clean(doc.Path), int64(len(text)), h.rev
	if doc.MediaType == "" {
		doc.MediaType = "text/plain"
	}
	if doc.Modified == "" {
		doc.Modified = time.Now().UTC().Format(time.RFC3339)
	}
	if h.drive == nil {
		h.drive = map[string]document{}
	}
	h.drive[doc.Path] = document{doc, text}
}

func (c *call) driveAllowed() error {
	if g := c.h.Grants; g != nil && g.Drive != abi.DriveRights {
		return forbidden("the knowledge base", "drive: read")
	}
	return nil
}

// documents returns those that keep says yes to, in order of paths.
func (h *Host) documents(keep func(document) bool) []document {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []document
	for _, d := range h.drive {
		if keep(d) {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b document) int { return strings.Compare(a.Path, b.Path) })
	return out
}

func (c *call) driveSearch(req abi.DriveSearch) (*abi.DriveHits, error) {
	if err := c.driveAllowed(); err != nil {
		return nil, err
	}
	words := strings.Fields(strings.ToLower(strings.ReplaceAll(req.Query, `"`, " ")))
	if len(words) == 0 {
		return nil, pdk.Invalid("query", "it has no words")
	}
	found := c.h.documents(func(d document) bool { return d.below(req.Under) && d.tagged(req.Tags) && d.has(words) })
	from, to, next, err := pageOf(len(found), req.Cursor, req.Limit, 5)
	if err != nil {
		return nil, err
	}
	hits := &abi.DriveHits{Hits: []abi.DriveHit{}, Total: int64(len(found)), Next: next}
	for _, d := range found[from:to] {
		hits.Hits = append(hits.Hits, abi.DriveHit{DriveDocument: d.DriveDocument, Score: 1, Snippets: d.snippets(words)})
	}
	return hits, nil
}

func (d document) below(folder string) bool {
	folder = strings.Trim(folder, "/")
	return folder == "" || d.Path == folder || strings.HasPrefix(d.Path, folder+"/")
}

func (d document) tagged(tags []string) bool {
	for _, t := range tags {
		if !slices.Contains(d.Tags, t) {
			return false
		}
	}
	return true
}

func (d document) has(words []string) bool {
	text := strings.ToLower(d.Path + " " + d.Title + " " + d.text)
	for _, w := range words {
		if not, is := strings.CutPrefix(w, "-"); strings.Contains(text, not) == is {
			return false
		}
	}
	return true
}

// snippets is the first line with one of the words.
func (d document) snippets(words []string) []abi.DriveSnippet {
	offset := 0
	for i, line := range strings.SplitAfter(d.text, "\n") {
		for _, w := range words {
			if strings.Contains(strings.ToLower(line), w) {
				return []abi.DriveSnippet{{Text: strings.TrimSpace(line), Line: i + 1, Offset: int64(offset)}}
			}
		}
		offset += len(line)
	}
	return nil
}

// pageOf reads a cursor, which is the number of things before the page.
func pageOf(n int, cursor string, limit, usual int) (from, to int, next string, err error) {
	if cursor != "" {
		if from, err = strconv.Atoi(cursor); err != nil || from < 0 || from > n {
			return 0, 0, "", pdk.Invalid("cursor", "it is not one of this listing")
		}
	}
	if limit <= 0 {
		limit = usual
	}
	if to = min(n, from+limit); to < n {
		next = strconv.Itoa(to)
	}
	return from, to, next, nil
}

func (c *call) driveRead(req abi.DriveRead) (*abi.DriveText, error) {
	if err := c.driveAllowed(); err != nil {
		return nil, err
	}
	c.h.mu.Lock()
	d, ok := c.h.drive[path.Clean(req.Path)]
	c.h.mu.Unlock()
	switch {
	case !ok:
		return nil, pdk.Errorf(abi.CodeNotFound, "there is no document %q", req.Path)
	case req.Offset < 0 || req.Offset > d.Size:
		return nil, pdk.Invalid("offset", "%d is not in the document; it has %d bytes", req.Offset, d.Size)
	}
	limit := req.Limit
	if limit <= 0 {
		limit = 16 << 10
	}
	start := wholeRune(d.text, int(req.Offset))
	end := wholeRune(d.text, min(start+limit, len(d.text)))
	out := &abi.DriveText{DriveDocument: d.DriveDocument, Text: d.text[start:end], Offset: int64(start),
		Line: 1 + strings.Count(d.text[:start], "\n")}
	if end < len(d.text) {
		out.Next = int64(end)
	}
	return out, nil
}

// wholeRune moves i back to the beginning of the character it is in.
func wholeRune(s string, i int) int {
	for i > 0 && i < len(s) && !utf8.RuneStart(s[i]) {
		i--
	}
	return i
}

func (c *call) driveList(req abi.DriveList) (*abi.DrivePage, error) {
	if err := c.driveAllowed(); err != nil {
		return nil, err
	}
	if req.Limit < 0 || req.Limit > 1000 {
		return nil, pdk.Invalid("limit", "%s is not 1 to 1000", fmt.Sprint(req.Limit))
	}
	found := c.h.documents(func(d document) bool { return strings.HasPrefix(d.Path, req.Prefix) })
	from, to, next, err := pageOf(len(found), req.Cursor, req.Limit, 100)
	if err != nil {
		return nil, err
	}
	page := &abi.DrivePage{Documents: []abi.DriveDocument{}, Next: next}
	for _, d := range found[from:to] {
		page.Documents = append(page.Documents, d.DriveDocument)
	}
	return page, nil
}
