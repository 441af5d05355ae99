// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"sync/atomic"
	"time"
)

// moving is a clock that a test moves by hours.
type moving struct{ hours atomic.Int64 }

func (m *moving) Now() time.Time { return time.Now().Add(time.Duration(m.hours.Load()) * time.Hour) }
