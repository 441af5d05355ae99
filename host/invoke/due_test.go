// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestDue(t *testing.T) {
	t.Run("a run's time is over with a deadline's error and the limit's words", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := withDue(parent, cancel, time.Millisecond)
		defer stop()
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > time.Millisecond {
			t.Errorf("its deadline is %v, %v", at, ok)
		}
		<-ctx.Done()
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("its error is %v", ctx.Err())
		}
		if cause := context.Cause(ctx); host.CodeOf(cause) != abi.CodeDeadline {
			t.Errorf("its cause is %v", cause)
		}
		child, end := context.WithTimeout(ctx, time.Hour)
		defer end()
		if host.CodeOf(context.Cause(child)) != abi.CodeDeadline {
			t.Errorf("a child's cause is %v", context.Cause(child))
		}
	})
	t.Run("a cancelled run is cancelled", func(t *testing.T) {
		parent, cancel := context.WithCancelCause(context.Background())
		ctx, stop := withDue(parent, cancel, time.Hour)
		defer stop()
		if ctx.Err() != nil {
			t.Errorf("it begins with %v", ctx.Err())
		}
		cancel(errCancelled())
		if ctx.Err() != context.Canceled || host.CodeOf(context.Cause(ctx)) != abi.CodeCancelled {
			t.Errorf("it ends with %v, %v", ctx.Err(), context.Cause(ctx))
		}
	})
}
