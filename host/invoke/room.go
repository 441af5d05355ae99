// Copyright 2026 The Gantry Authors.

package invoke

import "sync"

// roomBytes is how large an answer may be for the guest to write it to memory that other calls use
// after it. Most are smaller; a larger one gets memory of its own.
const roomBytes = 16 << 10

type room [roomBytes]byte

// rooms keeps those that no call uses.
var rooms = sync.Pool{New: func() any { return new(room) }}

// enter gives the call a room. What becomes of the answer must share nothing with it.
func (c *call) enter() []byte {
	c.room = rooms.Get().(*room)
	return c.room[:0]
}

// leave lets other calls have it.
func (c *call) leave() {
	if c.room != nil {
		rooms.Put(c.room)
		c.room = nil
	}
}
