// Copyright 2026 The Gantry Authors.

//go:build unix

package web

import "syscall"

// probe is what a look at a socket needs. It is kept with the connection: thousands are looked at many
// times a second, and new ones each time would soon be more garbage than all that the streams hold.
type probe struct {
	n    int
	err  error
	one  [1]byte
	peek func(fd uintptr)
}

// clientGone peeks at the socket. Control is used and not Read, because Read fails once the read
// deadline of the request has passed and waits for other readers. One goroutine at a time may use p.
func clientGone(raw syscall.RawConn, p *probe) bool {
	if p.peek == nil {
		p.peek = p.look
	}
	err := raw.Control(p.peek)
	switch {
	case err != nil:
		return true // the descriptor is closed already
	case p.err == syscall.EAGAIN:
		return false
	}
	return p.err != nil || p.n == 0
}

func (p *probe) look(fd uintptr) {
	for {
		p.n, _, p.err = syscall.Recvfrom(int(fd), p.one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		if p.err != syscall.EINTR {
			return
		}
	}
}
