// Copyright 2026 The Gantry Authors.

// Package hostile drops plugins that run away into the real binary's folder and calls them over MCP: each
// call ends as it should, and the others are served meanwhile. It runs with the build tag e2e, by make e2e.
package hostile
