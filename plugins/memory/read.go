// Copyright 2026 The Gantry Authors.

package main

import (
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

const readDoc = "Read the user's persistent memory: text files under paths such as people/ada.md. Give exactly one of: " +
	"path (one file), prefix (list the files below it, \"\" for all, page by page), or paths (up to 50 files at once). " +
	"A file that is not there is NOT_FOUND; among paths it does not fail the others. Long files come in pieces: go on with " +
	"offset = next_offset. The revision that comes along guards a later write_memory, append_memory or delete_memory. " +
	"To find something by its words, use search_memory."

// What one answer holds: a model should not have to read a megabyte to learn that a file is long.
const (
	pieceBytes = 64 << 10
	manyBytes  = 256 << 10
	listLimit  = 50
)

type readIn struct {
	Path   string   `json:"path,omitempty" doc:"One file to read" example:"people/ada.md" minLength:"1"`
	Offset int64    `json:"offset,omitempty" doc:"With path: the byte to begin at, from next_offset" minimum:"0"`
	Prefix *string  `json:"prefix,omitempty" doc:"List the files whose paths begin with this; empty lists all" example:"people/"`
	Cursor string   `json:"cursor,omitempty" doc:"With prefix: next_cursor of the page before"`
	Limit  int      `json:"limit,omitempty" doc:"With prefix: files on a page, 50 where it is left out" minimum:"1" maximum:"1000"`
	Paths  []string `json:"paths,omitempty" doc:"Several files to read, 1 to 50"`
}

type readOut struct {
	File       *fileOut     `json:"file,omitempty" doc:"The file, where path was given"`
	Entries    []entryOut   `json:"entries,omitempty" doc:"The files listed, in order of paths, where prefix was given; absent where there is none"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"There are more files: list again with this as cursor"`
	Files      []oneOfFiles `json:"files,omitempty" doc:"The files in the order of paths, each with its content or its error"`
}

type entryOut struct {
	Path     string `json:"path"`
	Size     int64  `json:"size" doc:"Bytes"`
	Revision uint64 `json:"revision" doc:"Grows with each change of the file"`
	Modified string `json:"modified" doc:"RFC 3339"`
}

type fileOut struct {
	Path       string `json:"path"`
	Content    string `json:"content"`
	Size       int64  `json:"size" doc:"Bytes of the whole file"`
	Revision   uint64 `json:"revision" doc:"Grows with each change of the file"`
	Modified   string `json:"modified" doc:"RFC 3339"`
	Offset     int64  `json:"offset,omitempty" doc:"The byte at which content begins"`
	NextOffset int64  `json:"next_offset,omitempty" doc:"There is more of the file: read on from this offset"`
}

type oneOfFiles struct {
	Path  string    `json:"path" doc:"As it was asked for"`
	File  *fileOut  `json:"file,omitempty"`
	Error *errorOut `json:"error,omitempty"`
}

type errorOut struct {
	Code    string `json:"code" doc:"NOT_FOUND, INVALID_ARG, or LIMIT_EXCEEDED for a file that is to be read by itself"`
	Message string `json:"message"`
}

func readMemory(ctx *pdk.Context, in readIn) (readOut, error) {
	if err := in.check(); err != nil {
		return readOut{}, err
	}
	switch {
	case in.Prefix != nil:
		return list(ctx, in)
	case in.Paths != nil:
		return readMany(ctx, in.Paths)
	}
	f, err := ctx.Memory().ReadPiece(abi.MemoryRead{Path: in.Path, Offset: in.Offset, Limit: pieceBytes})
	if err != nil {
		return readOut{}, err
	}
	return readOut{File: fileFrom(&f)}, nil
}

// oneForm is err with the fields that it is about.
func oneForm(err *pdk.Error) error {
	return pdk.With(err, pdk.More{Details: map[string][]string{"fields": {"path", "prefix", "paths"}}})
}

// check holds the arguments to one of the three forms.
func (in *readIn) check() error {
	var given []string
	for _, form := range []struct {
		name string
		is   bool
	}{{"path", in.Path != ""}, {"prefix", in.Prefix != nil}, {"paths", in.Paths != nil}} {
		if form.is {
			given = append(given, form.name)
		}
	}
	switch {
	case len(given) == 0:
		return oneForm(pdk.Errorf(abi.CodeInvalidArg, "none of path, prefix and paths is there; give exactly one of them"))
	case len(given) > 1:
		return oneForm(pdk.Errorf(abi.CodeInvalidArg, "path, prefix and paths: give exactly one of them, not %s", strings.Join(given, " and ")))
	case in.Path == "" && in.Offset != 0:
		return pdk.Invalid("offset", "it goes with path alone")
	case in.Prefix == nil && in.Cursor != "":
		return pdk.Invalid("cursor", "it goes with prefix alone")
	case in.Prefix == nil && in.Limit != 0:
		return pdk.Invalid("limit", "it goes with prefix alone")
	case in.Paths != nil && (len(in.Paths) < 1 || len(in.Paths) > abi.MaxMemoryPaths):
		return pdk.Invalid("paths", "there are %d; give 1 to %d", len(in.Paths), abi.MaxMemoryPaths)
	}
	return nil
}

func list(ctx *pdk.Context, in readIn) (readOut, error) {
	if in.Limit == 0 {
		in.Limit = listLimit
	}
	page, err := ctx.Memory().List(abi.MemoryList{Prefix: *in.Prefix, Cursor: in.Cursor, Limit: in.Limit})
	out := readOut{NextCursor: page.Next}
	for _, e := range page.Entries {
		out.Entries = append(out.Entries, entryOut(e))
	}
	return out, err
}

func readMany(ctx *pdk.Context, paths []string) (readOut, error) {
	files, err := ctx.Memory().ReadMany(abi.MemoryReadMany{Paths: paths, Limit: manyBytes})
	var out readOut
	for _, f := range files {
		one := oneOfFiles{Path: f.Path}
		if f.File != nil {
			one.File = fileFrom(f.File)
		}
		if f.Error != nil {
			one.Error = &errorOut{string(f.Error.Code), f.Error.Message}
		}
		out.Files = append(out.Files, one)
	}
	return out, err
}

func fileFrom(f *abi.MemoryFile) *fileOut {
	return &fileOut{
		Path: f.Path, Content: f.Content, Size: f.Size, Revision: f.Revision, Modified: f.Modified,
		Offset: f.Offset, NextOffset: f.Next,
	}
}
