// Copyright 2026 The Gantry Authors.

package runner

// leastAhead is the least that a growing memory is made usable ahead of what its guest has.
const leastAhead = 1 << 20

// Ready makes size bytes of a reservation usable, of which usable are already, and returns how many
// are then. Where the memory grows that is an eighth more: making it usable takes a lock of the whole
// process, which a guest that grows page by page would hold most of the time. A page ahead costs
// nothing until it is touched, so a budget counts what the guest has. At an error nothing has changed.
func Ready(space []byte, usable, size int64) (int64, error) {
	if size <= usable {
		return usable, nil
	}
	upto := size
	if usable > 0 {
		upto = min(size+max(size/8/PageBytes*PageBytes, leastAhead), int64(len(space)))
	}
	if err := Commit(space[usable:upto]); err != nil {
		return usable, err
	}
	return upto, nil
}
