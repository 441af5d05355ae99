// Copyright 2026 The Gantry Authors.

package host

import "time"

// Clock tells the time. Services that decide by the time of day take one, so that a test can move it.
type Clock interface {
	Now() time.Time
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now returns time.Now.
func (SystemClock) Now() time.Time { return time.Now() }
