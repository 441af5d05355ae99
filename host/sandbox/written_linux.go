// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"fmt"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracking is a way to find the pages of a memory that were written since an image was mapped over
// it. All are exact; they differ in what a look costs.
type tracking int

const (
	// byNothing finds none: a reset drops all pages. Linux before 6.7.
	byNothing tracking = iota
	// byPages asks of each page that is present whether it is still the image's, which looks at the
	// kernel's record of the page: some 15 ns each.
	byPages
	// byMarks has a mark in the page table taken off by the first write: some 1 ns a page, 2 before
	// Linux 6.10. It needs userfaultfd, which a container may forbid.
	byMarks
)

// The ioctl PAGEMAP_SCAN of <linux/fs.h>, Linux 6.7: _IOWR('f', 16, struct pm_scan_arg).
const (
	pagemapScan = 0xc0606610

	pageIsWritten = 1 << 1
	pageIsFile    = 1 << 2
	pageIsPresent = 1 << 3
	pageIsSwapped = 1 << 4
)

// settleAfter is how many resets make an instance a busy one, settleSize how large its memory may be
// to be treated as such.
const (
	settleAfter = 4096
	settleSize  = 16 << 20
)

// scanArg is struct pm_scan_arg, region struct page_region.
type scanArg struct {
	size, flags, start, end, walkEnd, vec, vecLen, maxPages uint64
	inverted, mask, anyOf, returned                         uint64
}

type region struct{ start, end, categories uint64 }

// scanner finds the pages of a memory that were written since an image was mapped over it. It
// belongs to one instance.
type scanner struct {
	by      tracking
	arg     scanArg
	regions [64]region
	// resets counts the resets since the image was mapped.
	resets uint64
}

// newScanner makes one on the heap: the kernel is given its address as a number, and a stack moves.
//
//go:noinline
func newScanner() *scanner { return &scanner{by: tracker().by} }

// begin makes mem, over which an image was just mapped, count as not written. Where its pages cannot
// be marked, the scanner does without.
func (s *scanner) begin(mem []byte) {
	s.resets = 0
	if s.by == byMarks && tracker().watch(mem) != nil {
		s.by = byPages
	}
}

// sorts tells whether this reset looks which of the instance's own pages its calls still write: once
// early, since what comes before the first calls (a description, say) is not like them, and then now
// and then.
func (s *scanner) sorts() bool {
	s.resets++
	return s.resets == 8 || s.resets%1024 == 0
}

// settles tells whether this reset is the one after which the instance counts as busy.
func (s *scanner) settles() bool { return s.by == byMarks && s.resets == settleAfter }

// forget makes pages im's again, and not written.
func (s *scanner) forget(im *image, part []byte) error {
	if err := im.drop(part); err != nil || s.by != byMarks {
		return err
	}
	return tracker().mark(part)
}

// next fills regions with written pages from start on and returns how many there are, and where the
// walk ended.
func (s *scanner) next(start, end uint64) (n int, walked uint64, err error) {
	return tracker().next(s, start, end)
}

func (t *tracked) next(s *scanner, start, end uint64) (n int, walked uint64, err error) {
	s.arg = scanArg{
		size: uint64(unsafe.Sizeof(s.arg)), start: start, end: end,
		vec: uint64(uintptr(unsafe.Pointer(&s.regions[0]))), vecLen: uint64(len(s.regions)),
	}
	if s.by == byMarks {
		s.arg.mask, s.arg.returned = pageIsWritten, pageIsWritten
		if !t.shortCut { // which is not taken for one category more than is needed
			s.arg.returned |= pageIsPresent
		}
	} else {
		// A written page of a private mapping is not the file's any more.
		s.arg.inverted, s.arg.mask = pageIsFile, pageIsFile
		s.arg.anyOf, s.arg.returned = pageIsPresent|pageIsSwapped, pageIsPresent
	}
	// Raw, because it takes a microsecond and waits for nothing but what a page fault would wait for:
	// telling the scheduler would be a tenth of it.
	r, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(t.pagemap), pagemapScan, uintptr(unsafe.Pointer(&s.arg)))
	if errno != 0 {
		return 0, 0, fmt.Errorf("scanning the page map: %w", errno)
	}
	return int(r), s.arg.walkEnd, nil
}

func addr(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }

// tracked is what this process finds written pages with.
type tracked struct {
	by tracking
	// pagemap is this process's own page map, faults its userfaultfd; both stay open as long as it
	// lives.
	pagemap, faults int
	// shortCut says that the kernel's quick way to look for written pages and nothing else can be
	// relied on. Before Linux 6.10 it could take a page in swap, or on its way elsewhere, for a marked one.
	shortCut bool
}

// tracker is the best way that this kernel offers and that proved itself in a trial.
var tracker = sync.OnceValue(func() *tracked {
	t := &tracked{by: byNothing, pagemap: -1, faults: -1, shortCut: kernelSince(6, 10)}
	f, err := unix.Open("/proc/self/pagemap", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return t
	}
	t.pagemap = f
	t.faults = openFaults()
	for _, by := range []tracking{byMarks, byPages} {
		if t.proves(by) {
			t.by = by
			return t
		}
	}
	return t
})

// kernelSince tells whether this is that version of Linux, or a later one.
func kernelSince(major, minor int) bool {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return false
	}
	return releaseSince(unix.ByteSliceToString(u.Release[:]), major, minor)
}

// releaseSince is false for what does not begin with two numbers.
func releaseSince(release string, major, minor int) bool {
	var has [2]int
	if n, err := fmt.Sscanf(release, "%d.%d", &has[0], &has[1]); err != nil || n != 2 {
		return false
	}
	return has[0] > major || has[0] == major && has[1] >= minor
}

// The ioctls of <linux/userfaultfd.h>. The features let a write take its page's mark off without
// anybody being asked (Linux 6.7), and pages be marked that are not there yet, of files in memory.
const (
	faultsAPI          = 0xc018aa3f
	faultsRegister     = 0xc020aa00
	faultsWriteProtect = 0xc018aa06

	faultsVersion   = 0xaa
	userModeOnly    = 1
	featureFiles    = 1 << 12
	featureMissing  = 1 << 13
	featureAsync    = 1 << 15
	registerWrites  = 1 << 1
	protectTheRange = 1 << 0
)

// openFaults is below 0 where the kernel, or who runs this process, does not allow it.
func openFaults() int {
	fd, _, errno := unix.Syscall(unix.SYS_USERFAULTFD, unix.O_CLOEXEC|unix.O_NONBLOCK|userModeOnly, 0, 0)
	if errno != 0 {
		return -1
	}
	api := &struct{ version, features, ioctls uint64 }{faultsVersion, featureFiles | featureMissing | featureAsync, 0}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, faultsAPI, uintptr(unsafe.Pointer(api))); errno != 0 {
		_ = unix.Close(int(fd))
		return -1
	}
	return int(fd)
}

// watch lets the pages of mem be marked, and marks them. It ends with the mapping.
func (t *tracked) watch(mem []byte) error {
	reg := &struct{ start, size, mode, ioctls uint64 }{addr(mem), uint64(len(mem)), registerWrites, 0}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.faults), faultsRegister, uintptr(unsafe.Pointer(reg))); errno != 0 {
		return fmt.Errorf("watching a memory for writes: %w", errno)
	}
	return t.mark(mem)
}

// mark makes pages count as not written.
func (t *tracked) mark(part []byte) error {
	wp := &struct{ start, size, mode uint64 }{addr(part), uint64(len(part)), protectTheRange}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(t.faults), faultsWriteProtect, uintptr(unsafe.Pointer(wp))); errno != 0 {
		return fmt.Errorf("marking pages: %w", errno)
	}
	return nil
}

// proves tries a way out: of some pages, of which some are read, some written and one given back,
// exactly those that are written have to be found.
func (t *tracked) proves(by tracking) bool {
	if by == byMarks && t.faults < 0 {
		return false
	}
	page := os.Getpagesize()
	mem, err := unix.Mmap(-1, 0, 16*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return false
	}
	defer func() { _ = unix.Munmap(mem) }()
	for at := 0; at < len(mem)/2; at += page {
		mem[at] = 1
	}
	p, err := newPages(mem)
	if err != nil {
		return false
	}
	defer func() { _ = p.release() }()
	if _, err := unix.MmapPtr(p.file, 0, unsafe.Pointer(&mem[0]), uintptr(len(mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return false
	}
	s := &scanner{by: by}
	if by == byMarks && t.watch(mem) != nil {
		return false
	}
	sum := mem[0] + mem[3*page] + mem[9*page]
	mem[4*page], mem[5*page], mem[12*page] = sum, 2, 3
	if p.drop(mem[5*page:6*page]) != nil || by == byMarks && t.mark(mem[5*page:6*page]) != nil {
		return false
	}
	return mem[5*page] == 1 && t.finds(s, mem, 4, 12)
}

// finds tells whether exactly the pages of these numbers are found.
func (t *tracked) finds(s *scanner, mem []byte, numbers ...int) bool {
	n, _, err := t.next(s, addr(mem), addr(mem)+uint64(len(mem)))
	if err != nil || n != len(numbers) {
		return false
	}
	page := uint64(os.Getpagesize())
	for i, r := range s.regions[:n] {
		if at := addr(mem) + uint64(numbers[i])*page; r.start != at || r.end != at+page {
			return false
		}
	}
	return true
}
