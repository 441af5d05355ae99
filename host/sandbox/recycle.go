// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"errors"

	"github.com/gantryhost/gantry/abi"
)

// recycleGrowth is how far a guest's memory may grow in its life before the instance is thrown away
// after the call: a memory cannot shrink, and one big call should not hold its peak for ever.
const recycleGrowth = 32 << 20

// reusable decides after a call whether the instance may serve another one of its tenant. An error
// the plugin reported itself is an ordinary end; after any other the guest may be half-way through a
// change of its own state, so the instance goes.
func (in *instance) reusable(err error) bool {
	if in.fault != nil || err != nil && !toldByGuest(err) {
		return false
	}
	return in.mem.size-in.bornBytes <= recycleGrowth && !in.mod.IsClosed()
}

func toldByGuest(err error) bool {
	var told *abi.Error
	return errors.As(err, &told)
}
