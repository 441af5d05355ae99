// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"time"

	"github.com/tetratelabs/wazero/api"
)

// guestContext is the context that wazero runs an instance's code with, made once for its life. It
// carries the instance to the host functions without a look-up, and its Done is the instance's
// interruption. It is never seen outside this package: operations get the call's own context.
type guestContext struct{ in *instance }

var _ context.Context = (*guestContext)(nil)

type guestKey struct{}

func (c *guestContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *guestContext) Done() <-chan struct{}       { return c.in.interrupted }

// Err returns context.Canceled, whatever the cause.
func (c *guestContext) Err() error {
	select {
	case <-c.in.interrupted:
		return context.Canceled
	default:
		return nil
	}
}

func (c *guestContext) Value(key any) any {
	if _, ok := key.(guestKey); ok {
		return c.in
	}
	return nil
}

// instanceOf returns the instance a host function was called by. Only while a module is
// instantiated is its context wrapped.
func instanceOf(ctx context.Context) *instance {
	if c, ok := ctx.(*guestContext); ok {
		return c.in
	}
	in, _ := ctx.Value(guestKey{}).(*instance)
	return in
}

// hostFunc is a function of an import module, with the instance that called it found already. A guest
// that has been interrupted ends at the first one it calls, and one whose time is over at one of the
// next clockEvery.
type hostFunc func(in *instance, mem api.Memory, stack []uint64)

var _ api.GoModuleFunction = hostFunc(nil)

// Call implements api.GoModuleFunction.
func (f hostFunc) Call(ctx context.Context, mod api.Module, stack []uint64) {
	in := instanceOf(ctx)
	in.glance()
	f(in, mod.Memory(), stack)
}
