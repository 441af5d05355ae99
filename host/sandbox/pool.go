// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/fair"
)

// pool hands a guest's instances to its calls: one call at a time each, and to the tenants by turns
// where calls wait.
//
// A call first takes a slot and then an instance: an idle one of its tenant, or a new one, which
// takes the place of the longest idle one where there are too many. There may be more instances than
// slots, or tenants that take turns would make a new one at every call.
type pool struct {
	guest *guest
	// most is how many instances may be alive, no less than there are slots.
	most int
	// slots are how many calls may run at once.
	slots *fair.Gate

	mu sync.Mutex
	// idle is in order of use, so the last is the warmest and the first the longest idle.
	idle []*instance
	live map[*instance]struct{}
	// making counts instances that are not in live yet.
	making int
	// closed is set under mu; who only wants to spare itself the wait reads it without.
	closed atomic.Bool
	done   chan struct{}
}

func (p *pool) init(g *guest, calls, instances int) {
	p.guest, p.most = g, instances
	p.slots = fair.New(min(calls, instances))
	p.live = map[*instance]struct{}{}
	p.done = make(chan struct{})
}

// acquire returns an instance that is fresh or has served this tenant only. The caller releases it.
func (p *pool) acquire(ctx context.Context, tenant host.TenantID) (*instance, error) {
	if p.closed.Load() {
		return nil, p.shutError()
	}
	if err := p.slots.Acquire(ctx, tenant); err != nil {
		return nil, host.E(opCall, host.CodeOf(err), err)
	}
	in, surplus, err := p.pick(tenant)
	if surplus != nil {
		surplus.close()
	}
	if in == nil && err == nil {
		in, err = p.grow(ctx)
	}
	if err != nil {
		p.slots.Release()
		return nil, err
	}
	in.tenant, in.fresh = tenant, false
	return in, nil
}

// pick takes an idle instance, or leaves in nil where one has to be made. Surplus is an instance to
// be closed first, to stay within the size.
func (p *pool) pick(tenant host.TenantID) (in, surplus *instance, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed.Load() {
		return nil, nil, p.shutError()
	}
	for i := len(p.idle) - 1; i >= 0; i-- {
		if c := p.idle[i]; c.fresh || c.tenant == tenant || p.guest.isolation == host.IsolationShared {
			p.idle = slices.Delete(p.idle, i, i+1)
			return c, nil, nil
		}
	}
	if len(p.live)+p.making >= p.most && len(p.idle) > 0 {
		surplus = p.takeOldest()
	}
	p.making++
	return nil, surplus, nil
}

func (p *pool) grow(ctx context.Context) (*instance, error) {
	in, err := newInstance(ctx, p.guest)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.making--
	if err == nil {
		p.live[in] = struct{}{}
	}
	return in, err
}

// takeOldest removes the longest idle instance; the caller closes it outside of the lock.
func (p *pool) takeOldest() *instance {
	in := p.idle[0]
	p.idle = slices.Delete(p.idle, 0, 1)
	delete(p.live, in)
	return in
}

// release gives an instance back, to be used again or, where keep is false, closed.
func (p *pool) release(in *instance, keep bool) {
	p.mu.Lock()
	keep = keep && !p.closed.Load()
	if keep {
		p.idle = append(p.idle, in)
	} else {
		delete(p.live, in)
	}
	p.mu.Unlock()
	if !keep {
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
	var out []*instance
	for len(p.idle) > 0 && !p.idle[0].idleSince.After(until) {
		out = append(out, p.takeOldest())
	}
	p.mu.Unlock()
	for _, in := range out {
		in.close()
	}
}

func (p *pool) count() (live, idle int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live) + p.making, len(p.idle)
}

// shut lets no further call in. First is false where it was shut before; done is closed by the one
// who shut it first, when all is drained.
func (p *pool) shut() (first bool, done chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.closed.Swap(true), p.done
}

func (p *pool) shutError() error {
	return host.Errorf(opCall, abi.CodeUnavailable, "plugin %s is being closed", p.guest.name)
}

// drain waits until every slot is free: calls that wait for one get theirs, see that the pool is shut
// and give up. After ctx it interrupts what runs.
func (p *pool) drain(ctx context.Context) error {
	p.closeIdle(time.Now())
	if p.slots.Wait(ctx) == nil {
		return nil
	}
	p.mu.Lock()
	for in := range p.live {
		in.interrupt(causeClosed)
	}
	p.mu.Unlock()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeGrace)
	defer cancel()
	if p.slots.Wait(grace) != nil {
		return host.Errorf("sandbox.Close", abi.CodeDeadline, "plugin %s: a call does not end; what it holds is freed when it does", p.guest.name)
	}
	return nil
}
