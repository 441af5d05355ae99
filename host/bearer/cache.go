// Copyright 2026 The Gantry Authors.

package bearer

import (
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
)

// maxCached is how long a token is taken without looking at it again: long enough that the check
// costs nothing, short enough that keys which could not be fetched for too long end it.
const maxCached = 10 * time.Minute

// cache remembers verified tokens, by a digest: a dump of the memory should not be a list of tokens.
type cache struct {
	limit int
	mu    sync.RWMutex
	known map[[32]byte]entry
}

// entry is good until it ends, and as long as its issuer's keys are those it was verified with: a
// key that its issuer takes back ends the tokens signed with it.
type entry struct {
	principal *host.Principal
	issuer    *issuer
	keys      *keySet
	ends      time.Time
}

func (c *cache) init(limit int) {
	c.limit = limit
	c.known = map[[32]byte]entry{}
}

func (c *cache) get(digest [32]byte, now time.Time) *host.Principal {
	c.mu.RLock()
	e, ok := c.known[digest]
	c.mu.RUnlock()
	if !ok || !now.Before(e.ends) || e.issuer.keys.Load() != e.keys {
		return nil
	}
	return e.principal
}

func (c *cache) put(digest [32]byte, e entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for d := range c.known { // any will do: Go's order is random
		if len(c.known) < c.limit {
			break
		}
		delete(c.known, d)
	}
	c.known[digest] = e
}
