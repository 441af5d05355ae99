// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pages is an image's memory in a file that lives in memory alone. Instances map it privately over
// their own: what they do not write they share, and what they write is a page of their own, which
// the kernel can tell.
type pages struct {
	file int
	// whole is the file, mapped to be read.
	whole []byte
}

func newPages(mem []byte) (pages, error) {
	fd, err := unix.MemfdCreate("gantry-image", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return pages{}, fmt.Errorf("a file in memory: %w", err)
	}
	p := pages{file: fd}
	if err := p.fill(mem); err != nil {
		return pages{}, errors.Join(err, p.release())
	}
	return p, nil
}

// fill writes the file, leaving holes where the memory is zero, and seals it.
func (p *pages) fill(mem []byte) error {
	if err := unix.Ftruncate(p.file, int64(len(mem))); err != nil {
		return fmt.Errorf("sizing an image: %w", err)
	}
	page := os.Getpagesize()
	zero := make([]byte, page)
	for at := 0; at < len(mem); at += page {
		part := mem[at:min(at+page, len(mem))]
		if string(part) == string(zero[:len(part)]) {
			continue
		}
		if n, err := unix.Pwrite(p.file, part, int64(at)); err != nil || n != len(part) {
			return fmt.Errorf("writing an image: %d of %d bytes: %w", n, len(part), err)
		}
	}
	const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE | unix.F_SEAL_SEAL
	if _, err := unix.FcntlInt(uintptr(p.file), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("sealing an image: %w", err)
	}
	var err error
	p.whole, err = unix.Mmap(p.file, 0, len(mem), unix.PROT_READ, unix.MAP_SHARED)
	return err
}

func (p *pages) view() []byte { return p.whole }

// mapOver puts the image's memory in place of mem, which is page-aligned and of the image's size, and
// sets s, the instance's own, to find what is written of it.
func (p *pages) mapOver(mem []byte, s *scanner) error {
	if _, err := unix.MmapPtr(p.file, 0, unsafe.Pointer(&mem[0]), uintptr(len(mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return err
	}
	s.begin(mem)
	return nil
}

// release frees the image. Memories it was mapped over keep what they have.
func (p *pages) release() error {
	var err error
	if p.whole != nil {
		err = unix.Munmap(p.whole)
		p.whole = nil
	}
	return errors.Join(err, unix.Close(p.file))
}

// drop lets a memory that the image was mapped over fall back to it whole. The pages it wrote are
// free; each page costs a fault when it is touched again.
func (p *pages) drop(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTNEED) }

// restore puts back what was written of mem, which im was mapped over with s, and returns how many
// bytes that were.
func (im *image) restore(mem []byte, s *scanner) (int, error) {
	if s.by == byNothing {
		return len(mem), im.drop(mem)
	}
	left := 0
	if s.sorts() {
		left = mostGivenBack
	}
	base, end := addr(mem), addr(mem)+uint64(len(mem))
	copied := 0
	for at := base; at < end; {
		n, walked, err := s.next(at, end)
		if err != nil {
			return copied, err
		}
		for _, r := range s.regions[:n] {
			part, want := mem[r.start-base:r.end-base], im.whole[r.start-base:r.end-base]
			if left == 0 {
				copied += copy(part, want)
				continue
			}
			n, pieces, err := im.giveBack(part, want, s, left)
			if err != nil {
				return copied, err
			}
			copied, left = copied+n, left-pieces
		}
		if walked <= at {
			break
		}
		at = walked
	}
	if s.settles() && len(mem) <= settleSize {
		im.settle(mem)
	}
	return copied, nil
}

// settle has a busy instance's page table say of every page where it is. A look at a page that was
// never touched costs twice as much as at one that was, and more where both alternate. What this
// takes is the image's zero pages, once for all its instances. It is an improvement and no more: that
// there is no memory for it is no error.
func (im *image) settle(mem []byte) { _ = unix.Madvise(mem, unix.MADV_POPULATE_READ) }

// mostGivenBack bounds what one reset gives back. To give back one page takes as long as a hundred in a
// row, since every core is told of it: where they alternate with pages that stay, those of a large memory
// would take a tenth of a second.
const mostGivenBack = 64

// giveBack puts the image's bytes back into pages that were written, as a copy does: they stay the
// instance's own, so that the next call writes them without a fault. But up to most pieces of pages that
// this call has not changed become the image's again: they would be copied after every call for nothing.
func (im *image) giveBack(part, want []byte, s *scanner, most int) (copied, pieces int, err error) {
	page := os.Getpagesize()
	for at := 0; at < len(part); at += page {
		end := at + alike(part[at:], want[at:], page)
		if end > at && pieces < most {
			pieces++
			if err := s.forget(im, part[at:end]); err != nil {
				return copied, pieces, err
			}
		}
		if at = end; at < len(part) {
			copied += copy(part[at:at+page], want[at:])
		}
	}
	return copied, pieces, nil
}

// alike is how many bytes of whole pages two memories begin with that do not differ.
func alike(a, b []byte, page int) (n int) {
	for n < len(a) && bytes.Equal(a[n:n+page], b[n:n+page]) {
		n += page
	}
	return n
}
