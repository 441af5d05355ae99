// Copyright 2026 The Gantry Authors.

package pdk

import (
	"iter"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
)

// Memory is what the user of the call wants remembered: text files that last, theirs alone, or their
// tenant's where the caller's key names no user. Reading needs Rights.Memory and a caller whose key
// has the scope read:data; changing needs it to be "write", and the scope write:tools besides.
// Without them it is abi.CodeForbidden.
type Memory struct {
	ctx *Context
}

// Memory returns the memory of the user of the call.
func (c *Context) Memory() Memory { return Memory{c} }

// Read returns a whole file; abi.CodeNotFound where there is none.
func (m Memory) Read(path string) (abi.MemoryFile, error) {
	return m.ReadPiece(abi.MemoryRead{Path: path})
}

// ReadPiece returns a piece of a file; see abi.MemoryRead.
func (m Memory) ReadPiece(read abi.MemoryRead) (abi.MemoryFile, error) {
	return ask[abi.MemoryFile](m.ctx, abi.OpMemoryRead, read)
}

// ReadMany returns up to abi.MaxMemoryPaths files. One that cannot be read has its own error in the
// answer and does not keep the others away.
func (m Memory) ReadMany(read abi.MemoryReadMany) ([]abi.MemoryResult, error) {
	all, err := ask[abi.MemoryFiles](m.ctx, abi.OpMemoryReadMany, read)
	return all.Files, err
}

// List returns a page of files; see abi.MemoryList.
func (m Memory) List(list abi.MemoryList) (abi.MemoryPage, error) {
	return ask[abi.MemoryPage](m.ctx, abi.OpMemoryList, list)
}

// Files goes through all files whose paths begin with prefix, in order, page by page. An error ends
// it.
func (m Memory) Files(prefix string) iter.Seq2[abi.MemoryInfo, error] {
	return func(yield func(abi.MemoryInfo, error) bool) {
		for list := (abi.MemoryList{Prefix: prefix}); ; {
			page, err := m.List(list)
			if err != nil {
				yield(abi.MemoryInfo{}, err)
				return
			}
			for _, e := range page.Entries {
				if !yield(e, nil) {
					return
				}
			}
			if list.Cursor = page.Next; page.Next == "" {
				return
			}
		}
	}
}

// Write puts a whole file in place, whatever was there.
func (m Memory) Write(path, content string) (abi.MemoryInfo, error) {
	return m.WriteWith(abi.MemoryWrite{Path: path, Content: content})
}

// WriteWith is Write, or only over an expected revision (else abi.CodeConflict).
func (m Memory) WriteWith(write abi.MemoryWrite) (abi.MemoryInfo, error) {
	if !utf8.ValidString(write.Content) {
		return abi.MemoryInfo{}, notText()
	}
	return ask[abi.MemoryInfo](m.ctx, abi.OpMemoryWrite, write)
}

// Append adds to the end of a file, or makes it. Nothing is lost when several append at once.
func (m Memory) Append(add abi.MemoryAppend) (abi.MemoryInfo, error) {
	if !utf8.ValidString(add.Content) {
		return abi.MemoryInfo{}, notText()
	}
	return ask[abi.MemoryInfo](m.ctx, abi.OpMemoryAppend, add)
}

// Delete removes a file; abi.CodeNotFound where there is none.
func (m Memory) Delete(del abi.MemoryDelete) error {
	_, err := ask[struct{}](m.ctx, abi.OpMemoryDelete, del)
	return err
}

// Search looks for files by their words; see abi.MemorySearch.
func (m Memory) Search(search abi.MemorySearch) (abi.MemoryHits, error) {
	return ask[abi.MemoryHits](m.ctx, abi.OpMemorySearch, search)
}

// notText refuses what would not cross the border as it is: JSON has no other strings than UTF-8.
func notText() error { return Invalid("content", "it is not UTF-8; memory keeps text") }
