// Copyright 2026 The Gantry Authors.

package web

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// How often connections are looked at: gonePoll, or less often where so many are watched that
// gonePerConn each would take longer.
const (
	gonePoll    = 50 * time.Millisecond
	gonePerConn = 50 * time.Microsecond
)

// goneWatch tells when a client has left while nothing is written to it, which fasthttp notices at
// the second failed write only. One goroutine looks at all watched connections; it lives while
// there are any.
type goneWatch struct {
	mu      sync.Mutex
	watched map[*goneEntry]struct{}
	running bool
	idle    sync.WaitGroup
}

type goneEntry struct {
	raw   syscall.RawConn
	gone  func()
	probe probe // the loop's
}

// watch calls gone once, from another goroutine, when conn's client has closed its side or the
// connection broke. Bytes that wait to be read count as a client that is there. After stop has
// returned gone is not called any more, unless that call is already under way. Stop may be called
// more than once, also from gone. A connection without a file descriptor is never found gone.
func (g *goneWatch) watch(conn net.Conn, gone func()) (stop func()) {
	raw := rawConn(conn)
	if raw == nil {
		return func() {}
	}
	e := &goneEntry{raw: raw, gone: gone}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watched == nil {
		g.watched = make(map[*goneEntry]struct{})
	}
	g.watched[e] = struct{}{}
	if !g.running {
		g.running = true
		g.idle.Add(1)
		go g.loop()
	}
	return func() { g.forget(e) }
}

func (g *goneWatch) forget(e *goneEntry) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, ok := g.watched[e]
	delete(g.watched, e)
	return ok
}

// wait returns when nothing is watched and the goroutine has ended.
func (g *goneWatch) wait() { g.idle.Wait() }

func (g *goneWatch) loop() {
	defer g.idle.Done()
	var batch []*goneEntry
	for {
		batch = g.snapshot(batch[:0])
		if len(batch) == 0 {
			return
		}
		for _, e := range batch {
			if clientGone(e.raw, &e.probe) && g.forget(e) {
				e.gone()
			}
		}
		n := len(batch)
		clear(batch)
		time.Sleep(max(gonePoll, time.Duration(n)*gonePerConn))
	}
}

// snapshot copies what is watched. With nothing left it ends the loop under the same lock, so that
// a watch which comes next starts another.
func (g *goneWatch) snapshot(into []*goneEntry) []*goneEntry {
	g.mu.Lock()
	defer g.mu.Unlock()
	for e := range g.watched {
		into = append(into, e)
	}
	g.running = len(into) > 0
	return into
}

// ClientGone tells, without waiting and without taking a byte, whether the client of conn has
// closed its side or the connection broke. It sees through wrappers with a NetConn method, such as
// TLS. Where it cannot know, it says false.
func ClientGone(conn net.Conn) bool {
	raw := rawConn(conn)
	return raw != nil && clientGone(raw, &probe{})
}

func rawConn(conn net.Conn) syscall.RawConn {
	for {
		if sc, ok := conn.(syscall.Conn); ok {
			raw, err := sc.SyscallConn()
			if err != nil {
				return nil
			}
			return raw
		}
		wrapped, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			return nil
		}
		conn = wrapped.NetConn()
	}
}
