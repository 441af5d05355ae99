// Copyright 2026 The Gantry Authors.

// Package drive holds the end-to-end proof of the knowledge base: documents by REST and by the
// command line, found by curl's way and by an MCP client through the shipped plugin, and after a
// kill -9.
package drive
