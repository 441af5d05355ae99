// Copyright 2026 The Gantry Authors.

package runlog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// root is the first segment of the keys; the second is the tenant, the third the moment that the ids of
// the record's runs share, the fourth the number of the record.
const root = "runs-packed"

// The bounds of a record.
const (
	packRuns  = 256
	packBytes = 128 << 10
	// maxUnpacked bounds what a record unpacks to: one run may be larger than packBytes.
	maxUnpacked = 16 << 20
	// packFormat is the first byte of a record's value; the rest is compressed with S2.
	packFormat = 1
)

// entry is a run that has ended.
type entry struct {
	key
	run []byte
}

// moment is the first 41 bits of an id, for one of version 7 its time to an eighth of a second. A run
// is looked up among those of its moment.
func (k *key) moment() uint64 { return binary.BigEndian.Uint64(k.id[:]) >> 23 }

// tenantSegment is the tenant as a segment, which must not be empty; no tenant is called "-".
func tenantSegment(t host.TenantID) string {
	if t == "" {
		return "-"
	}
	return string(t)
}

func (k *key) prefix() store.Key {
	return store.Key{root, tenantSegment(k.tenant), fmt.Sprintf("%011x", k.moment())}
}

// scratch is memory that one flush after the other packs in.
type scratch struct{ plain, packed []byte }

// keptScratch is from when on it is given back after a flush.
const keptScratch = 512 << 10

// pack puts runs into records of one tenant and moment each.
func (l *Log) pack(runs []entry) (recs []store.Record) {
	type group struct {
		tenant host.TenantID
		moment uint64
	}
	groups := map[group][]entry{}
	for _, r := range runs {
		g := group{r.tenant, r.moment()}
		groups[g] = append(groups[g], r)
	}
	now := l.cfg.Clock.Now()
	// Numbers never go back within a process, nor, by the clock, from one to the next.
	l.batch = max(l.batch, uint64(now.UnixNano()))
	for _, list := range groups {
		for len(list) > 0 {
			n := fitting(list)
			l.batch++
			recs = append(recs, store.Record{
				Key: append(list[0].prefix(), fmt.Sprintf("%016x", l.batch)), Value: l.scratch.pack(list[:n]), Expires: now.Add(l.cfg.Retention),
			})
			list = list[n:]
		}
	}
	if cap(l.scratch.plain) > keptScratch {
		l.scratch = scratch{}
	}
	return recs
}

// fitting is how many of the runs go into one record, one at least.
func fitting(list []entry) int {
	size := 0
	for i, r := range list {
		if size += len(r.run); i > 0 && (size > packBytes || i == packRuns) {
			return i
		}
	}
	return len(list)
}

// pack is a record's value.
func (s *scratch) pack(list []entry) []byte {
	b := s.plain[:0]
	for _, r := range list {
		b = append(b, r.id[:]...)
		b = binary.AppendUvarint(b, uint64(len(r.run)))
		b = append(b, r.run...)
	}
	s.plain = b
	s.packed = append(slices.Grow(s.packed[:0], 1+s2.MaxEncodedLen(len(b))), packFormat)
	room := s.packed[1:cap(s.packed)]
	return slices.Clone(s.packed[:1+len(s2.Encode(room, b))])
}

var errDamaged = errors.New("it is damaged")

// unpack finds a run in a record's value; nil where it is not there.
func unpack(value []byte, id [16]byte) ([]byte, error) {
	if len(value) == 0 || value[0] != packFormat {
		return nil, errDamaged
	}
	if n, err := s2.DecodedLen(value[1:]); err != nil || n > maxUnpacked {
		return nil, errDamaged
	}
	b, err := s2.Decode(nil, value[1:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	for len(b) > 0 {
		if len(b) < len(id) {
			return nil, errDamaged
		}
		this := [16]byte(b)
		n, used := binary.Uvarint(b[len(id):])
		if used <= 0 || n > uint64(len(b)-len(id)-used) {
			return nil, errDamaged
		}
		b = b[len(id)+used:]
		if this == id {
			return slices.Clone(b[:n]), nil
		}
		b = b[n:]
	}
	return nil, nil
}

// stored finds a run in the store. Where it is there twice, as after a kill, the first counts.
func (l *Log) stored(ctx context.Context, k key) ([]byte, error) {
	const op = "runlog.Get"
	for cursor := ""; ; {
		page, err := l.cfg.Store.List(ctx, k.prefix(), cursor, 0)
		if err != nil {
			return nil, err
		}
		for _, r := range page.Records {
			run, err := unpack(r.Value, k.id)
			if err != nil {
				return nil, host.Errorf(op, abi.CodeInternal, "the record %s of runs cannot be read: %w", r.Key, err)
			}
			if run != nil {
				return run, nil
			}
		}
		if cursor = page.Next; cursor == "" {
			return nil, host.Errorf(op, abi.CodeNotFound, "there is no run %s", formatID(k.id))
		}
	}
}
