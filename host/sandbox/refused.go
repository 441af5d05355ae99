// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"errors"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// refusedFor is how long a module that was refused is refused without another try, and maxRefused how
// many are remembered.
const (
	refusedFor = time.Second
	maxRefused = 256
)

// refusals remembers the modules that ran and were refused: to compile, map, run and unmap one again
// and again, to hear the same each time, slows the plugins that serve. All methods may be called
// concurrently; the zero value remembers none yet.
type refusals struct {
	mu   sync.Mutex
	said map[refusedAs]pastRefusal
}

// refusedAs is what an answer depends on.
type refusedAs struct {
	digest string
	limits host.Limits
}

type pastRefusal struct {
	err   *host.Error
	until time.Time
}

// get is the answer that was given a moment ago, with a hint that it is that, or nil.
func (r *refusals) get(as refusedAs, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	was, ok := r.said[as]
	if !ok || !now.Before(was.until) {
		return nil
	}
	again := *was.err
	again.Hint = "the same module was refused a moment ago; it is tried again after " + refusedFor.String()
	if was.err.Hint != "" {
		again.Hint = was.err.Hint + "; " + again.Hint
	}
	return &again
}

// note remembers an answer that the module itself is to blame for. What the host may be to blame for,
// as a full memory or a crash that chance has a part in, is tried again at once.
func (r *refusals) note(as refusedAs, err error, now time.Time) {
	var he *host.Error
	if !errors.As(err, &he) || he.Code != abi.CodeContract && he.Code != abi.CodeLimit {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.said == nil {
		r.said = map[refusedAs]pastRefusal{}
	}
	for k, was := range r.said {
		if len(r.said) >= maxRefused || !now.Before(was.until) {
			delete(r.said, k)
		}
	}
	r.said[as] = pastRefusal{he, now.Add(refusedFor)}
}
