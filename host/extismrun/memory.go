// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"errors"

	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/host/runner"
)

// memories are the linear memories of one instance: Extism's kernel's, which holds inputs, outputs
// and what crosses the border, and the plugin's own. They are used by the goroutine of the
// instance's call only.
type memories struct {
	budget *runner.Budget
	// limit bounds all of them together, each bounds one of them; 0 does not.
	limit, each int64
	used        int64
	kernel      *linear
	own         *linear
}

var _ experimental.MemoryAllocator = (*memories)(nil)

// Allocate implements experimental.MemoryAllocator. The SDK makes the kernel's memory first.
func (m *memories) Allocate(_, _ uint64) experimental.LinearMemory {
	l := &linear{of: m}
	if m.kernel == nil {
		m.kernel = l
	} else {
		m.own = l
	}
	return l
}

// clear forgets the refusals of the call before.
func (m *memories) clear() {
	for _, l := range []*linear{m.kernel, m.own} {
		if l != nil {
			l.refused = runner.NotRefused
		}
	}
}

// refusal says which bound was met. One of the kernel's makes a call's input or answer wrong without
// anybody noticing, so it counts always; the plugin itself may live with one of its own.
func (m *memories) refusal(crashed bool) runner.Refusal {
	if m.kernel != nil && m.kernel.refused != runner.NotRefused {
		return m.kernel.refused
	}
	if crashed && m.own != nil {
		return m.own.refused
	}
	return runner.NotRefused
}

// release gives back what the memories hold, once no code can run any more.
func (m *memories) release() error {
	m.budget.Give(m.used)
	var errs []error
	for _, l := range []*linear{m.kernel, m.own} {
		if l != nil && l.space != nil {
			errs = append(errs, runner.Unreserve(l.space))
		}
	}
	m.used, m.kernel, m.own = 0, nil, nil
	return errors.Join(errs...)
}

// linear is one linear memory: address space for as much as it may have, of which the plugin has the
// first part. It never moves, and what nobody touches costs nothing, so that an instance for one call
// is cheap.
type linear struct {
	of           *memories
	space        []byte
	size, usable int64
	refused      runner.Refusal
}

var _ experimental.LinearMemory = (*linear)(nil)

// Reallocate gives the memory size bytes, or nil where a limit is met.
func (l *linear) Reallocate(size uint64) []byte {
	m := l.of
	grow := int64(size) - l.size
	switch {
	case grow <= 0:
		return l.space[:l.size:l.size]
	case m.each > 0 && int64(size) > m.each, m.used+grow > m.limit:
		l.refused = runner.RefusedByLimit
		return nil
	case !m.budget.Take(grow):
		l.refused = runner.RefusedByBudget
		return nil
	}
	if err := l.ready(int64(size)); err != nil {
		m.budget.Give(grow)
		l.refused = runner.RefusedByBudget
		return nil
	}
	m.used += grow
	l.size = int64(size)
	return l.space[:size:size]
}

// ready makes size bytes usable.
func (l *linear) ready(size int64) (err error) {
	if l.space == nil {
		if l.space, err = runner.Reserve(l.of.most()); err != nil {
			return err
		}
	}
	l.usable, err = runner.Ready(l.space, l.usable, size)
	return err
}

// most is what one of the memories can have.
func (m *memories) most() int64 {
	if m.each > 0 {
		return min(m.each, m.limit)
	}
	return m.limit
}

// Free does nothing: a plugin can close itself in the middle of its own call. The instance calls
// memories.release when no code can run any more.
func (l *linear) Free() {}
