// Copyright 2026 The Gantry Authors.

package runlog

import (
	"os"
	"syscall"
)

// mappedFile is a medium in memory that the kernel shares with the file: what is written there outlives
// the process as a write to the file does, and costs no system call. Its blocks are taken beforehand, so
// a full disk shows when the file is made and never as a fault.
type mappedFile struct{ mem []byte }

// mapped makes f a medium of that size, and closes it where it need not stay open. Where the file system
// takes no blocks beforehand, or has too few, entries are written by system calls, which say so.
func mapped(f *os.File, size int64) medium {
	if syscall.Fallocate(int(f.Fd()), 0, 0, size) != nil {
		return plainFile{f}
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return plainFile{f}
	}
	_ = f.Close() // nothing was written through it that is not there; the mapping stays
	return &mappedFile{mem}
}

// put writes the entry's head last: a kill leaves all of it or zeros in its place.
func (m *mappedFile) put(at int64, entry []byte) error {
	copy(m.mem[at+headSize:], entry[headSize:])
	copy(m.mem[at:at+headSize], entry[:headSize])
	return nil
}

func (m *mappedFile) size() int64  { return int64(len(m.mem)) }
func (m *mappedFile) close() error { return syscall.Munmap(m.mem) }
