// Copyright 2026 The Gantry Authors.

package journal

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
)

// maxBatch is how many entries one record holds. Entries share a record because a record of its own
// for each call would cost more than the call.
const maxBatch = 256

// root is the first segment of the journal's keys; the second is the tenant, the third the id of
// the newest entry of the batch.
const root = "journal"

// newestFirst is a segment that sorts the other way round than n.
func newestFirst(n uint64) string { return fmt.Sprintf("%016x", ^n) }

// write empties the queue into the store.
func (j *Journal) write(ctx context.Context) {
	j.writing.Lock()
	defer j.writing.Unlock()
	entries := j.take()
	if len(entries) == 0 {
		return
	}
	recs, counts := j.batches(entries)
	if a, ok := j.cfg.Store.(appender); ok {
		err := a.Append(ctx, recs)
		j.settle(err, len(entries))
		return
	}
	for i, r := range recs {
		_, err := j.cfg.Store.Put(ctx, r.Key, r.Value, store.PutOptions{Expect: store.AnyRev, TTL: j.cfg.Retention})
		j.settle(err, counts[i])
	}
}

func (j *Journal) take() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Entry, 0, j.count)
	for ; j.count > 0; j.count-- {
		out = append(out, j.queue[j.first])
		j.queue[j.first] = Entry{}
		j.first = (j.first + 1) % len(j.queue)
	}
	return out
}

// settle counts a written batch, or a lost one: an entry is not worth a queue that grows while the
// store is away.
func (j *Journal) settle(err error, n int) {
	j.mu.Lock()
	if err == nil {
		j.stats.Written += uint64(n)
	} else {
		j.stats.Lost += uint64(n)
	}
	lost := j.stats.Lost
	j.mu.Unlock()
	if err != nil {
		j.log.Warn("journal entries are lost: the store does not take them", "entries", n, "lost_so_far", lost, "error", err)
	}
}

// batches packs entries, oldest first, into records of one tenant each.
func (j *Journal) batches(entries []Entry) (recs []store.Record, counts []int) {
	expires := j.cfg.Clock.Now().Add(j.cfg.Retention)
	byTenant := map[host.TenantID][]Entry{}
	for _, e := range entries {
		byTenant[e.Tenant] = append(byTenant[e.Tenant], e)
	}
	for tenant, list := range byTenant {
		for chunk := range slices.Chunk(list, maxBatch) {
			recs = append(recs, record(tenant, chunk, expires))
			counts = append(counts, len(chunk))
		}
	}
	return recs, counts
}

// record is one batch, newest first.
func record(tenant host.TenantID, chunk []Entry, expires time.Time) store.Record {
	return store.Record{
		Key:     store.Key{root, tenantSegment(tenant), chunk[len(chunk)-1].ID},
		Value:   pack(chunk),
		Expires: expires,
	}
}

// tenantSegment is the tenant as a segment, which must not be empty; no tenant is called "-".
func tenantSegment(t host.TenantID) string {
	if t == "" {
		return "-"
	}
	return string(t)
}
