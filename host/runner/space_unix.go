// Copyright 2026 The Gantry Authors.

//go:build unix

package runner

import "golang.org/x/sys/unix"

// Reserve takes n bytes of address space that cannot be touched yet; Unreserve gives them back.
func Reserve(n int64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(n), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

// Commit makes part of a reservation usable, filled with zeros. It takes a lock of the whole process.
func Commit(part []byte) error { return unix.Mprotect(part, unix.PROT_READ|unix.PROT_WRITE) }

// Unreserve gives a whole reservation back: no code may touch it any more.
func Unreserve(space []byte) error { return unix.Munmap(space) }
