// Copyright 2026 The Gantry Authors.

// Drive offers search_drive, read_drive and list_drive: the tenant's knowledge base, for models.
// It changes nothing; documents are put there over REST or with gantry drive put.
package main

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

const searchDoc = `Search the organisation's knowledge base (Drive): its documents, policies, contracts, notes.
Use a few plain words; word forms of English and Russian are found alike. "two words" in quotes have to stand together, -word must not occur.
Each hit has a path, snippets and, for each snippet, the offset to give to read_drive. When any_word is true no document had all words.`

const readDoc = `Read a document of the knowledge base (Drive) by its path, from the start or from an offset that search_drive or an earlier read gave.
The answer ends with the offset of what follows, if anything does.`

const listDoc = `List documents of the knowledge base (Drive) by path, such as everything below contracts/. To find something by what it says, use search_drive.`

var _ = pdk.Serve(
	pdk.Plugin{
		Name: "drive", Version: "1.0.0", Summary: "Search and read the organisation's documents",
		Wants: pdk.Rights{Drive: "read"},
	},
	pdk.Tool("search_drive", searchDoc, search, pdk.Title("Search the knowledge base"), needsData, pdk.ReadOnly, pdk.Idempotent,
		pdk.OutputSchema(searchSchema)),
	pdk.Tool("read_drive", readDoc, read, pdk.Title("Read a document"), needsData, pdk.ReadOnly, pdk.Idempotent,
		pdk.OutputSchema(readSchema)),
	pdk.Tool("list_drive", listDoc, list, pdk.Title("List documents"), needsData, pdk.ReadOnly, pdk.Idempotent,
		pdk.OutputSchema(listSchema)),
)

// needsData: documents are data, so a credential that only lists and calls tools has none.
var needsData = pdk.Scopes(abi.ScopeData)

func main() {}
