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
}

type runID struct {
	tenant host.TenantID
	id     string
}

func (rs *runs) init() {
	rs.live = map[runID]*run{}
	rs.counts = map[host.TenantID]int{}
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

func (rs *runs) remove(t host.TenantID, r *run) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.live, runID{t, r.rec.CallID})
	if rs.counts[t]--; rs.counts[t] == 0 {
		delete(rs.counts, t)
	}
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
	log    eventLog
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
