// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"
	"encoding/base64"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bounds of one read.
const (
	MaxReadBytes     = 256 << 10
	DefaultReadBytes = 16 << 10
)

// Get describes a document. One that is not there is abi.CodeNotFound.
func (s *Service) Get(ctx context.Context, tenant host.TenantID, path string) (abi.DriveDocument, error) {
	h, path, err := s.at(tenant, path)
	if err != nil {
		return abi.DriveDocument{}, err
	}
	r, err := h.readRecord(ctx, path)
	if err != nil {
		return abi.DriveDocument{}, err
	}
	if r == nil {
		return abi.DriveDocument{}, notFound(path)
	}
	return r.document(path), nil
}

// Source returns a document as it was put, byte for byte.
func (s *Service) Source(ctx context.Context, tenant host.TenantID, path string) (abi.DriveDocument, []byte, error) {
	h, path, err := s.at(tenant, path)
	if err != nil {
		return abi.DriveDocument{}, nil, err
	}
	body, r, err := stable(ctx, h, path, func(r *record) (string, error) {
		if r.Source > 0 {
			return h.readBody(ctx, r.Body, bodySource, 0, r.Source)
		}
		return h.readBody(ctx, r.Body, bodyText, 0, r.Size)
	})
	if err != nil {
		return abi.DriveDocument{}, nil, err
	}
	if r == nil {
		return abi.DriveDocument{}, nil, notFound(path)
	}
	return r.document(path), []byte(body), nil
}

// Read returns a piece of a document's text; see abi.DriveRead.
func (s *Service) Read(ctx context.Context, tenant host.TenantID, in abi.DriveRead) (abi.DriveText, error) {
	h, path, err := s.at(tenant, in.Path)
	if err != nil {
		return abi.DriveText{}, err
	}
	switch {
	case in.Limit < 0 || in.Limit > MaxReadBytes:
		return abi.DriveText{}, invalid("limit is %d; use 1 to %d, or 0 for %d", in.Limit, MaxReadBytes, DefaultReadBytes)
	case in.Limit == 0:
		in.Limit = DefaultReadBytes
	}
	out, r, err := stable(ctx, h, path, func(r *record) (abi.DriveText, error) { return h.readRange(ctx, r, in) })
	if err != nil {
		return abi.DriveText{}, err
	}
	if r == nil {
		return abi.DriveText{}, notFound(path)
	}
	out.DriveDocument = r.document(path)
	return out, nil
}

// readRange reads from the beginning of the piece that holds the offset, to count its lines, and a
// little more than asked for, to end well.
func (h *shelf) readRange(ctx context.Context, r *record, in abi.DriveRead) (abi.DriveText, error) {
	if in.Offset < 0 || in.Offset > r.Size {
		return abi.DriveText{}, invalid("offset is %d; the document has %d bytes", in.Offset, r.Size)
	}
	n := int(in.Offset / pieceBytes)
	from := int64(max(0, n*pieceBytes-4)) // a character may begin in the piece before
	text, err := h.readBody(ctx, r.Body, bodyText, from, min(in.Offset+int64(in.Limit)+4, r.Size))
	if err != nil {
		return abi.DriveText{}, err
	}
	start := wholeRune(text, int(in.Offset-from))
	end := goodEnd(text, start, in.Limit, from+int64(len(text)) == r.Size)
	out := abi.DriveText{Text: text[start:end], Offset: from + int64(start), Line: 1}
	if n < len(r.Lines) {
		out.Line += r.Lines[n]
	}
	piece := n*pieceBytes - int(from)
	if start >= piece {
		out.Line += strings.Count(text[piece:start], "\n")
	} else {
		out.Line -= strings.Count(text[start:piece], "\n")
	}
	if next := from + int64(end); next < r.Size {
		out.Next = next
	}
	return out, nil
}

// goodEnd is where a piece of text that begins at start and has about limit bytes ends: after a line
// where there is one in its second half, else after a character, and never without having moved.
func goodEnd(text string, start, limit int, last bool) int {
	end := min(start+limit, len(text))
	if end == len(text) && last {
		return end
	}
	end = wholeRune(text, end)
	if i := strings.LastIndexByte(text[start:end], '\n'); i >= limit/2 {
		return start + i + 1
	}
	for end <= start && end < len(text) { // a limit of less than one character still gets one
		end++
		for end < len(text) && wholeRune(text, end) != end {
			end++
		}
	}
	return end
}

// List pages through the documents whose paths begin with a prefix; see abi.DriveList. The store
// lists below whole segments only, and a path is one, so the listing begins at the prefix itself and
// stops at the first path that does not have it.
func (s *Service) List(ctx context.Context, tenant host.TenantID, in abi.DriveList) (abi.DrivePage, error) {
	page := abi.DrivePage{Documents: []abi.DriveDocument{}}
	h, err := s.shelf(tenant)
	if err != nil {
		return page, err
	}
	limit, from, err := listArgs(&in)
	if err != nil {
		return page, err
	}
	cursor := ""
	if from != "" {
		cursor = store.CursorAfter(h.key(from))
		if in.Cursor == "" { // the prefix may itself be a path, and a cursor begins behind it
			r, err := h.readRecord(ctx, from)
			if err != nil {
				return page, err
			}
			if r != nil {
				page.Documents = append(page.Documents, r.document(from))
			}
		}
	}
	prefix := h.folder()
	for {
		// One more than wanted tells whether something follows.
		got, err := s.store.List(ctx, prefix, cursor, min(limit+1-len(page.Documents), store.MaxPage))
		if err != nil {
			return page, err
		}
		for _, rec := range got.Records {
			path := rec.Key[len(prefix)]
			if !strings.HasPrefix(path, in.Prefix) {
				return page, nil
			}
			if len(page.Documents) == limit {
				page.Next = base64.RawURLEncoding.EncodeToString([]byte(page.Documents[limit-1].Path))
				return page, nil
			}
			r, err := decodeRecord(rec)
			if err != nil {
				return page, err
			}
			page.Documents = append(page.Documents, r.document(path))
		}
		if cursor = got.Next; cursor == "" {
			return page, nil
		}
	}
}

// listArgs returns the limit and the path to begin at: the cursor's, or the prefix. It makes the
// prefix what paths look like.
func listArgs(in *abi.DriveList) (limit int, from string, err error) {
	switch {
	case in.Limit < 0 || in.Limit > store.MaxPage:
		return 0, "", invalid("limit is %d; use 1 to %d, or 0 for %d", in.Limit, store.MaxPage, store.DefaultPage)
	case in.Limit == 0:
		in.Limit = store.DefaultPage
	}
	if in.Prefix, err = cleanFolder(in.Prefix, "prefix", true); err != nil {
		return 0, "", err
	}
	if in.Cursor == "" {
		return in.Limit, in.Prefix, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err != nil {
		return 0, "", invalid("cursor is not one that was given; start again without it")
	}
	last := string(raw)
	if clean, err := CleanPath(last); err != nil || clean != last || !strings.HasPrefix(last, in.Prefix) {
		return 0, "", invalid("cursor is not one of this listing; start again without it")
	}
	return in.Limit, last, nil
}

// cleanFolder is CleanPath for the name of a folder, or of all, which is "". With partial a slash at
// the end stays, because "a/" and "a" begin different paths.
func cleanFolder(p, field string, partial bool) (string, error) {
	trimmed := strings.TrimRight(p, "/")
	if strings.Trim(trimmed, "/.") == "" && !strings.Contains(p, "..") {
		return "", nil
	}
	clean, err := CleanPath(trimmed)
	if err != nil {
		e := invalid("%s", strings.Replace(host.Outward(err).Message, "path", field, 1))
		return "", e
	}
	if partial && len(trimmed) < len(p) {
		clean += "/"
	}
	return clean, nil
}

// at is the shelf of a tenant and the one spelling of a path.
func (s *Service) at(tenant host.TenantID, path string) (*shelf, string, error) {
	path, err := CleanPath(path)
	if err != nil {
		return nil, "", err
	}
	h, err := s.shelf(tenant)
	return h, path, err
}
