// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Quota bounds what tenants use over time; *quota.Service is one.
type Quota interface {
	// Reserve takes n calls, 0 or 1, and tells how much fuel is left for what is to come; 0 is no
	// bound. An error, of CodeRateLimited where a limit is met, has taken nothing.
	Reserve(ctx context.Context, t host.TenantID, now time.Time, n int64) (fuel uint64, err error)
	// Settle counts the fuel that a call used. It must not wait.
	Settle(t host.TenantID, now time.Time, fuel uint64)
	// Return gives back a call that was reserved at a time and never ran.
	Return(t host.TenantID, reserved time.Time)
}

// reserve takes the call's quota before its guest runs, and bounds the guest by the fuel that is left.
// A tool that another tool calls is no call of the tenant's; a run has reserved its call at its start.
func (c *call) reserve(ctx context.Context) error {
	q := c.p.cfg.Quota
	if q == nil {
		return nil
	}
	n := int64(1)
	if c.info.Depth > 0 || c.reserved {
		n = 0
	}
	c.rationAt = c.p.cfg.Clock.Now()
	left, err := q.Reserve(ctx, c.info.Principal.Tenant, c.rationAt, n)
	if err != nil {
		return err
	}
	if left > 0 && (c.limits.Fuel == 0 || left < c.limits.Fuel) {
		c.limits.Fuel, c.rationed = left, true
	}
	return nil
}

// settled counts what the guest used. Where it ran out of what its tenant had left, and not of its
// plugin's own limit, the error is the quota's.
func (c *call) settled(ctx context.Context, err error) error {
	q := c.p.cfg.Quota
	if q == nil {
		return err
	}
	t := c.info.Principal.Tenant
	q.Settle(t, c.rationAt, c.usage.Fuel)
	if !c.rationed || c.usage.Fuel < c.limits.Fuel || host.CodeOf(err) != abi.CodeLimit {
		return err
	}
	if _, over := q.Reserve(ctx, t, c.p.cfg.Clock.Now(), 0); host.CodeOf(over) == abi.CodeRateLimited {
		return over
	}
	return err
}

// reserveRun takes the quota of a run when it is accepted, so that its caller hears of it at once.
func (p *Pipeline) reserveRun(ctx context.Context, t host.TenantID) (at time.Time, err error) {
	at = p.cfg.Clock.Now()
	if p.cfg.Quota != nil {
		_, err = p.cfg.Quota.Reserve(ctx, t, at, 1)
	}
	return at, err
}

// returnRun gives back the quota of a run that came to nothing.
func (p *Pipeline) returnRun(t host.TenantID, at time.Time) {
	if p.cfg.Quota != nil {
		p.cfg.Quota.Return(t, at)
	}
}
