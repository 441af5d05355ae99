// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"errors"
	"sync"
	"time"
)

// cause is why a run was interrupted.
type cause int

const (
	causeNone cause = iota
	causeWall
	causeDeadline
	causeCancelled
	causeClosed
)

func causeOf(ctxErr error) cause {
	if errors.Is(ctxErr, context.DeadlineExceeded) {
		return causeDeadline
	}
	return causeCancelled
}

// interruption ends a run before its time. Of the clock and of the caller it learns by looking, on
// the goroutine of the run: a guest calls the host every 0.1 to 1 ms whatever it does, and so a run
// that comes to its own end costs neither a timer nor a goroutine. The one thing that comes from
// outside is interrupt. Either way the instance cannot be used after it, until it is renewed.
type interruption struct {
	// interrupted is closed by the first interrupt; only renew replaces it, between two runs.
	interrupted chan struct{}

	// The run's: its caller, when it began and has to end, and what it means when it does not.
	parent    context.Context
	gone      <-chan struct{}
	began     time.Time
	deadline  time.Time
	timeCause cause
	opCtx     context.Context
	looks     uint8

	mu        sync.Mutex
	cause     cause
	cancelOps context.CancelFunc
}

func (i *interruption) init() { i.interrupted = make(chan struct{}) }

// arm begins a run, which may last for wall, until the context's deadline or until the context is
// done, whatever is first.
func (i *interruption) arm(ctx context.Context, wall time.Duration) {
	i.parent, i.gone, i.began = ctx, ctx.Done(), time.Now()
	i.deadline, i.timeCause = i.began.Add(wall), causeWall
	if i.gone == nil {
		return // such a context has no deadline either
	}
	if d, ok := ctx.Deadline(); ok && d.Before(i.deadline) {
		i.deadline, i.timeCause = d, causeDeadline
	}
}

// disarm ends a run.
func (i *interruption) disarm() {
	if i.opCtx != nil {
		i.endOps()
	}
	i.parent, i.gone, i.opCtx = nil, nil, nil
}

// stopped looks whether the run has to end; it is true from then on.
func (i *interruption) stopped() bool {
	select {
	case <-i.interrupted:
		return true
	default:
	}
	select {
	case <-i.gone:
		i.interrupt(causeOf(i.parent.Err()))
		return true
	default:
	}
	return false
}

// late looks whether the time of the run is over.
func (i *interruption) late(now time.Time) bool {
	if now.Before(i.deadline) {
		return false
	}
	i.interrupt(i.timeCause)
	return true
}

// interrupt ends the run; the first cause counts. It may be called from any goroutine.
func (i *interruption) interrupt(why cause) {
	i.mu.Lock()
	first, cancel := i.cause == causeNone, i.cancelOps
	if first {
		i.cause = why
		close(i.interrupted)
	}
	i.mu.Unlock()
	if first && cancel != nil {
		cancel()
	}
}

// renew readies an instance whose last run may have been interrupted for the next one. An interrupt
// that comes meanwhile is forgotten with it: whoever closes a pool keeps none of its instances.
func (i *interruption) renew() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cause != causeNone {
		i.cause, i.interrupted = causeNone, make(chan struct{})
	}
}

func (i *interruption) why() cause {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.cause
}

// opContext is the context of the run's operations: the caller's, with the run's deadline. It is
// made at the first one, as many calls need none.
func (i *interruption) opContext() context.Context {
	if i.opCtx == nil {
		ctx, cancel := context.WithDeadline(i.parent, i.deadline)
		i.opCtx = ctx
		i.watchOps(cancel)
	}
	return i.opCtx
}

// watchOps lets an interruption cancel the run's operations too.
func (i *interruption) watchOps(cancel context.CancelFunc) {
	i.mu.Lock()
	i.cancelOps = cancel
	late := i.cause != causeNone
	i.mu.Unlock()
	if late {
		cancel()
	}
}

func (i *interruption) endOps() {
	i.mu.Lock()
	cancel := i.cancelOps
	i.cancelOps = nil
	i.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// look ends the call where it has been interrupted, or where its time is over.
func (in *instance) look() { in.lookAt(time.Now()) }

func (in *instance) lookAt(now time.Time) {
	if in.stopped() || in.late(now) {
		in.end(errInterrupted)
	}
}

// clockEvery is how many calls of the host there are to one look at the clock: reading it costs as
// much as the least of them, and the most of them copies some megabytes.
const clockEvery = 16

// glance is look, but for the clock, which it looks at now and then.
func (in *instance) glance() {
	if in.looks++; in.stopped() || in.looks%clockEvery == 0 && in.late(time.Now()) {
		in.end(errInterrupted)
	}
}

// sleep is the guest's way to wait. It ends with the call.
func (in *instance) sleep(ns int64) {
	t := time.NewTimer(min(time.Duration(ns), time.Until(in.deadline)))
	defer t.Stop()
	select {
	case <-t.C:
	case <-in.gone:
	case <-in.interrupted:
	}
	in.look()
}
