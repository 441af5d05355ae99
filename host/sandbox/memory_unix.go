// Copyright 2026 The Gantry Authors.

//go:build unix

package sandbox

import "golang.org/x/sys/unix"

// reserve takes address space that cannot be touched yet.
func reserve(n int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// commit makes part of a reservation usable, filled with zeros.
func commit(part []byte) error { return unix.Mprotect(part, unix.PROT_READ|unix.PROT_WRITE) }

// unreserve gives a whole reservation back.
func unreserve(space []byte) error { return unix.Munmap(space) }
