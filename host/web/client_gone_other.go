// Copyright 2026 The Gantry Authors.

//go:build !unix

package web

import "syscall"

// probe has nothing to keep.
type probe struct{}

// clientGone cannot be told here without taking bytes; a failed write tells it later.
func clientGone(syscall.RawConn, *probe) bool { return false }
