// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// gates bound how many calls of each tenant run at once, so that no tenant takes the host from the
// others. Within a tenant, who came first goes first.
type gates struct {
	running, waiting int
	byTenant         sync.Map // host.TenantID → *gate
}

type gate struct {
	mu      sync.Mutex
	running int
	queue   []chan struct{}
}

// of finds the tenant's gate. Gates stay: tenants come from credentials, so their number is the
// operator's.
func (g *gates) of(t host.TenantID) *gate {
	if v, ok := g.byTenant.Load(t); ok {
		return v.(*gate)
	}
	v, _ := g.byTenant.LoadOrStore(t, &gate{})
	return v.(*gate)
}

// queued is how many wait, of all tenants.
func (gs *gates) queued() (n int) {
	gs.byTenant.Range(func(_, v any) bool {
		g := v.(*gate)
		g.mu.Lock()
		n += len(g.queue)
		g.mu.Unlock()
		return true
	})
	return n
}

// try takes a place if one is free and nobody waits for it.
func (g *gate) try(limit int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running >= limit || len(g.queue) > 0 {
		return false
	}
	g.running++
	return true
}

// enter takes a place, or waits for one in turn. With patient it waits however many are waiting.
func (gs *gates) enter(ctx context.Context, g *gate, patient bool) error {
	const op = "invoke.reserve"
	if g.try(gs.running) {
		return nil
	}
	g.mu.Lock()
	if g.running < gs.running && len(g.queue) == 0 {
		g.running++
		g.mu.Unlock()
		return nil
	}
	if !patient && len(g.queue) >= gs.waiting {
		g.mu.Unlock()
		return host.Errorf(op, abi.CodeBusy, "%d calls of this tenant run and %d wait; try again in a moment", gs.running, gs.waiting)
	}
	turn := make(chan struct{})
	g.queue = append(g.queue, turn)
	g.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		g.giveUp(turn)
		return context.Cause(ctx)
	}
}

// giveUp leaves the queue; a place that was handed over meanwhile goes on to the next.
func (g *gate) giveUp(turn chan struct{}) {
	g.mu.Lock()
	for i, q := range g.queue {
		if q == turn {
			g.queue = append(g.queue[:i], g.queue[i+1:]...)
			g.mu.Unlock()
			return
		}
	}
	g.mu.Unlock()
	g.leave()
}

// leave hands the place to the first who waits.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.queue) == 0 {
		g.running--
		return
	}
	next := g.queue[0]
	g.queue = g.queue[1:]
	close(next)
}
