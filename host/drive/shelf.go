// Copyright 2026 The Gantry Authors.

package drive

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/blevesearch/bleve/v2/index/scorch"
	index "github.com/blevesearch/bleve_index_api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// shelf is what this process knows of one tenant's documents. Locks are taken in the order write, mu.
type shelf struct {
	s      *Service
	tenant host.TenantID
	dir    string

	// write is held for a whole change, begun and unsettled under it. Begun says that this process has
	// looked at what the last one left; unsettled that a change of this one did not end.
	write            sync.Mutex
	begun, unsettled bool

	mu sync.Mutex
	// dirty are the paths that the index has not taken in since; acked is the last change acknowledged.
	dirty map[string]struct{}
	acked uint64
	// suspect says that the index failed in use, and is to be made anew.
	suspect bool
	x       *indexer
}

// indexer owns a tenant's open index: one goroutine that opens it, takes changes in and closes it.
type indexer struct {
	h    *shelf
	wake chan struct{}
	// leave asks it to close the index unless somebody uses it.
	leave   chan struct{}
	leaving atomic.Bool
	users   atomic.Int32
	used    atomic.Int64

	// Under h.mu: ix is nil until it is up to date as of its opening, err says why it ended, moved is
	// closed, and replaced, whenever one of the others changes.
	ix      *tenantIndex
	applied uint64
	err     error
	moved   chan struct{}
}

// changed notes that a path has changed, and has the index take it in.
func (h *shelf) changed(path string, seq uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dirty[path] = struct{}{}
	h.acked = max(h.acked, seq)
	if x := h.start(); x != nil {
		signal(x.wake)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start returns the indexer, a new one where none runs, nil when the service is closed. h.mu is held.
func (h *shelf) start() *indexer {
	if h.x != nil {
		return h.x
	}
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return nil
	}
	x := &indexer{h: h, wake: make(chan struct{}, 1), leave: make(chan struct{}, 1), moved: make(chan struct{})}
	x.used.Store(time.Now().UnixNano())
	h.x = x
	s.makeRoom()
	s.open[x] = struct{}{}
	s.wg.Go(func() { x.run(s.ctx) })
	return x
}

// makeRoom asks indexes that nobody uses to close, those unused for longest first, when many are open
// that have not been asked yet. s.mu is held.
func (s *Service) makeRoom() {
	var idle []*indexer
	staying := 0
	for x := range s.open {
		if !x.leaving.Load() {
			staying++
			if x.users.Load() == 0 {
				idle = append(idle, x)
			}
		}
	}
	slices.SortFunc(idle, func(a, b *indexer) int { return cmp.Compare(a.used.Load(), b.used.Load()) })
	for _, x := range idle[:max(0, min(len(idle), staying-s.maxOpen+1))] {
		x.leaving.Store(true)
		signal(x.leave)
	}
}

// run is the indexer's goroutine.
func (x *indexer) run(ctx context.Context) {
	q := x.h.s.queue.acquire()
	defer x.h.s.queue.release()
	ix, err := x.begin(ctx, q)
	for idle := time.NewTimer(x.h.s.idle); err == nil; idle.Reset(x.h.s.idle) {
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-x.wake:
			err = x.takeIn(ctx, ix)
		case <-idle.C:
			if x.tryLeave(ix, time.Now().Add(-x.h.s.idle)) {
				return
			}
		case <-x.leave:
			if x.tryLeave(ix, time.Now()) {
				return
			}
			x.leaving.Store(false)
		}
	}
	if ctx.Err() == nil {
		x.h.s.log.Error("drive: the index of a tenant failed", "tenant", x.h.tenant, "err", err)
	}
	x.h.mu.Lock()
	defer x.h.mu.Unlock()
	x.end(ix, err)
}

// tryLeave closes the index unless it is needed or was used after the given time.
func (x *indexer) tryLeave(ix *tenantIndex, after time.Time) bool {
	x.h.mu.Lock()
	defer x.h.mu.Unlock()
	if x.h.suspect {
		x.end(ix, nil)
		return true
	}
	if x.users.Load() > 0 || len(x.h.dirty) > 0 || x.used.Load() > after.UnixNano() {
		return false
	}
	x.end(ix, nil)
	return true
}

// end closes the index and lets the next one who needs it start anew. h.mu is held, so that nobody
// opens the folder while it is being closed.
func (x *indexer) end(ix *tenantIndex, err error) {
	if ix != nil {
		if cerr := ix.Close(); cerr != nil {
			x.h.s.log.Error("drive: closing an index", "tenant", x.h.tenant, "err", cerr)
		}
	}
	x.ix, x.err, x.h.x = nil, err, nil
	close(x.moved)
	x.h.s.mu.Lock()
	defer x.h.s.mu.Unlock()
	delete(x.h.s.open, x)
}

// begin opens the index and brings it up to date with the store.
func (x *indexer) begin(ctx context.Context, q *index.AnalysisQueue) (*tenantIndex, error) {
	h := x.h
	h.write.Lock() // no change is under way while the ledger is read, so all up to its Seq are in the store
	l, err := h.readLedger(ctx)
	h.mu.Lock()
	suspect := h.suspect
	if err == nil {
		clear(h.dirty)
		h.acked = max(h.acked, l.Seq)
	}
	h.mu.Unlock()
	h.write.Unlock()
	if err != nil {
		return nil, err
	}
	if suspect {
		if err := os.RemoveAll(h.dir); err != nil {
			return nil, err
		}
	}
	ix, why, err := openIndex(h.dir, q)
	if why != nil {
		h.s.log.Warn("drive: the index of a tenant is made anew", "tenant", h.tenant, "why", why)
	}
	if err != nil {
		return nil, err
	}
	if err := h.heal(ctx, ix, l.Seq); err != nil {
		return ix, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.suspect = false
	x.ix = ix
	x.advance(l.Seq)
	return ix, nil
}

// advance tells those who wait how far the index is. h.mu is held.
func (x *indexer) advance(seq uint64) {
	x.applied = seq
	close(x.moved)
	x.moved = make(chan struct{})
}

// heal brings an index that has another Seq than the ledger up to date: it holds the revisions it
// knows against the store's.
func (h *shelf) heal(ctx context.Context, ix *tenantIndex, seq uint64) error {
	have, err := ix.seq()
	if err != nil {
		return err
	}
	if have == seq {
		return nil
	}
	known, err := ix.revisions()
	if err != nil {
		return err
	}
	var behind []string
	err = h.each(ctx, func(path string, r *record) error {
		if known[path] != revText(r.rev) {
			behind = append(behind, path)
		}
		delete(known, path)
		return nil
	})
	if err != nil {
		return err
	}
	behind = append(behind, slices.Sorted(maps.Keys(known))...) // what is gone from the store
	return h.apply(ctx, ix, behind, seq)
}

// takeIn brings the index up to the last change acknowledged.
func (x *indexer) takeIn(ctx context.Context, ix *tenantIndex) error {
	h := x.h
	h.mu.Lock()
	paths, seq := slices.Sorted(maps.Keys(h.dirty)), h.acked
	clear(h.dirty)
	h.mu.Unlock()
	if len(paths) == 0 {
		return nil
	}
	if err := h.apply(ctx, ix, paths, seq); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	x.advance(seq)
	return nil
}

// The bounds of one batch: splitting text into words takes many times its size in memory.
const (
	batchBytes = 1 << 20
	batchDocs  = 100
)

// apply has the index take in what the store has at these paths now, and then notes that it is as
// new as seq. A batch is on the disk when it is done.
func (h *shelf) apply(ctx context.Context, ix *tenantIndex, paths []string, seq uint64) error {
	batch, size := index.NewBatch(), 0
	for _, path := range paths {
		if size > 0 && (size >= batchBytes || len(batch.IndexOps) >= batchDocs) {
			if err := h.s.commit(ctx, ix, batch); err != nil {
				return err
			}
			batch, size = index.NewBatch(), 0
		}
		text, r, err := stable(ctx, h, path, func(r *record) (string, error) { return h.readBody(ctx, r.Body, bodyText, 0, r.Size) })
		switch {
		case host.CodeOf(err) == abi.CodeBusy: // its writers make it dirty again
		case err != nil:
			return err
		case r == nil:
			batch.Delete(path)
		default:
			batch.Update(h.s.words.entry(path, text, r))
			size += len(text) + 256
		}
	}
	batch.SetInternal(keySeq, []byte(strconv.FormatUint(seq, 10)))
	return h.s.commit(ctx, ix, batch)
}

func (s *Service) commit(ctx context.Context, ix *tenantIndex, batch *index.Batch) error {
	select {
	case s.indexing <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.indexing }()
	return ix.Batch(batch)
}

// maxWait is how long a search waits for the index to be up to date.
const maxWait = 30 * time.Second

// current calls fn with the tenant's index when it holds every change acknowledged so far. What the
// library panics over in fn is an error, and has the index made anew.
func (h *shelf) current(ctx context.Context, fn func(*scorch.IndexSnapshot) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, maxWait)
	defer cancel()
	x, ix, err := h.await(ctx)
	if err != nil {
		return err
	}
	defer func() {
		x.used.Store(time.Now().UnixNano())
		x.users.Add(-1)
		if r := recover(); r != nil {
			h.mu.Lock()
			h.suspect = true
			h.mu.Unlock()
			signal(x.leave)
			err = host.Errorf("drive.search", abi.CodeUnavailable, "the index failed and is being made anew; try again in a moment")
			h.s.log.Error("drive: the index of a tenant failed in use", "tenant", h.tenant, "panic", r)
		}
	}()
	return ix.view(fn)
}

// await returns the index when it is up to date, with one user more.
func (h *shelf) await(ctx context.Context) (*indexer, *tenantIndex, error) {
	h.mu.Lock()
	x := h.start()
	want := h.acked
	if x == nil {
		h.mu.Unlock()
		return nil, nil, host.Errorf("drive", abi.CodeUnavailable, "the host is stopping")
	}
	x.users.Add(1)
	for x.ix == nil || x.applied < want {
		moved := x.moved
		h.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			x.users.Add(-1)
			return nil, nil, h.notYet(ctx)
		}
		h.mu.Lock()
		if x.err != nil || h.x != x {
			err := x.err
			h.mu.Unlock()
			x.users.Add(-1)
			return nil, nil, broken(err)
		}
	}
	ix := x.ix
	h.mu.Unlock()
	return x, ix, nil
}

func broken(err error) error {
	return host.Errorf("drive.search", abi.CodeUnavailable, "the search index is not available just now").
		WithHint("documents can be listed and read meanwhile; the host's log has the cause (%s)", host.CodeOf(err))
}

func (h *shelf) notYet(ctx context.Context) error {
	if context.Cause(ctx) != context.DeadlineExceeded {
		return host.E("drive.search", host.CodeOf(ctx.Err()), ctx.Err())
	}
	return host.Errorf("drive.search", abi.CodeUnavailable, "the search index is still taking documents in; try again in a moment")
}
