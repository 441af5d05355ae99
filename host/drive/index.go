// Copyright 2026 The Gantry Authors.

package drive

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/blevesearch/bleve/v2/document"
	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"
)

// format numbers what is in an index and how words become terms. An index of another format is made
// anew: raise it with every change of the fields below or of words.go.
const format = "1"

// The fields of a document in the index, and its own keys. Nothing of the text is kept in it: the
// store has that.
const (
	fieldText  = "text"
	fieldTitle = "title"
	fieldName  = "name"
	fieldTag   = "tag"
	fieldUnder = "under"
	fieldRev   = "rev"
)

var (
	keyFormat = []byte("gantry.format")
	keySeq    = []byte("gantry.seq")
)

// tenantIndex is one tenant's open index. The library's own Index type is left out on purpose: it
// starts goroutines when the program starts, whether there is an index or not.
type tenantIndex struct {
	*scorch.Scorch
}

// openIndex opens the index in a folder, or makes one. An index that is damaged or of another format
// is thrown away; why is told by the second result.
func openIndex(dir string, q *index.AnalysisQueue) (ix *tenantIndex, why error, err error) {
	if ix, why = tryOpen(dir, q); why == nil {
		return ix, nil, nil
	}
	if err := os.RemoveAll(dir); err != nil {
		return nil, why, err
	}
	ix, err = tryOpen(dir, q)
	return ix, why, err
}

// tryOpen turns what the library panics over into an error: a damaged file is one.
func tryOpen(dir string, q *index.AnalysisQueue) (ix *tenantIndex, err error) {
	defer func() {
		if r := recover(); r != nil {
			ix, err = nil, fmt.Errorf("opening the index: %v", r)
		}
	}()
	_, statErr := os.Stat(filepath.Join(dir, "root.bolt"))
	isNew := os.IsNotExist(statErr)
	raw, err := scorch.NewScorch("scorch", map[string]any{"path": dir, "bolt_timeout": "10s"}, q)
	if err != nil {
		return nil, err
	}
	if err := raw.Open(); err != nil {
		return nil, err
	}
	ix = &tenantIndex{raw.(*scorch.Scorch)}
	if isNew {
		err = ix.SetInternal(keyFormat, []byte(format))
	} else {
		err = ix.verify()
	}
	if err != nil {
		return nil, joinClose(ix, err)
	}
	return ix, nil
}

func joinClose(ix *tenantIndex, err error) error {
	if cerr := ix.Close(); cerr != nil {
		return fmt.Errorf("%w; closing it: %w", err, cerr)
	}
	return err
}

// verify checks the format and the checksum of every file that the index is made of. The library
// does not, and reads them as mapped memory, where a wrong length is a crash.
func (ix *tenantIndex) verify() error {
	return ix.view(func(snap *scorch.IndexSnapshot) error {
		if got, err := snap.GetInternal(keyFormat); err != nil || string(got) != format {
			return fmt.Errorf("the index has format %q, not %q (%v)", got, format, err)
		}
		for _, seg := range snap.Segments() {
			on, ok := seg.Segment().(interface{ Path() string })
			if !ok {
				continue // in memory, so it was just made
			}
			if err := checksum(on.Path()); err != nil {
				return err
			}
		}
		return nil
	})
}

// checksum holds a file against its last four bytes, the CRC-32 of all before.
func checksum(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < 4 {
		return fmt.Errorf("%s is cut short", filepath.Base(path))
	}
	sum := crc32.NewIEEE()
	if _, err := io.CopyN(sum, f, info.Size()-4); err != nil {
		return err
	}
	var want [4]byte
	if _, err := io.ReadFull(f, want[:]); err != nil {
		return err
	}
	if binary.BigEndian.Uint32(want[:]) != sum.Sum32() {
		return fmt.Errorf("%s is damaged", filepath.Base(path))
	}
	return nil
}

// view reads the index as it is now.
func (ix *tenantIndex) view(fn func(*scorch.IndexSnapshot) error) error {
	r, err := ix.Reader()
	if err != nil {
		return err
	}
	defer r.Close()
	snap, ok := r.(*scorch.IndexSnapshot)
	if !ok {
		return fmt.Errorf("the index gave a %T", r)
	}
	return fn(snap)
}

// seq is up to which change the index has taken everything in.
func (ix *tenantIndex) seq() (seq uint64, err error) {
	err = ix.view(func(snap *scorch.IndexSnapshot) error {
		raw, err := snap.GetInternal(keySeq)
		if err != nil || raw == nil {
			return err
		}
		seq, err = strconv.ParseUint(string(raw), 10, 64)
		return err
	})
	return seq, err
}

// revisions tells which revision of which document the index knows.
func (ix *tenantIndex) revisions() (map[string]string, error) {
	out := map[string]string{}
	err := ix.view(func(snap *scorch.IndexSnapshot) error {
		ids, err := snap.DocIDReaderAll()
		if err != nil {
			return err
		}
		defer ids.Close()
		values, err := snap.DocValueReader([]string{fieldRev})
		if err != nil {
			return err
		}
		for {
			id, err := ids.Next()
			if err != nil || id == nil {
				return err
			}
			path, err := snap.ExternalID(id)
			if err != nil {
				return err
			}
			out[path] = ""
			err = values.VisitDocValues(id, func(_ string, term []byte) { out[path] = string(term) })
			if err != nil {
				return err
			}
		}
	})
	return out, err
}

func revText(rev uint64) string { return strconv.FormatUint(rev, 10) }

// entry is a document as the index takes it in.
func (w words) entry(path, text string, r *record) *document.Document {
	const forWords = index.IndexField | index.IncludeTermVectors
	doc := document.NewDocument(path)
	doc.AddField(document.NewTextFieldCustom(fieldText, nil, []byte(text), forWords, w))
	doc.AddField(document.NewTextFieldCustom(fieldTitle, nil, []byte(r.Title), forWords, w))
	doc.AddField(document.NewTextFieldCustom(fieldName, nil, []byte(spaced(path)), forWords, w))
	for _, tag := range r.Tags {
		doc.AddField(document.NewTextFieldCustom(fieldTag, nil, []byte(tag), index.IndexField, nil))
	}
	for i := range path + "/" {
		if i == len(path) || path[i] == '/' {
			doc.AddField(document.NewTextFieldCustom(fieldUnder, nil, []byte(path[:i]), index.IndexField, nil))
		}
	}
	doc.AddField(document.NewTextFieldCustom(fieldRev, nil, []byte(revText(r.rev)), index.IndexField|index.DocValues, nil))
	return doc
}

// spaced makes words of a path: in 2026/lease_office-2.md they do not stand apart by themselves.
func spaced(path string) string {
	return strings.NewReplacer("/", " ", ".", " ", "_", " ", "-", " ").Replace(path)
}

// analysisQueue is the library's pool for splitting text into words. It is there while an index is.
type analysisQueue struct {
	mu    sync.Mutex
	users int
	queue *index.AnalysisQueue
}

func (a *analysisQueue) acquire() *index.AnalysisQueue {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users++; a.users == 1 {
		a.queue = index.NewAnalysisQueue(2)
	}
	return a.queue
}

func (a *analysisQueue) release() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.users--; a.users == 0 {
		a.queue.Close()
		a.queue = nil
	}
}
