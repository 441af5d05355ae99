// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// pieceBytes is how much of a body one record holds.
const pieceBytes = 512 << 10

// maxPieces is how many pieces a body may have.
const maxPieces = (MaxTextBytes + pieceBytes - 1) / pieceBytes

// record is what the store keeps of a document, beside its body. The record is the document: a body
// that no record names does not exist, and is swept away.
type record struct {
	Title     string    `json:"title,omitempty"`
	Tags      []string  `json:"tags,omitempty"`
	MediaType string    `json:"media_type"`
	Modified  time.Time `json:"modified"`
	Size      int64     `json:"size"`
	// Source is the size of what was put, where that is not the text itself; 0 otherwise.
	Source int64 `json:"source,omitempty"`
	// Body numbers the body's records. Lines counts the lines that end before each piece of the text.
	Body  uint64 `json:"body"`
	Lines []int  `json:"lines,omitempty"`

	rev uint64
}

// bytes is what the document counts against the quota.
func (r *record) bytes() int64 { return r.Size + r.Source }

func (r *record) document(path string) abi.DriveDocument {
	return abi.DriveDocument{
		Path: path, Title: r.Title, Tags: r.Tags, MediaType: r.MediaType, Size: r.Size, Revision: r.rev,
		Modified: r.Modified.UTC().Format(time.RFC3339),
	}
}

// ledger is a tenant's account, one record that is written before every change: so that a host that
// is killed in the middle of one knows at its next start that there was one, and where.
type ledger struct {
	// Seq grows with each change; an index that has taken in less is behind.
	Seq       uint64 `json:"seq"`
	Documents int64  `json:"documents"`
	Bytes     int64  `json:"bytes"`
	// Open is the change under way, or the last one.
	Open *change `json:"open,omitempty"`

	rev uint64
}

// change is one put or delete: Body is the new body (0 for a delete), Old the one it replaces.
type change struct {
	Path string `json:"path"`
	Body uint64 `json:"body,omitempty"`
	Old  uint64 `json:"old,omitempty"`
}

// The kinds of body.
const (
	bodyText   = "text"
	bodySource = "source"
)

func (h *shelf) ledgerKey() store.Key { return store.Key{"drive", string(h.tenant), "ledger"} }
func (h *shelf) folder() store.Key    { return store.Key{"drive", string(h.tenant), "doc"} }
func (h *shelf) key(path string) store.Key {
	return store.Key{"drive", string(h.tenant), "doc", path}
}

func (h *shelf) pieceKey(body uint64, kind string, n int) store.Key {
	return store.Key{"drive", string(h.tenant), "body", fmt.Sprintf("%016x", body), kind, fmt.Sprintf("%02d", n)}
}

// readLedger returns the tenant's account; a tenant without one has an empty one.
func (h *shelf) readLedger(ctx context.Context) (*ledger, error) {
	rec, err := h.s.store.Get(ctx, h.ledgerKey())
	if host.CodeOf(err) == abi.CodeNotFound {
		return &ledger{}, nil
	}
	if err != nil {
		return nil, err
	}
	l := &ledger{rev: rec.Rev}
	if err := json.Unmarshal(rec.Value, l); err != nil {
		return nil, host.Errorf("drive", abi.CodeInternal, "the ledger of tenant %s cannot be read: %w", h.tenant, err)
	}
	return l, nil
}

func (h *shelf) writeLedger(ctx context.Context, l *ledger) error {
	data, err := json.Marshal(l)
	if err != nil {
		return err
	}
	l.rev, err = h.s.store.Put(ctx, h.ledgerKey(), data, store.PutOptions{Expect: l.rev})
	return err
}

func decodeRecord(rec store.Record) (*record, error) {
	r := &record{rev: rec.Rev}
	if err := json.Unmarshal(rec.Value, r); err != nil {
		return nil, host.Errorf("drive", abi.CodeInternal, "the record %v cannot be read: %w", rec.Key, err)
	}
	return r, nil
}

// readRecord is nil, without an error, where there is no document.
func (h *shelf) readRecord(ctx context.Context, path string) (*record, error) {
	rec, err := h.s.store.Get(ctx, h.key(path))
	if host.CodeOf(err) == abi.CodeNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodeRecord(rec)
}

func pieces(size int64) int { return int((size + pieceBytes - 1) / pieceBytes) }

// writeBody writes a body piece by piece.
func (h *shelf) writeBody(ctx context.Context, body uint64, kind, text string) error {
	for n := 0; n*pieceBytes < len(text); n++ {
		piece := text[n*pieceBytes : min((n+1)*pieceBytes, len(text))]
		if _, err := h.s.store.Put(ctx, h.pieceKey(body, kind, n), []byte(piece), store.PutOptions{Expect: store.AnyRev}); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes a body of which nothing is known but its number.
func (h *shelf) sweep(ctx context.Context, body uint64) error {
	for _, kind := range []string{bodyText, bodySource} {
		for n := range maxPieces {
			k := h.pieceKey(body, kind, n)
			if _, err := h.s.store.Get(ctx, k); host.CodeOf(err) == abi.CodeNotFound {
				continue
			} else if err != nil {
				return err
			}
			if err := h.s.store.Delete(ctx, k, store.AnyRev); err != nil {
				return err
			}
		}
	}
	return nil
}

// errMoved says that a body went away while it was read: its document was replaced or deleted.
var errMoved = errors.New("the document changed meanwhile")

// readBody returns the bytes from to of a body; they are in its pieces.
func (h *shelf) readBody(ctx context.Context, body uint64, kind string, from, to int64) (string, error) {
	var b strings.Builder
	b.Grow(int(to - from))
	for n := from / pieceBytes; n*pieceBytes < to; n++ {
		rec, err := h.s.store.Get(ctx, h.pieceKey(body, kind, int(n)))
		if host.CodeOf(err) == abi.CodeNotFound {
			return "", errMoved
		}
		if err != nil {
			return "", err
		}
		at := n * pieceBytes
		end := min(to-at, int64(len(rec.Value)))
		start := max(0, from-at)
		if start > end {
			return "", host.Errorf("drive", abi.CodeInternal, "piece %v is shorter than it was", rec.Key)
		}
		b.Write(rec.Value[start:end])
	}
	return b.String(), nil
}

// maxTries bounds how often a reader begins again when writers replace what it reads.
const maxTries = 10

// stable reads a document's record and something that hangs on it, as one.
func stable[T any](ctx context.Context, h *shelf, path string, read func(*record) (T, error)) (out T, r *record, err error) {
	for range maxTries {
		if r, err = h.readRecord(ctx, path); err != nil || r == nil {
			return out, r, err
		}
		if out, err = read(r); !errors.Is(err, errMoved) {
			return out, r, err
		}
	}
	return out, r, host.Errorf("drive", abi.CodeBusy, "document %q is written over and over; try again", path)
}
