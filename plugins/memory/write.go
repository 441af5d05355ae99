// Copyright 2026 The Gantry Authors.

package main

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

const writeDoc = "Keep a text in the user's persistent memory, so that later conversations can read it: the whole file at path is " +
	"made, or replaced. To add to a file use append_memory. Give if_revision (from read_memory; 0 for a file that must not " +
	"exist yet) so that nothing written meanwhile is lost: a CONFLICT then names the revision there is. " +
	"A file has at most 1 MiB; several small files with telling paths serve better than one long one."

const appendDoc = "Add a text at the end of a file of the user's persistent memory, on a line of its own; a file that is not there is " +
	"made. Nothing is lost when several callers add at once. Use it for logs, lists and notes that grow."

const deleteDoc = "Delete a file from the user's persistent memory, for good. NOT_FOUND where there is none. Give if_revision to delete " +
	"only what was read."

const searchDoc = "Find files of the user's persistent memory by their words. A file is found when all words of the query stand in its " +
	"text or its path, in any order, as words or parts of words; capitals do not matter. Files with the words as they stand in " +
	"the query come first. Each comes with up to three of its lines and their numbers; read_memory reads the whole."

type writeIn struct {
	Path       string  `json:"path" doc:"The file: parts with slashes between" example:"people/ada.md" minLength:"1"`
	Content    string  `json:"content" doc:"The whole text"`
	IfRevision *uint64 `json:"if_revision,omitempty" doc:"Write only over this revision; 0: only where there is no file"`
}

func writeMemory(ctx *pdk.Context, in writeIn) (entryOut, error) {
	info, err := ctx.Memory().WriteWith(abi.MemoryWrite(in))
	return entryOut(info), err
}

type appendIn struct {
	Path    string `json:"path" doc:"The file: parts with slashes between" example:"log/2026-01.md" minLength:"1"`
	Content string `json:"content" doc:"The text to add"`
}

func appendMemory(ctx *pdk.Context, in appendIn) (entryOut, error) {
	info, err := ctx.Memory().Append(abi.MemoryAppend{Path: in.Path, Content: in.Content, NewLine: true})
	return entryOut(info), err
}

type deleteIn struct {
	Path       string  `json:"path" doc:"The file" example:"people/ada.md" minLength:"1"`
	IfRevision *uint64 `json:"if_revision,omitempty" doc:"Delete only this revision"`
}

type deleteOut struct {
	Deleted string `json:"deleted" doc:"The path that is not there any more"`
}

func deleteMemory(ctx *pdk.Context, in deleteIn) (deleteOut, error) {
	err := ctx.Memory().Delete(abi.MemoryDelete(in))
	return deleteOut{in.Path}, err
}

type searchIn struct {
	Query  string `json:"query" doc:"Words to look for" example:"ada birthday" minLength:"1" maxLength:"1000"`
	Prefix string `json:"prefix,omitempty" doc:"Only files whose paths begin with this" example:"people/"`
	Limit  int    `json:"limit,omitempty" doc:"How many files to answer" default:"10" minimum:"1" maximum:"50"`
}

type searchOut struct {
	Hits    []hitOut `json:"hits"`
	More    bool     `json:"more,omitempty" doc:"There are more files than limit"`
	Partial string   `json:"partial,omitempty" doc:"Why not every file was looked at, where that is so"`
}

type hitOut struct {
	Path     string    `json:"path"`
	Revision uint64    `json:"revision"`
	Modified string    `json:"modified" doc:"RFC 3339"`
	Matches  int       `json:"matches" doc:"Lines that hold one of the words; 0 where they stand in the path"`
	Lines    []lineOut `json:"lines,omitempty" doc:"The best of them"`
}

type lineOut struct {
	Line int    `json:"line" doc:"From 1"`
	Text string `json:"text"`
}

func searchMemory(ctx *pdk.Context, in searchIn) (searchOut, error) {
	found, err := ctx.Memory().Search(abi.MemorySearch(in))
	out := searchOut{Hits: []hitOut{}, More: found.More, Partial: found.Partial}
	for _, h := range found.Hits {
		hit := hitOut{Path: h.Path, Revision: h.Revision, Modified: h.Modified, Matches: h.Matches}
		for _, l := range h.Lines {
			hit.Lines = append(hit.Lines, lineOut(l))
		}
		out.Hits = append(out.Hits, hit)
	}
	return out, err
}
