// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"cmp"
	"fmt"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// checkLimits refuses negative limits, and memory no module can have.
func checkLimits(op string, l host.Limits) error {
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"wall", int64(l.Wall)}, {"memory", l.MemoryBytes}, {"output", l.OutputBytes}, {"input", l.InputBytes},
		{"ops", int64(l.Ops)}, {"events", int64(l.Events)}, {"concurrency", int64(l.Concurrency)},
	} {
		if f.value < 0 {
			return host.Errorf(op, abi.CodeInvalidArg, "limits: %s: %d is negative; leave it out for the default", f.name, f.value)
		}
	}
	if l.MemoryBytes > 0 && l.MemoryBytes < pageBytes || l.MemoryBytes > 4<<30 {
		return host.Errorf(op, abi.CodeInvalidArg, "limits: memory: %d bytes is not between 64 KiB and 4 GiB", l.MemoryBytes)
	}
	return nil
}

// fillLimits puts d where l is zero.
func fillLimits(l, d host.Limits) host.Limits {
	return host.Limits{
		Wall:        cmp.Or(l.Wall, d.Wall),
		Fuel:        cmp.Or(l.Fuel, d.Fuel),
		MemoryBytes: cmp.Or(l.MemoryBytes, d.MemoryBytes),
		OutputBytes: cmp.Or(l.OutputBytes, d.OutputBytes),
		InputBytes:  cmp.Or(l.InputBytes, d.InputBytes),
		Ops:         cmp.Or(l.Ops, d.Ops),
		Events:      cmp.Or(l.Events, d.Events),
		Concurrency: cmp.Or(l.Concurrency, d.Concurrency),
		EgressBytes: cmp.Or(l.EgressBytes, d.EgressBytes),
	}
}

// overLimit is the error for a limit that a call met: which, its value, and how to raise it.
func (g *guest) overLimit(field, value, what string) *host.Error {
	return host.Errorf(opCall, abi.CodeLimit, "%s; the limit is %s", what, value).
		WithHint("raise limits: %s: in %s.yaml", field, g.name)
}

// size writes a number of bytes for people.
func size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
