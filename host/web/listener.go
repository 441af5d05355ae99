// Copyright 2026 The Gantry Authors.

package web

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// writePiece is how many bytes of one write share a deadline.
const writePiece = 64 << 10

// writeLooks is how often within the write time it is looked whether a reader takes something.
const writeLooks = 30

// guardedListener hands out connections that cannot be held open by a reader that never reads, and
// refuses an address that holds too many.
type guardedListener struct {
	net.Listener
	write time.Duration
	perIP int

	mu    sync.Mutex
	count map[netip.Prefix]int
	open  map[*guardedConn]struct{}
}

func newGuardedListener(ln net.Listener, write time.Duration, perIP int) *guardedListener {
	return &guardedListener{
		Listener: ln, write: write, perIP: perIP,
		count: make(map[netip.Prefix]int), open: make(map[*guardedConn]struct{}),
	}
}

// Accept returns the next connection that may come in. One over the cap is told so and closed.
func (l *guardedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if gc := l.admit(c); gc != nil {
			return gc, nil
		}
		refuse(c)
	}
}

func (l *guardedListener) admit(c net.Conn) *guardedConn {
	from := networkOf(c.RemoteAddr())
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.IsValid() {
		if l.perIP > 0 && l.count[from] >= l.perIP {
			return nil
		}
		l.count[from]++
	}
	// A TLS connection is broken by a write that timed out, so there a piece has one try.
	_, encrypted := c.(interface{ ConnectionState() tls.ConnectionState })
	gc := &guardedConn{Conn: c, from: from, listener: l, resumes: !encrypted}
	l.open[gc] = struct{}{}
	return gc
}

// refuse answers without waiting: a fresh socket has room for so few bytes.
func refuse(c net.Conn) {
	const answer = "HTTP/1.1 429 Too Many Requests\r\nConnection: close\r\nRetry-After: 1\r\n" +
		"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 38\r\n\r\n" +
		"too many connections from this address"
	if c.SetWriteDeadline(time.Now().Add(100*time.Millisecond)) == nil {
		_, _ = c.Write([]byte(answer)) // best effort: the connection ends either way
	}
	_ = c.Close()
}

func (l *guardedListener) release(c *guardedConn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, c)
	if !c.from.IsValid() {
		return
	}
	if l.count[c.from]--; l.count[c.from] <= 0 {
		delete(l.count, c.from)
	}
}

// closeAll cuts every connection that is still open.
func (l *guardedListener) closeAll() {
	l.mu.Lock()
	open := make([]*guardedConn, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // there is nobody left to tell
	}
}

// networkOf is the unit that the cap counts: an IPv4 address, or an IPv6 /64, since one customer
// has all of it. Loopback and what is not IP is not counted: there a proxy, or a test of ten
// thousand streams, is one address.
func networkOf(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap()
	if !ip.IsValid() || ip.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	p, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// guardedConn bounds each write by time.
type guardedConn struct {
	net.Conn
	from     netip.Prefix
	listener *guardedListener
	resumes  bool // a write that timed out may go on where it was
	once     sync.Once
	// refused says that the client is still sending what will not be read; set by the goroutine that
	// serves the connection.
	refused bool
	closed  atomic.Pointer[func()] // see whenClosed
}

// The bounds of what is read of a refused request, so that its client comes to read the answer.
const (
	lingerTime  = 2 * time.Second
	lingerBytes = 64 << 20
)

// NetConn lets ClientGone see the socket.
func (c *guardedConn) NetConn() net.Conn { return c.Conn }

// Write writes all of b, as long as the reader takes something within each span of the listener's
// write time: a slow reader is served, one that takes nothing is cut. The deadlines are shorter than
// that: one that passes says only that some of a write is not done, and not when the rest of it was.
func (c *guardedConn) Write(b []byte) (int, error) {
	done, look := 0, c.listener.write
	if c.resumes {
		look /= writeLooks
	}
	for last := time.Now(); ; {
		piece := b[done:min(len(b), done+writePiece)]
		if err := c.SetWriteDeadline(time.Now().Add(look)); err != nil {
			return done, err
		}
		n, err := c.Conn.Write(piece)
		if done += n; n > 0 {
			last = time.Now()
		}
		late := err != nil && errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !(late && c.resumes && time.Since(last) < c.listener.write) {
			return done, err
		}
		if done == len(b) {
			return done, nil
		}
	}
}

// Close closes the connection; the second time it does nothing.
func (c *guardedConn) Close() error {
	var err error
	c.once.Do(func() {
		if c.refused {
			c.linger()
		}
		err = c.Conn.Close()
		c.listener.release(c)
	})
	if f := c.closed.Swap(nil); f != nil {
		(*f)()
	}
	return err
}

// whenClosed has Close call f, once, unless takeOver comes before it.
func (c *guardedConn) whenClosed(f func()) { c.closed.Store(&f) }

// takeOver is false where Close has called f of whenClosed.
func (c *guardedConn) takeOver() bool { return c.closed.Swap(nil) != nil }

// linger ends the answer and reads on for a while. A socket that is closed over unread bytes takes the
// answer back: the client is told of a reset instead.
func (c *guardedConn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil || c.Conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes) // however it ends, the connection does too
}
