// Copyright 2026 The Gantry Authors.

// Package memory holds the end-to-end tests of the users' memory against the real binary: the tools
// over MCP with the official client, REST with curl, the command line, all on the same files, and
// what is left after a kill -9. They run with the build tag e2e, by make e2e.
//
// It knows nothing of how a file is kept.
package memory
