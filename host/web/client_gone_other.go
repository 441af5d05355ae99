// Copyright 2026 The Gantry Authors.

//go:build !unix

package web

import "syscall"

// clientGone cannot be told here without taking bytes; a failed write tells it later.
func clientGone(syscall.RawConn) bool { return false }
