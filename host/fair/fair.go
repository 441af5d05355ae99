// Copyright 2026 The Gantry Authors.

// Package fair lets so many callers in at once and the others by turns of their tenants: each tenant
// that waits gets the next place in its turn, and within a tenant who came first goes first. So a
// tenant with a thousand callers in the queue does not make another's one wait for all of them.
//
// It weighs nobody: a tenant's turn is one call, however long the call. It does not bound how many
// wait, and it interrupts nothing.
package fair

import (
	"context"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
)

// Gate has a number of places. Use New; all methods may be called concurrently.
type Gate struct {
	size int

	mu     sync.Mutex
	inside int
	queues map[host.TenantID]*queue
	// first and last are the tenants that wait, in the order of their turns.
	first, last *queue
	waiting     int
	waits       int64
	waited      time.Duration
	// empty is closed, and gone, when nobody is inside; it is made by who waits for that.
	empty chan struct{}
}

// queue is the waiting callers of one tenant. It is there as long as it has some.
type queue struct {
	tenant      host.TenantID
	first, last *waiter
	prev, next  *queue
}

type waiter struct {
	turn       chan struct{} // closed when the place is the waiter's
	since      time.Time
	prev, next *waiter
}

// New makes a gate of size places, 1 or more.
func New(size int) *Gate {
	return &Gate{size: max(size, 1), queues: map[host.TenantID]*queue{}}
}

// Acquire takes a place, waiting for the tenant's turn as long as ctx allows; the error is ctx's.
// Release has to follow where it succeeds.
func (g *Gate) Acquire(ctx context.Context, tenant host.TenantID) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.inside < g.size {
		g.inside++
		g.mu.Unlock()
		return nil
	}
	w := &waiter{turn: make(chan struct{}), since: time.Now()}
	q := g.join(tenant, w)
	g.mu.Unlock()
	select {
	case <-w.turn:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.turn: // it came meanwhile; the place goes on to the next
		g.leave()
	default:
		g.remove(q, w)
	}
	return ctx.Err()
}

// Release gives a place back; it goes to who is next.
func (g *Gate) Release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leave()
}

// Wait returns when nobody is inside, and so nobody waits, or with ctx's error. It lets nobody out
// and keeps nobody from coming in: the caller has done that.
func (g *Gate) Wait(ctx context.Context) error {
	for {
		g.mu.Lock()
		if g.inside == 0 {
			g.mu.Unlock()
			return nil
		}
		if g.empty == nil {
			g.empty = make(chan struct{})
		}
		empty := g.empty
		g.mu.Unlock()
		select {
		case <-empty:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Stats is a gate at one moment, and what it has made wait since New.
type Stats struct {
	Inside, Waiting int
	// Waits counts the callers that had to wait and are in, or have given up; Waited is their time.
	Waits  int64
	Waited time.Duration
}

// Stats counts.
func (g *Gate) Stats() Stats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return Stats{Inside: g.inside, Waiting: g.waiting, Waits: g.waits, Waited: g.waited}
}

// join puts w at the end of its tenant's queue, and a tenant that is new at the end of the turns.
func (g *Gate) join(tenant host.TenantID, w *waiter) *queue {
	q := g.queues[tenant]
	if q == nil {
		q = &queue{tenant: tenant}
		g.queues[tenant] = q
		g.append(q)
	}
	if w.prev = q.last; w.prev == nil {
		q.first = w
	} else {
		w.prev.next = w
	}
	q.last = w
	g.waiting++
	return q
}

// leave frees a place, or hands it to the first of the tenant whose turn it is.
func (g *Gate) leave() {
	q := g.first
	if q == nil {
		g.inside--
		if g.inside == 0 && g.empty != nil {
			close(g.empty)
			g.empty = nil
		}
		return
	}
	w := q.first
	g.detach(q)
	g.append(q) // its next turn comes after all others'
	g.remove(q, w)
	close(w.turn)
}

// remove takes w out of its queue, which goes with its last one.
func (g *Gate) remove(q *queue, w *waiter) {
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	g.waiting--
	g.waits++
	g.waited += time.Since(w.since)
	if q.first == nil {
		g.detach(q)
		delete(g.queues, q.tenant)
	}
}

func (g *Gate) append(q *queue) {
	q.prev, q.next = g.last, nil
	if g.last == nil {
		g.first = q
	} else {
		g.last.next = q
	}
	g.last = q
}

func (g *Gate) detach(q *queue) {
	if q.prev == nil {
		g.first = q.next
	} else {
		q.prev.next = q.next
	}
	if q.next == nil {
		g.last = q.prev
	} else {
		q.next.prev = q.prev
	}
}
