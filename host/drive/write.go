// Copyright 2026 The Gantry Authors.

package drive

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// Put keeps a document in place of the one at its path, and answers how it is kept. A search that
// begins after Put has returned finds it. Errors are abi.CodeInvalidArg for what cannot be kept,
// CodeLimit over a bound or the tenant's quota, CodeConflict where IfRevision does not hold.
func (s *Service) Put(ctx context.Context, tenant host.TenantID, p Put) (abi.DriveDocument, error) {
	var none abi.DriveDocument
	p, text, err := p.clean()
	if err != nil {
		return none, err
	}
	h, err := s.shelf(tenant)
	if err != nil {
		return none, err
	}
	h.write.Lock()
	defer h.write.Unlock()
	old, l, err := h.begin(ctx, p.Path, p.IfRevision)
	if err != nil {
		return none, err
	}
	next := &record{
		Title: p.Title, Tags: p.Tags, MediaType: p.MediaType, Modified: time.Now().UTC().Truncate(time.Second),
		Size: int64(len(text)), Body: l.Seq + 1, Lines: lineCounts(text),
	}
	if p.MediaType == typeHTML {
		next.Source = int64(len(p.Body))
	}
	if err := h.account(ctx, l, p.Path, old, next); err != nil {
		return none, err
	}
	if err := h.replace(ctx, p, text, old, next); err != nil {
		h.unsettled = true
		return none, err
	}
	h.changed(p.Path, l.Seq)
	return next.document(p.Path), nil
}

// Delete removes a document. One that is not there is abi.CodeNotFound; a revision it does not have
// (nil for any) is CodeConflict.
func (s *Service) Delete(ctx context.Context, tenant host.TenantID, path string, ifRevision *uint64) error {
	path, err := CleanPath(path)
	if err != nil {
		return err
	}
	h, err := s.shelf(tenant)
	if err != nil {
		return err
	}
	h.write.Lock()
	defer h.write.Unlock()
	old, l, err := h.begin(ctx, path, ifRevision)
	if err != nil {
		return err
	}
	if old == nil {
		return notFound(path)
	}
	if err := h.account(ctx, l, path, old, nil); err != nil {
		return err
	}
	if err := h.s.store.Delete(ctx, h.key(path), old.rev); err != nil {
		h.unsettled = true
		return err
	}
	h.changed(path, l.Seq)
	h.drop(ctx, old)
	return nil
}

func notFound(path string) error {
	return host.Errorf("drive", abi.CodeNotFound, "there is no document %q", path).
		WithHint("list documents to see their paths")
}

// begin returns the document at a path, nil where there is none, and the ledger. It holds the
// expected revision against the document, and clears away what a change that did not end has left.
func (h *shelf) begin(ctx context.Context, path string, expect *uint64) (*record, *ledger, error) {
	l, err := h.readLedger(ctx)
	if err != nil {
		return nil, nil, err
	}
	if !h.begun || h.unsettled {
		if err := h.settle(ctx, l); err != nil {
			return nil, nil, err
		}
		h.begun, h.unsettled = true, false
	}
	old, err := h.readRecord(ctx, path)
	if err != nil {
		return nil, nil, err
	}
	if expect == nil {
		return old, l, nil
	}
	var have uint64
	if old != nil {
		have = old.rev
	}
	if *expect != have {
		return nil, nil, conflict(path, *expect, have)
	}
	return old, l, nil
}

func conflict(path string, expect, have uint64) error {
	if have == 0 {
		return host.Errorf("drive", abi.CodeConflict, "document %q does not exist; revision %d was expected", path, expect).
			WithHint("leave the revision out, or give 0, to make it")
	}
	e := host.Errorf("drive", abi.CodeConflict, "document %q has revision %d, not %d", path, have, expect).
		WithHint("read it again and decide anew")
	e.Details, _ = json.Marshal(map[string]uint64{"revision": have}) // numbers always encode
	return e
}

// account writes into the ledger what is about to happen. A write over the quota is refused here.
func (h *shelf) account(ctx context.Context, l *ledger, path string, old, next *record) error {
	open := &change{Path: path}
	if old != nil {
		open.Old = old.Body
		l.Documents--
		l.Bytes -= old.bytes()
	}
	l.Seq++
	if next != nil {
		open.Body = next.Body
		l.Documents++
		l.Bytes += next.bytes()
		if err := h.s.fits(l, old, next); err != nil {
			return err
		}
	}
	l.Open = open
	return h.writeLedger(ctx, l)
}

// fits holds a tenant's account against the quota. Replacing a document by a smaller one is always
// allowed, so that a tenant over a quota that was lowered can mend it.
func (s *Service) fits(l *ledger, old, next *record) error {
	switch {
	case s.docs >= 0 && l.Documents > s.docs && old == nil:
		return host.Errorf("drive", abi.CodeLimit, "the tenant keeps %d documents; its quota is %d (limit: documents)", l.Documents-1, s.docs).
			WithHint("delete documents that are not needed")
	case s.bytes >= 0 && l.Bytes > s.bytes && (old == nil || next.bytes() > old.bytes()):
		return host.Errorf("drive", abi.CodeLimit, "the tenant's documents would have %d bytes; its quota is %d (limit: bytes)", l.Bytes, s.bytes).
			WithHint("delete documents that are not needed")
	}
	return nil
}

// replace writes the body, then the record that names it, then removes the old body.
func (h *shelf) replace(ctx context.Context, p Put, text string, old, next *record) error {
	if err := h.writeBody(ctx, next.Body, bodyText, text); err != nil {
		return err
	}
	if next.Source > 0 {
		if err := h.writeBody(ctx, next.Body, bodySource, string(p.Body)); err != nil {
			return err
		}
	}
	data, err := json.Marshal(next)
	if err != nil {
		return err
	}
	var expect uint64
	if old != nil {
		expect = old.rev
	}
	if next.rev, err = h.s.store.Put(ctx, h.key(p.Path), data, store.PutOptions{Expect: expect}); err != nil {
		return err
	}
	if old != nil {
		h.drop(ctx, old)
	}
	return nil
}

// drop removes a body that no record names any more. What it cannot remove now is removed when the
// ledger is settled.
func (h *shelf) drop(ctx context.Context, r *record) {
	for kind, size := range map[string]int64{bodyText: r.Size, bodySource: r.Source} {
		for n := range pieces(size) {
			if err := h.s.store.Delete(ctx, h.pieceKey(r.Body, kind, n), store.AnyRev); err != nil {
				h.unsettled = true
				h.s.log.Warn("drive: an old body stays for now", "tenant", h.tenant, "err", err)
				return
			}
		}
	}
}

// settle ends the change that the ledger has open: it removes the body that lost, and counts the
// tenant's documents anew. It changes l and writes nothing of it.
func (h *shelf) settle(ctx context.Context, l *ledger) error {
	if l.Open == nil {
		return nil
	}
	now, err := h.readRecord(ctx, l.Open.Path)
	if err != nil {
		return err
	}
	for _, body := range []uint64{l.Open.Body, l.Open.Old} {
		if body == 0 || now != nil && now.Body == body {
			continue
		}
		if err := h.sweep(ctx, body); err != nil {
			return err
		}
	}
	l.Documents, l.Bytes = 0, 0
	return h.each(ctx, func(_ string, r *record) error {
		l.Documents++
		l.Bytes += r.bytes()
		return nil
	})
}

// each goes through the tenant's documents in order of paths.
func (h *shelf) each(ctx context.Context, fn func(path string, r *record) error) error {
	prefix := h.folder()
	for cursor := ""; ; {
		page, err := h.s.store.List(ctx, prefix, cursor, store.MaxPage)
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			r, err := decodeRecord(rec)
			if err != nil {
				return err
			}
			if err := fn(rec.Key[len(prefix)], r); err != nil {
				return err
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil
		}
	}
}

// lineCounts counts the lines that end before each piece of a text.
func lineCounts(text string) []int {
	var out []int
	for n, lines := 0, 0; n*pieceBytes < len(text); n++ {
		out = append(out, lines)
		lines += strings.Count(text[n*pieceBytes:min((n+1)*pieceBytes, len(text))], "\n")
	}
	return out
}
