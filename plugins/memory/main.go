// Copyright 2026 The Gantry Authors.

// Memory lets models read and keep what their user wants remembered: read_memory, search_memory,
// write_memory, append_memory and delete_memory.
//
// It keeps nothing itself and decides nothing: whose memory it is and who may change it is the
// host's to say.
package main

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

var _ = pdk.Serve(
	pdk.Plugin{
		Name: "memory", Version: "1.0.0", Summary: "Read, search and keep the user's persistent memory",
		Wants: pdk.Rights{Memory: abi.MemoryRightWrite},
	},
	pdk.Tool("read_memory", readDoc, readMemory, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Read memory"), needsData),
	pdk.Tool("search_memory", searchDoc, searchMemory, pdk.ReadOnly, pdk.Idempotent, pdk.Title("Search memory"), needsData),
	pdk.Tool("write_memory", writeDoc, writeMemory, pdk.Destructive, pdk.Title("Write to memory"), needsData),
	pdk.Tool("append_memory", appendDoc, appendMemory, pdk.Title("Add to memory"), needsData),
	pdk.Tool("delete_memory", deleteDoc, deleteMemory, pdk.Destructive, pdk.Title("Delete from memory"), needsData),
)

// needsData: memory is data, so a credential that only lists and calls tools has none.
var needsData = pdk.Scopes(abi.ScopeData)

func main() {}
