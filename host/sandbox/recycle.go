// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"errors"

	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/runner"
)

// recycleGrowth is how far a guest's memory may grow in its life before the instance is thrown away
// after the call: a memory cannot shrink, and one big call should not hold its peak for ever.
const recycleGrowth = 32 << 20

// reusable decides after a call whether the instance may serve another one. Where a call is put back
// whole it may, however it ended: its memory and globals are the image's again, tables and segments no
// code of it can change, and what else there is of a run is made anew. Elsewhere an error the plugin
// reported itself is an ordinary end; after any other the guest may be half-way through a change of
// its own state, so the instance goes.
func (in *instance) reusable(err error) bool {
	ended := in.fault == nil && (err == nil || toldByGuest(err))
	switch {
	case in.mod.IsClosed():
		return false
	case in.image == nil:
		return ended && in.mem.size-in.bornBytes <= recycleGrowth
	case !ended:
		in.renew()
	}
	return true
}

// renew forgets what a run that was ended leaves beside the guest's own state: its stack, which may
// have grown to its end, its interruption, and lines that nobody came to pass on.
func (in *instance) renew() {
	in.functions = [entries]api.Function{}
	in.interruption.renew()
	in.stdout.lines, in.stderr.lines = runner.Splitter{}, runner.Splitter{}
}

func toldByGuest(err error) bool {
	var told *abi.Error
	return errors.As(err, &told)
}
