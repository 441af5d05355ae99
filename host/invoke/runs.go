// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// runs are the runs under way, by tenant and call id. A run leaves when its end is in the store.
type runs struct {
	mu     sync.Mutex
	live   map[runID]*run
	counts map[host.TenantID]int
	// ended are the runs that left last, oldest first in order: whoever started a short run asks for
	// it just after its end, and need not wait for the store.
	ended map[runID]endedRun
	order []endedAt
}

type endedRun struct {
	run *run
	at  time.Time
}

type endedAt struct {
	id runID
	at time.Time
}

// The bounds of runs.ended.
const (
	maxEnded      = 1024
	maxEndedBytes = 8 << 10
	endedFor      = 10 * time.Second
)

type runID struct {
	tenant host.TenantID
	id     string
}

func (rs *runs) init() {
	rs.live = map[runID]*run{}
	rs.counts = map[host.TenantID]int{}
	rs.ended = map[runID]endedRun{}
}

func (rs *runs) find(t host.TenantID, id string) *run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return rs.live[runID{t, id}]
}

// add is the run of that id: r, or the one that is there already.
func (rs *runs) add(t host.TenantID, r *run, most int) (there *run, added bool, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	id := runID{t, r.rec.CallID}
	if there := rs.live[id]; there != nil {
		return there, false, nil
	}
	if rs.counts[t] >= most {
		return nil, false, host.Errorf("invoke.Start", abi.CodeBusy, "%d runs of this tenant are under way; wait for one to end, or cancel one", most)
	}
	rs.live[id] = r
	rs.counts[t]++
	return r, true, nil
}

// remove takes a run out; one that was recorded can be recalled for a while.
func (rs *runs) remove(t host.TenantID, r *run) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.drop(runID{t, r.rec.CallID})
}

// retire is remove for a run whose end was told at that time.
func (rs *runs) retire(t host.TenantID, r *run, at time.Time) {
	id, small := runID{t, r.rec.CallID}, r.bytes() <= maxEndedBytes
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.drop(id)
	for len(rs.order) > 0 && (len(rs.order) >= maxEnded || at.Sub(rs.order[0].at) > endedFor) {
		delete(rs.ended, rs.order[0].id)
		rs.order = rs.order[1:]
	}
	if small {
		rs.ended[id] = endedRun{r, at}
		rs.order = append(rs.order, endedAt{id, at})
	}
}

// drop is remove with rs.mu held.
func (rs *runs) drop(id runID) {
	delete(rs.live, id)
	if rs.counts[id.tenant]--; rs.counts[id.tenant] == 0 {
		delete(rs.counts, id.tenant)
	}
}

// recall finds a run under way, or one that has just ended.
func (rs *runs) recall(t host.TenantID, id string, now time.Time) *run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	key := runID{t, id}
	if r := rs.live[key]; r != nil {
		return r
	}
	if e, ok := rs.ended[key]; ok && now.Sub(e.at) <= endedFor {
		return e.run
	}
	return nil
}

func (rs *runs) count() int {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.live)
}

// choose lists the runs under way that take chooses.
func (rs *runs) choose(take func(runID, *run) bool) []*run {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var out []*run
	for id, r := range rs.live {
		if take(id, r) {
			out = append(out, r)
		}
	}
	return out
}

// run is one run under way.
type run struct {
	log eventLog
	// reserved is when the run took its tenant's quota for its first attempt, zero once that runs. It
	// is the run's goroutine's.
	reserved time.Time

	cancel context.CancelCauseFunc
	// ready is closed when the run is recorded and, with refused, when it could not be; stored is
	// the record that was there already.
	ready   chan struct{}
	refused error
	stored  *record
	// done is closed when the run has ended and its end is told.
	done chan struct{}

	mu  sync.Mutex
	rec record
	// updated is when the status last changed; waiting is what a task has asked and not yet heard.
	updated time.Time
	waiting *waiting
	// decided says that the outcome is fixed, so that a cancel comes too late.
	decided bool
}

func (r *run) snapshot() Run {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rec.Run
}

// bytes is about what a run that has ended holds.
func (r *run) bytes() int {
	n := r.log.bytes()
	r.mu.Lock()
	defer r.mu.Unlock()
	n += len(r.rec.Metadata)
	if res := r.rec.Result; res != nil {
		n += len(res.Structured)
		for i := range res.Content {
			n += len(res.Content[i].Text) + len(res.Content[i].Data)
		}
	}
	return n
}

func (r *run) setStatus(s Status, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.decided {
		r.rec.Status, r.updated = s, now
	}
}

// The causes of a run's end from outside.
func errCancelled() error {
	return host.Errorf("invoke.Cancel", abi.CodeCancelled, "the run was cancelled by its caller")
}

func errInterrupted() error {
	return host.Errorf("invoke.Drain", abi.CodeInterrupted, "the host stopped while the run was under way").
		WithHint("start it again with a new request_id")
}

func errTooLong(limit time.Duration) error {
	return host.Errorf("invoke.run", abi.CodeDeadline, "the run, waiting included, took longer than %s", limit)
}
