// Copyright 2026 The Gantry Authors.

package meter

// Interval is how many units there are between two ticks, some 0.1 to 1 ms of ordinary code.
const Interval = 100_000

// Counter counts the fuel of a guest's calls, one after the other. Its zero value counts without a
// limit. It is used by the goroutine of the guest only.
type Counter struct {
	limit uint64
	used  uint64
	given int32
}

// Begin starts a call that may use limit units; 0 means no limit. What it returns is to be set as
// the guest's ExportLeft before its code runs.
func (c *Counter) Begin(limit uint64) int32 {
	c.limit, c.used = limit, 0
	return c.give()
}

// Tick is the guest's tick: left is what it passed, next what it has to get back. False says that the
// fuel is used up, and that the call has to end.
func (c *Counter) Tick(left int32) (next int32, ok bool) {
	c.settle(left)
	if c.limit > 0 && c.used >= c.limit {
		return 0, false
	}
	return c.give(), true
}

// End ends a call: left is the guest's ExportLeft when its code has come to its end, in whatever
// way. It returns the fuel of the call. Calling it again with the same left returns the same.
func (c *Counter) End(left int32) uint64 {
	c.settle(left)
	c.given = left
	return c.used
}

// settle counts what was given and is not left. A count that went up is none of ours.
func (c *Counter) settle(left int32) {
	if spent := int64(c.given) - int64(left); spent > 0 {
		c.used += uint64(spent)
	}
	c.given = left
}

func (c *Counter) give() int32 {
	c.given = Interval
	if c.limit > 0 {
		c.given = int32(min(Interval, c.limit-min(c.used, c.limit)))
	}
	return c.given
}
