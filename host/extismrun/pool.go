// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/fair"
)

// pool hands a guest's instances to its calls: one call at a time each, and to the tenants by turns
// where calls wait. A call takes a slot and then an instance: an idle one that the isolation lets it
// have, or a new one. There are never more instances than slots: where no idle one will do, the
// longest idle one goes.
type pool struct {
	guest *guest
	size  int
	slots *fair.Gate

	mu sync.Mutex
	// idle is in order of use, so the last is the warmest and the first the longest idle.
	idle   []*instance
	busy   int
	closed bool
	done   chan struct{}
}

func (p *pool) init(g *guest, n int) {
	p.guest, p.size = g, n
	p.slots = fair.New(n)
	p.done = make(chan struct{})
}

// acquire returns an instance that is fresh or that the isolation lets this tenant have. The caller
// releases it.
func (p *pool) acquire(ctx context.Context, tenant host.TenantID) (*instance, error) {
	if err := p.slots.Acquire(ctx, tenant); err != nil {
		return nil, host.E(opCall, host.CodeOf(err), err)
	}
	in, surplus, err := p.pick(tenant)
	if surplus != nil {
		surplus.close()
	}
	if in == nil && err == nil {
		in, err = newInstance(ctx, p.guest)
		if err != nil {
			p.leave(nil)
		}
	}
	if err != nil {
		p.slots.Release()
		return nil, err
	}
	in.tenant, in.fresh = tenant, false
	return in, nil
}

// pick takes an idle instance, or leaves in nil where one has to be made. Surplus is an instance to
// be closed first.
func (p *pool) pick(tenant host.TenantID) (in, surplus *instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, host.Errorf(opCall, abi.CodeUnavailable, "plugin %s is being closed", p.guest.name)
	}
	p.busy++
	for i, c := range slices.Backward(p.idle) {
		if c.fresh || p.guest.shares(c.tenant, tenant) {
			p.idle = slices.Delete(p.idle, i, i+1)
			return c, nil, nil
		}
	}
	if len(p.idle)+p.busy > p.size && len(p.idle) > 0 {
		surplus = p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
	}
	return nil, surplus, nil
}

func (p *pool) count() (idle, busy int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.idle), p.busy
}

// leave counts a call out; its instance becomes idle where there is one. It is false where the pool
// is closed and does not take it.
func (p *pool) leave(in *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.busy--
	if in == nil || p.closed {
		return false
	}
	in.idleSince = time.Now()
	p.idle = append(p.idle, in)
	return true
}

// release gives an instance back, to be used again or closed: where keep is false, or where it has
// served the one call that it may.
func (p *pool) release(in *instance, keep bool) {
	back := in
	if !keep || !in.fresh && p.guest.isolation == host.IsolationCall {
		back = nil
	}
	if !p.leave(back) {
		in.close()
	}
	p.slots.Release()
}

func (p *pool) oldestIdle() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return time.Time{}, false
	}
	return p.idle[0].idleSince, true
}

// closeIdle closes the instances that nobody has used after until.
func (p *pool) closeIdle(until time.Time) {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && !p.idle[n].idleSince.After(until) {
		n++
	}
	out := slices.Clone(p.idle[:n])
	p.idle = slices.Delete(p.idle, 0, n)
	p.mu.Unlock()
	for _, in := range out {
		in.close()
	}
}

// shut lets no further call in. First is false where it was shut before; done is closed by the one
// who shut it first, when all is over.
func (p *pool) shut() (first bool, done chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	first = !p.closed
	p.closed = true
	return first, p.done
}

// drain waits until every slot is free: calls that wait for one get theirs, see that the pool is shut
// and give up. After ctx it interrupts what runs.
func (p *pool) drain(ctx context.Context) error {
	p.closeIdle(time.Now())
	if p.slots.Wait(ctx) == nil {
		return nil
	}
	p.guest.interrupt(errClosed)
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	if p.slots.Wait(grace) != nil {
		return host.Errorf("extismrun.Close", abi.CodeDeadline, "plugin %s: a call does not end; what it holds stays", p.guest.name)
	}
	return nil
}
