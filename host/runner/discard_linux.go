// Copyright 2026 The Gantry Authors.

package runner

import "golang.org/x/sys/unix"

// Discard gives the pages of a usable part of a reservation back: it stays usable and reads as zeros.
// The part begins and ends at a page.
func Discard(part []byte) error {
	if len(part) == 0 {
		return nil
	}
	return unix.Madvise(part, unix.MADV_DONTNEED)
}
