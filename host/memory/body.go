// Copyright 2026 The Gantry Authors.

package memory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// A short text is in its head. A longer one is in pieces beside it, under a name made anew for each
// version: what a reader finds in a head therefore never changes under it, it can only go.
const (
	inlineBytes = 8 << 10
	pieceBytes  = 512 << 10
)

// head is the record of a file; its revision is the file's.
type head struct {
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	Text     string    `json:"text,omitempty"`
	Body     string    `json:"body,omitempty"`
}

func (h *head) info(path string, rev uint64) abi.MemoryInfo {
	return abi.MemoryInfo{Path: path, Size: h.Size, Revision: rev, Modified: h.Modified.UTC().Format(time.RFC3339)}
}

func parseHead(op string, rec store.Record) (head, error) {
	var h head
	if err := json.Unmarshal(rec.Value, &h); err != nil {
		return h, host.Errorf(op, abi.CodeInternal, "record %v does not parse: %w", rec.Key, err)
	}
	return h, nil
}

// load returns a file's head and revision, 0 where there is none.
func (s *Service) load(ctx context.Context, sp space, path string) (head, uint64, error) {
	rec, err := s.store.Get(ctx, sp.file(path))
	if host.CodeOf(err) == abi.CodeNotFound {
		return head{}, 0, nil
	}
	if err != nil {
		return head{}, 0, err
	}
	h, err := parseHead("memory.load", rec)
	return h, rec.Rev, err
}

// errGone says that a version's pieces are not there any more: it was replaced meanwhile.
var errGone = errors.New("the version is gone")

// text returns the text of the version that h is the head of, or errGone.
func (s *Service) text(ctx context.Context, sp space, h *head) (string, error) {
	if h.Body == "" {
		return h.Text, nil
	}
	var sb strings.Builder
	sb.Grow(int(h.Size))
	for i := range pieces(h.Size) {
		rec, err := s.store.Get(ctx, sp.piece(h.Body, i))
		if host.CodeOf(err) == abi.CodeNotFound {
			return "", errGone
		}
		if err != nil {
			return "", err
		}
		sb.Write(rec.Value)
	}
	return sb.String(), nil
}

func (sp space) piece(body string, i int) store.Key {
	return sp.key(kindPiece, body, strconv.Itoa(i))
}

func pieces(size int64) int { return int((size + pieceBytes - 1) / pieceBytes) }

// intent is the record of a change that has pieces to tidy away at its end, whichever way it ends.
// One that a killed host left behind is found by the next that changes the space.
type intent struct {
	Path   string    `json:"path"`
	At     time.Time `json:"at"`
	Bodies []body    `json:"bodies"`
}

type body struct {
	ID   string `json:"id"`
	Size int64  `json:"size"`
}

// intentAge is how old an intent is before it is taken for one left behind: another host of a cluster
// may be at it. A change takes milliseconds.
const intentAge = 2 * time.Minute

// replace puts a file's next version in place of the one with revision rev, whose head is old.
// CodeConflict says that it is not there any more.
func (s *Service) replace(ctx context.Context, sp space, path string, old version, text string) (abi.MemoryInfo, error) {
	h := head{Size: int64(len(text)), Modified: s.clock.Now().UTC(), Text: text}
	if len(text) > inlineBytes {
		h.Text, h.Body = "", rand.Text()
	}
	var rev uint64
	err := s.tidily(ctx, sp, path, []head{h, old.head}, func() error {
		if err := s.putPieces(ctx, sp, h.Body, text); err != nil {
			return err
		}
		data, err := json.Marshal(h)
		if err != nil {
			return host.E("memory.replace", abi.CodeInternal, err)
		}
		rev, err = s.store.Put(ctx, sp.file(path), data, store.PutOptions{Expect: old.rev})
		return err
	})
	return h.info(path, rev), err
}

// remove deletes the version old, as replace puts one.
func (s *Service) remove(ctx context.Context, sp space, path string, old version) error {
	return s.tidily(ctx, sp, path, []head{old.head}, func() error {
		return s.store.Delete(ctx, sp.file(path), old.rev)
	})
}

func (s *Service) putPieces(ctx context.Context, sp space, id, text string) error {
	if id == "" {
		return nil
	}
	for i := range pieces(int64(len(text))) {
		piece := text[i*pieceBytes : min((i+1)*pieceBytes, len(text))]
		if _, err := s.store.Put(ctx, sp.piece(id, i), []byte(piece), store.PutOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// tidily runs a change of a file between versions. Those with pieces are written down before, and
// what the file does not use after it is deleted. The change has its outcome by then, so that a
// failure of the tidying is left to the next count.
func (s *Service) tidily(ctx context.Context, sp space, path string, versions []head, change func() error) error {
	in := intent{Path: path, At: s.clock.Now().UTC()}
	for _, h := range versions {
		if h.Body != "" {
			in.Bodies = append(in.Bodies, body{h.Body, h.Size})
		}
	}
	if len(in.Bodies) == 0 {
		return change()
	}
	data, err := json.Marshal(in)
	if err != nil {
		return host.E("memory.tidily", abi.CodeInternal, err)
	}
	key := sp.key(kindIntent, rand.Text())
	if _, err := s.store.Put(ctx, key, data, store.PutOptions{}); err != nil {
		return err
	}
	err = change()
	_ = s.tidy(context.WithoutCancel(ctx), sp, key, &in)
	return err
}

// tidy deletes the pieces of an intent that its file does not use, and then the intent.
func (s *Service) tidy(ctx context.Context, sp space, key store.Key, in *intent) error {
	now, _, err := s.load(ctx, sp, in.Path)
	if err != nil {
		return err
	}
	for _, b := range in.Bodies {
		if b.ID == now.Body {
			continue
		}
		for i := range pieces(b.Size) {
			if err := s.store.Delete(ctx, sp.piece(b.ID, i), store.AnyRev); err != nil {
				return err
			}
		}
	}
	return s.store.Delete(ctx, key, store.AnyRev)
}
