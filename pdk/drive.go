// Copyright 2026 The Gantry Authors.

package pdk

import (
	"iter"

	"github.com/gantryhost/gantry/abi"
)

// Drive is the calling tenant's knowledge base: documents to search and read. All of it needs
// Rights.Drive to be "read", and a caller whose key has the scope read:data; without either it is
// abi.CodeForbidden.
type Drive struct {
	ctx *Context
}

// Drive returns the knowledge base.
func (c *Context) Drive() Drive { return Drive{c} }

// Search looks for documents; see abi.DriveSearch for what a query may say.
func (d Drive) Search(search abi.DriveSearch) (abi.DriveHits, error) {
	return ask[abi.DriveHits](d.ctx, abi.OpDriveSearch, search)
}

// Read returns a piece of a document's text; abi.CodeNotFound where there is no document.
func (d Drive) Read(read abi.DriveRead) (abi.DriveText, error) {
	return ask[abi.DriveText](d.ctx, abi.OpDriveRead, read)
}

// List returns a page of documents; see abi.DriveList.
func (d Drive) List(list abi.DriveList) (abi.DrivePage, error) {
	return ask[abi.DrivePage](d.ctx, abi.OpDriveList, list)
}

// Documents goes through all documents whose paths begin with prefix, in order, page by page. An
// error ends it.
func (d Drive) Documents(prefix string) iter.Seq2[abi.DriveDocument, error] {
	return func(yield func(abi.DriveDocument, error) bool) {
		for list := (abi.DriveList{Prefix: prefix}); ; {
			page, err := d.List(list)
			if err != nil {
				yield(abi.DriveDocument{}, err)
				return
			}
			for _, doc := range page.Documents {
				if !yield(doc, nil) {
					return
				}
			}
			if list.Cursor = page.Next; page.Next == "" {
				return
			}
		}
	}
}
