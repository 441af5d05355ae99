// Copyright 2026 The Gantry Authors.

package runner

import (
	"cmp"
	"fmt"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// PageBytes is a page of linear memory.
const PageBytes = 64 << 10

// CheckLimits refuses negative limits, and memory no module can have. The error is of CodeInvalidArg
// and names the field as the settings file does.
func CheckLimits(op string, l host.Limits) error {
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
	if l.MemoryBytes > 0 && l.MemoryBytes < PageBytes || l.MemoryBytes > 4<<30 {
		return host.Errorf(op, abi.CodeInvalidArg, "limits: memory: %d bytes is not between 64 KiB and 4 GiB", l.MemoryBytes)
	}
	return nil
}

// FillLimits puts d where l is zero. Memory is rounded down to whole pages.
func FillLimits(l, d host.Limits) host.Limits {
	return host.Limits{
		Wall:        cmp.Or(l.Wall, d.Wall),
		Fuel:        cmp.Or(l.Fuel, d.Fuel),
		MemoryBytes: cmp.Or(l.MemoryBytes, d.MemoryBytes) / PageBytes * PageBytes,
		OutputBytes: cmp.Or(l.OutputBytes, d.OutputBytes),
		InputBytes:  cmp.Or(l.InputBytes, d.InputBytes),
		Ops:         cmp.Or(l.Ops, d.Ops),
		Events:      cmp.Or(l.Events, d.Events),
		Concurrency: cmp.Or(l.Concurrency, d.Concurrency),
		EgressBytes: cmp.Or(l.EgressBytes, d.EgressBytes),
	}
}

// Size writes a number of bytes for people.
func Size(n int64) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}
