// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"errors"
	"fmt"
	"os"
	"sync"
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

// mapOver puts the image's memory in place of mem, which is page-aligned and of the image's size.
func (p *pages) mapOver(mem []byte) error {
	_, err := unix.MmapPtr(p.file, 0, unsafe.Pointer(&mem[0]), uintptr(len(mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err
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

// The ioctl PAGEMAP_SCAN of <linux/fs.h>, Linux 6.7: _IOWR('f', 16, struct pm_scan_arg).
const (
	pagemapScan = 0xc0606610

	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
)

// scanArg is struct pm_scan_arg, region struct page_region.
type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	inverted, mask, anyOf, returned                         uint64
}

type region struct{ start, end, categories uint64 }

// newScanner makes one on the heap: the kernel is given its address as a number, and a stack moves.
//
//go:noinline
func newScanner() *scanner { return &scanner{} }

// scanner finds the pages of a memory that were written since the image was mapped over it. It
// belongs to one instance.
type scanner struct {
	arg     scanArg
	regions [64]region
}

// pagemap is this process's own page map, open as long as the process lives, or below 0 where the
// kernel has no scan of it.
var pagemap = sync.OnceValue(func() int {
	f, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	probe, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		_ = unix.Close(f)
		return -1
	}
	defer func() { _ = unix.Munmap(probe) }()
	probe[0] = 1
	if n, _, err := newScanner().next(f, addr(probe), addr(probe)+uint64(len(probe))); err != nil || n != 1 {
		_ = unix.Close(f)
		return -1
	}
	return f
})

func addr(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// next fills regions with written pages from start on and returns how many there are, and where the
// walk ended. A written page of a private mapping is not the file's any more.
func (s *scanner) next(f int, start, end uint64) (n int, walked uint64, err error) {
	s.arg = scanArg{
		size: uint64(unsafe.Sizeof(s.arg)), start: start, end: end,
		vec: uint64(uintptr(unsafe.Pointer(&s.regions[0]))), vecLen: uint64(len(s.regions)),
		inverted: pageIsFile, mask: pageIsFile, anyOf: pageIsPresent | pageIsSwapped, returned: pageIsPresent,
	}
	// Raw, because it takes a microsecond and waits for nothing but what a page fault would wait for:
	// telling the scheduler would be a tenth of it.
	r, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(f), pagemapScan, uintptr(unsafe.Pointer(&s.arg)))
	if errno != 0 {
		return 0, 0, fmt.Errorf("scanning the page map: %w", errno)
	}
	return int(r), s.arg.walkEnd, nil
}

// restore puts back what was written of mem, which im was mapped over, and returns how many bytes
// that were. s is the instance's own.
func (im *image) restore(mem []byte, s *scanner) (int, error) {
	f := pagemap()
	if f < 0 {
		return len(mem), im.drop(mem)
	}
	base, end := addr(mem), addr(mem)+uint64(len(mem))
	copied := 0
	for at := base; at < end; {
		n, walked, err := s.next(f, at, end)
		if err != nil {
			return copied, err
		}
		for _, r := range s.regions[:n] {
			copied += copy(mem[r.start-base:r.end-base], im.whole[r.start-base:r.end-base])
		}
		if walked <= at {
			break
		}
		at = walked
	}
	return copied, nil
}

// pagemapMissing tells whether resets have to drop pages instead of copying them.
func pagemapMissing() bool { return pagemap() < 0 }
