// Copyright 2026 The Gantry Authors.

package skills

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// The bodies of files lie beside the records, in pieces that a record of the store holds. A body is
// written before the record that names it, under a name that nothing else has, and never changed; so
// a record's bodies are always whole. Bodies that no record names any more are taken away by the one
// whose change made them so, and those of a host that was killed meanwhile by a later change.
const (
	pieceBytes = 512 << 10
	// orphanAge is how old a body without a record has to be to be taken away: no change takes so long.
	orphanAge = time.Hour
)

func blobsOf(tenant host.TenantID, id string) store.Key {
	return store.Key{"skill-files", string(tenant), id}
}

func pieceKey(tenant host.TenantID, id, blob string, n int) store.Key {
	return append(blobsOf(tenant, id), blob, fmt.Sprintf("%04d", n))
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// newBlob is a name that tells when it was made.
func newBlob(now time.Time) string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%012x%s", now.UnixMilli(), hex.EncodeToString(b[:]))
}

func orphaned(blob string, now time.Time) bool {
	if len(blob) < 12 {
		return false
	}
	ms, err := strconv.ParseInt(blob[:12], 16, 64)
	return err == nil && now.Sub(time.UnixMilli(ms)) > orphanAge
}

func pieces(size int) int { return (size + pieceBytes - 1) / pieceBytes }

func (s *Service) putBlob(ctx context.Context, tenant host.TenantID, id string, data []byte) (string, error) {
	blob := newBlob(s.clock.Now())
	n := 0
	for piece := range slices.Chunk(data, pieceBytes) {
		if _, err := s.store.Put(ctx, pieceKey(tenant, id, blob, n), piece, store.PutOptions{}); err != nil {
			return "", err
		}
		n++
	}
	return blob, nil
}

// body reads a file of the record. A record that was changed meanwhile may have lost it: that is
// abi.CodeNotFound.
func (s *Service) body(ctx context.Context, tenant host.TenantID, r *record, i int) ([]byte, error) {
	const op = "skills.body"
	f := r.Files[i]
	out := make([]byte, 0, f.Size)
	for n := range pieces(f.Size) {
		rec, err := s.store.Get(ctx, pieceKey(tenant, r.ID, r.Blobs[i], n))
		if err != nil {
			return nil, err
		}
		out = append(out, rec.Value...)
	}
	if digest(out) != f.Digest {
		return nil, host.Errorf(op, abi.CodeInternal, "%s of skill %s is not what was stored", f.Path, r.ID)
	}
	return out, nil
}

// dropBlobs takes bodies away that nothing names any more. That it fails is no fault of the change
// that was made; a later one tries again.
func (s *Service) dropBlobs(ctx context.Context, tenant host.TenantID, id string, gone func(blob string) bool) {
	for cursor := ""; ; {
		page, err := s.store.List(ctx, blobsOf(tenant, id), cursor, 0)
		if err != nil {
			s.log.Warn("files of a skill were left behind", "tenant", tenant, "skill", id, "err", err)
			return
		}
		for _, rec := range page.Records {
			if !gone(rec.Key[3]) {
				continue
			}
			if err := s.store.Delete(ctx, rec.Key, store.AnyRev); err != nil {
				s.log.Warn("a file of a skill was left behind", "tenant", tenant, "skill", id, "err", err)
			}
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
}
