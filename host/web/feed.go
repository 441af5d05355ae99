// Copyright 2026 The Gantry Authors.

package web

import (
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Source is what a stream sends. All methods may be called concurrently, Take by one reader at a time.
type Source interface {
	// Take moves what is there into p: 0 and nil where there is nothing yet, io.EOF after the last. Any
	// other error cuts the connection.
	Take(p []byte) (int, error)
	// Wake gets a value when Take may have something new.
	Wake() <-chan struct{}
	// Leave says that the answer is out, or that nobody takes it any more. Take has to fail or to end
	// after it, and Wake to tell. It may be called more than once.
	Leave()
}

// Feed answers with the server-sent events of a source, which have to be whole where it stops to wait. It
// is Stream for the many that are silent nearly always: the connection is taken from fasthttp, with
// none of its buffers, and one goroutine with a small stack waits for the source. So the connection
// ends with the answer. Silent for Config.Ping, the stream gets a comment. Headers that are set before
// the handler returns are part of the answer. The source is told to leave in any case, also with an
// error. Shutdown waits for it, so it has to end when c.StreamContext does.
func Feed(c *Ctx, src Source) error {
	conn, ok := c.Conn().(*guardedConn)
	if !ok || !c.server.admitFeed() {
		src.Leave()
		return host.Errorf("web.Feed", abi.CodeUnavailable, "the host is stopping")
	}
	f := &feed{server: c.server, conn: conn, src: src}
	if eventHead(c) {
		f.leave()
		return nil
	}
	f.stop = c.WatchClient(src.Leave)
	conn.whenClosed(f.leave)
	rctx := c.raw.Context()
	rctx.HijackSetNoResponse(true)
	rctx.Hijack(func(net.Conn) {
		if !conn.takeOver() {
			return
		}
		// The goroutine that this is holds the request and its buffers until it returns.
		h := &rctx.Response.Header
		h.SetContentLength(-1) // not known, so chunked
		h.SetConnectionClose()
		go f.run(h.AppendBytes(nil))
	})
	return nil
}

// feed is a stream of Feed.
type feed struct {
	server *Server
	conn   *guardedConn
	src    Source
	stop   func() // ends the watch of the connection
	tail   tail
}

// The frame of a chunk: a length, of which a piece has at most four digits, and two line breaks.
const (
	feedPiece = 4 << 10
	chunkHead = 4 + 2
	chunkTail = 2
)

// feedBuffer is a chunk that is being made. A stream has one for moments only.
type feedBuffer [chunkHead + feedPiece + chunkTail]byte

// leave is the end of a stream; it is called once.
func (f *feed) leave() {
	f.src.Leave()
	if f.stop != nil {
		f.stop()
	}
	f.server.endFeed()
}

// run sends what the source has until it ends.
func (f *feed) run(head []byte) {
	defer f.leave()
	defer f.conn.Close()
	if _, err := f.conn.Write(head); err != nil {
		return
	}
	for {
		n, err := f.pass()
		switch {
		case errors.Is(err, io.EOF):
			_, _ = f.conn.Write([]byte("0\r\n\r\n")) // the connection ends either way
			return
		case err != nil:
			return
		case n > 0:
			continue
		}
		if !f.wait() {
			return
		}
	}
}

// pass sends the next piece, if there is one.
func (f *feed) pass() (int, error) {
	b := f.server.feedBuffers.Get().(*feedBuffer)
	defer f.server.feedBuffers.Put(b)
	n, err := f.src.Take(b[chunkHead : chunkHead+feedPiece])
	if n == 0 || err != nil {
		return 0, err
	}
	f.tail.note(b[chunkHead : chunkHead+n])
	size := strconv.AppendInt(make([]byte, 0, chunkHead), int64(n), 16)
	begin := chunkHead - len(size) - 2
	copy(b[copy(b[begin:], size)+begin:], "\r\n")
	end := chunkHead + n + copy(b[chunkHead+n:], "\r\n")
	_, err = f.conn.Write(b[begin:end])
	return n, err
}

// wait waits for news. In a silence it sends a comment, but never inside an event. It is false where
// the client is gone.
func (f *feed) wait() bool {
	var silence <-chan time.Time
	if f.tail.whole() {
		timer := time.NewTimer(f.server.cfg.Ping)
		defer timer.Stop()
		silence = timer.C
	}
	select {
	case <-f.src.Wake():
		return true
	case <-silence:
		_, err := f.conn.Write([]byte("8\r\n" + comment + "\r\n"))
		return err == nil
	}
}
