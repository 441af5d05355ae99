// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/gantryhost/gantry/host/runner"
)

// memory is the linear memory of one instance: a stretch of address space of the instance's limit,
// of which the guest has the first part. It never moves, so growing copies nothing.
//
// It is used by the goroutine of the instance's call only.
type memory struct {
	space []byte
	// size is what the guest has, usable what of space can be touched already; usable >= size, and what
	// lies between is zero: the guest's bounds end at size.
	size, usable int64
	// limit is the call's, most the module's own: a guest that meets the one is told that its memory
	// does not grow, and nobody else.
	limit, most int64
	// back is what the next Reallocate puts the memory back to, 0 where it is to grow it.
	back   int64
	budget *runner.Budget
	// refused says which bound a grow met since it was last cleared.
	refused runner.Refusal
}

var _ experimental.LinearMemory = (*memory)(nil)

// newMemory reserves address space for limit bytes, or for as many as the module can have at most. The
// pages cost nothing until the guest has them.
func newMemory(limit, most int64, b *runner.Budget) (*memory, error) {
	space, err := runner.Reserve(max(min(limit, most), pageBytes))
	if err != nil {
		return nil, err
	}
	return &memory{space: space, limit: limit, most: most, budget: b}, nil
}

// Allocate implements experimental.MemoryAllocator: a module has one memory, and this is it.
func (m *memory) Allocate(_, _ uint64) experimental.LinearMemory { return m }

// Reallocate gives the guest size bytes, or nil where a limit is met.
func (m *memory) Reallocate(size uint64) []byte {
	if m.back > 0 {
		return m.space[:m.back:m.back]
	}
	grow := int64(size) - m.size
	switch {
	case size > uint64(m.most):
		return nil
	case size > uint64(min(m.limit, int64(len(m.space)))):
		m.refused = runner.RefusedByLimit
		return nil
	case grow > 0 && !m.budget.Take(grow):
		m.refused = runner.RefusedByBudget
		return nil
	}
	if grow > 0 {
		if err := m.ready(int64(size)); err != nil {
			m.budget.Give(grow)
			m.refused = runner.RefusedByBudget
			return nil
		}
		m.size = int64(size)
	}
	return m.space[:size:size]
}

// ready makes size bytes usable.
func (m *memory) ready(size int64) (err error) {
	m.usable, err = runner.Ready(m.space, m.usable, size)
	return err
}

// shrink puts a memory that has grown back to size, with what it had beyond as it was before: the
// system's, and zero. It stays usable, so that growing again asks the system for nothing. Wasm knows
// no memory that shrinks, but wazero takes the length of what an allocator gives it: it is asked to
// grow and given less. False says that it would not have it, and the memory is as it was, in part.
//
// No code of the guest may run.
func (m *memory) shrink(mem api.Memory, size int64) bool {
	m.back = size
	_, ok := mem.Grow(1)
	m.back = 0
	if !ok || int64(mem.Size()) != size || runner.Discard(m.space[size:m.size]) != nil {
		return false
	}
	m.budget.Give(m.size - size)
	m.size = size
	return true
}

// Free does nothing: wazero calls it when the module is closed, which a guest can do in the middle
// of its own call (proc_exit). The instance calls release when no code can run any more.
func (m *memory) Free() {}

// release gives the memory back. Calling it again does nothing.
func (m *memory) release() error {
	if m.space == nil {
		return nil
	}
	err := runner.Unreserve(m.space)
	m.budget.Give(m.size)
	m.space, m.size, m.usable = nil, 0, 0
	return err
}
