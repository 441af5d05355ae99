// Copyright 2026 The Gantry Authors.

package runlog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/host"
)

// The kinds of entries.
const (
	kindBegun     = 1
	kindEnded     = 2
	kindForgotten = 3
)

// An entry of a file is the length of its body and a CRC-32C of it, four bytes each, and the body: its
// kind, the id, the tenant with its length in front, and the run.
const headSize = 4 + 4

func appendEntry(b []byte, kind byte, k key, run []byte) []byte {
	at := len(b)
	b = append(b, make([]byte, headSize)...)
	b = append(b, kind)
	b = append(b, k.id[:]...)
	b = binary.AppendUvarint(b, uint64(len(k.tenant)))
	b = append(b, k.tenant...)
	b = append(b, run...)
	body := b[at+headSize:]
	binary.LittleEndian.PutUint32(b[at:], uint32(len(body)))
	binary.LittleEndian.PutUint32(b[at+4:], crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	return b
}

// nextEntry reads the first entry of b; run is part of b. It is false where there is no whole one.
func nextEntry(b []byte) (kind byte, k key, run, rest []byte, ok bool) {
	if len(b) < headSize {
		return
	}
	size := uint64(binary.LittleEndian.Uint32(b))
	if size > uint64(len(b)-headSize) {
		return
	}
	body := b[headSize : headSize+size]
	if binary.LittleEndian.Uint32(b[4:]) != crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) || len(body) < 1+len(k.id) {
		return
	}
	kind = body[0]
	copy(k.id[:], body[1:])
	body = body[1+len(k.id):]
	n, used := binary.Uvarint(body)
	if used <= 0 || n > uint64(len(body)-used) {
		return
	}
	k.tenant = host.TenantID(body[used : used+int(n)])
	return kind, k, body[used+int(n):], b[headSize+size:], true
}

// medium is where entries are written, from the beginning on.
type medium interface {
	// put writes an entry. Once it has returned without error the entry outlives the process.
	put(at int64, entry []byte) error
	// size is how much there is room for.
	size() int64
	close() error
}

// plainFile is a medium with a system call for each entry.
type plainFile struct{ f *os.File }

func (p plainFile) put(at int64, entry []byte) error {
	_, err := p.f.WriteAt(entry, at)
	return err
}

func (p plainFile) size() int64  { return math.MaxInt64 }
func (p plainFile) close() error { return p.f.Close() }

// segment is the file that is written. Its zero value is none.
type segment struct {
	dir    string
	number uint64
	m      medium
	at     int64 // where the next entry goes
	begins int64 // how much the file began with
	buf    []byte
}

// segmentSize is from when on a new file is begun after a flush, and half of what a file has room for at
// least.
const segmentSize = 4 << 20

// due tells whether a new file would be much smaller.
func (s *segment) due() bool { return s.at > max(segmentSize, 2*s.begins) }

var errFull = errors.New("the file is full")

// write adds an entry, or fails with errFull. It goes where the last whole one ended, so half of one that
// could not be written is written over.
func (s *segment) write(kind byte, k key, run []byte) error {
	s.buf = appendEntry(s.buf[:0], kind, k, run)
	if s.at+int64(len(s.buf)) > s.m.size() {
		return errFull
	}
	if err := s.m.put(s.at, s.buf); err != nil {
		return err
	}
	s.at += int64(len(s.buf))
	if cap(s.buf) > 64<<10 {
		s.buf = nil
	}
	return nil
}

// next goes on in a new file that begins with those entries, and removes the one before. After an error
// the one before stays.
func (s *segment) next(entries []byte) error {
	path := segmentPath(s.dir, s.number+1)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(entries); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	m := mapped(f, 2*int64(len(entries)+segmentSize))
	before, had := segmentPath(s.dir, s.number), s.m
	s.m, s.number, s.at, s.begins = m, s.number+1, int64(len(entries)), int64(len(entries))
	if had == nil {
		return nil
	}
	// Should it stay, its runs are read once more at the next start and are the same.
	_ = os.Remove(before)
	return had.close()
}

func (s *segment) close() error {
	if s.m == nil {
		return nil
	}
	return s.m.close()
}

func segmentPath(dir string, number uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016x.log", number))
}

// found is a file of the folder.
type found struct {
	path   string
	number uint64
}

// segments are the files of the folder, oldest first.
func segments(dir string) ([]found, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []found
	for _, f := range files {
		var n uint64
		if !strings.HasSuffix(f.Name(), ".log") {
			continue
		}
		if _, err := fmt.Sscanf(f.Name(), "%016x.log", &n); err == nil && segmentPath(dir, n) == filepath.Join(dir, f.Name()) {
			out = append(out, found{segmentPath(dir, n), n})
		}
	}
	slices.SortFunc(out, func(a, b found) int { return strings.Compare(a.path, b.path) })
	return out, nil
}

// replay calls apply for each entry of a file, and returns how many bytes behind the last are neither
// entries nor the zeros of a file that is not full. Torn says that they are the beginning of an entry.
func replay(path string, apply func(kind byte, k key, run []byte)) (rest int, torn bool, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, false, err
	}
	for {
		kind, k, run, after, ok := nextEntry(data)
		if !ok {
			break
		}
		apply(kind, k, slices.Clone(run))
		data = after
	}
	data = bytes.TrimRight(data, "\x00")
	return len(data), len(data) < headSize || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-headSize), nil
}
