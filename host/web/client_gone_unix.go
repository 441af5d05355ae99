// Copyright 2026 The Gantry Authors.

//go:build unix

package web

import "syscall"

// clientGone peeks at the socket. Control is used and not Read, because Read fails once the read
// deadline of the request has passed and waits for other readers.
func clientGone(raw syscall.RawConn) bool {
	var n int
	var peekErr error
	var one [1]byte
	err := raw.Control(func(fd uintptr) {
		for {
			n, _, peekErr = syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if peekErr != syscall.EINTR {
				return
			}
		}
	})
	switch {
	case err != nil:
		return true // the descriptor is closed already
	case peekErr == syscall.EAGAIN:
		return false
	}
	return peekErr != nil || n == 0
}
