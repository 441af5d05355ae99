// Copyright 2026 The Gantry Authors.

package journal

import (
	"context"
	"fmt"
	"slices"

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
	defer clear(entries) // their texts need not stay
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

// take empties the queue. What it returns is used again by the next; j.writing is held.
func (j *Journal) take() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.taken = slices.Grow(j.taken[:0], j.count)
	for ; j.count > 0; j.count-- {
		j.taken = append(j.taken, j.queue[j.first])
		j.queue[j.first] = Entry{}
		j.first = (j.first + 1) % len(j.queue)
	}
	return j.taken
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
	byTenant := map[host.TenantID][]*Entry{}
	for i := range entries {
		e := &entries[i]
		byTenant[e.Tenant] = append(byTenant[e.Tenant], e)
	}
	for tenant, list := range byTenant {
		for chunk := range slices.Chunk(list, maxBatch) {
			recs = append(recs, store.Record{
				Key:     store.Key{root, tenantSegment(tenant), chunk[len(chunk)-1].ID},
				Value:   j.packer.pack(chunk), // newest first
				Expires: expires,
			})
			counts = append(counts, len(chunk))
		}
	}
	return recs, counts
}

// tenantSegment is the tenant as a segment, which must not be empty; no tenant is called "-".
func tenantSegment(t host.TenantID) string {
	if t == "" {
		return "-"
	}
	return string(t)
}
