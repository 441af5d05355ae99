// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// due is a run's context with the time at which the run has to be over. It makes no context of its own:
// the timer ends the run's, with a cause that is worded only then.
type due struct {
	context.Context
	at time.Time
}

// withDue bounds ctx, which cancel has to end, by the limit from now. Stop has to be called.
func withDue(ctx context.Context, cancel context.CancelCauseFunc, limit time.Duration) (_ context.Context, stop func() bool) {
	timer := time.AfterFunc(limit, func() { cancel(errTooLong(limit)) })
	return due{ctx, time.Now().Add(limit)}, timer.Stop
}

// Deadline implements context.Context.
func (d due) Deadline() (time.Time, bool) { return d.at, true }

// Err implements context.Context: a run that took too long was not cancelled by anybody.
func (d due) Err() error {
	err := d.Context.Err()
	if err != nil && host.CodeOf(context.Cause(d.Context)) == abi.CodeDeadline {
		return context.DeadlineExceeded
	}
	return err
}
