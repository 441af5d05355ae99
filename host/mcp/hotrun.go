// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// A tool whose last calls all took less than quickCall, quickCalls of them, is expected to go on like that.
const (
	quickCall  = 5 * time.Millisecond
	quickCalls = 16
)

// pace remembers how quick a tool is: how many calls in a row were, quickCalls at most.
type pace struct{ quick atomic.Int32 }

func (p *pace) isQuick() bool { return p.quick.Load() >= quickCalls }

func (p *pace) took(d time.Duration) {
	switch n := p.quick.Load(); {
	case d >= quickCall:
		p.quick.Store(0)
	case n < quickCalls:
		p.quick.Store(n + 1) // one that gets lost is made up for
	}
}

// hotCall is a call of a tool that Hot makes. After done is closed nothing of it changes any more.
type hotCall struct {
	request invoke.Request
	era     era
	session *session // nil in the modern era
	id      string   // of the request, within the session
	pace    *pace
	ctx     context.Context
	cancel  context.CancelFunc
	done    chan struct{}
	answer  *invoke.Answer
	err     error
}

// make makes the call and waits for its end, but no longer than the head start. A tool that has
// always been quick is called right here, which saves handing the call over and back: should it take
// long this once, its client waits for the answer without a stream, and may still leave. Calls of
// sessions are not, since their clients may want to come back to one.
//
// Nothing has happened where begun is false.
func (s *Server) make(ctx context.Context, c *hotCall, watch func(func()) func()) (ended, begun bool) {
	here := c.session == nil && watch != nil && c.pace.isQuick()
	if !s.begin(ctx, c) {
		return false, false
	}
	if here {
		s.callHere(ctx, c, watch)
		return true, true
	}
	s.crew.Do(func() {
		defer s.hotWork.Done()
		s.run(c)
	})
	return c.wait(ctx, s.headStart), true
}

// begin counts the call. It is false where the host is stopping, the session is over or has a call
// under way by the same id.
func (s *Server) begin(ctx context.Context, c *hotCall) bool {
	s.hotMu.RLock()
	defer s.hotMu.RUnlock()
	if s.ctx.Err() != nil {
		return false
	}
	c.ctx, c.cancel = context.WithCancel(host.WithPrincipal(s.ctx, host.PrincipalFrom(ctx)))
	c.request.Client = c.era.client
	if c.session != nil && !s.sessions.begin(c) {
		c.cancel()
		return false
	}
	s.hotWork.Add(1)
	return true
}

// callHere makes the call on this goroutine. When it has had its head start, somebody begins to look
// whether its client is still there.
func (s *Server) callHere(ctx context.Context, c *hotCall, watch func(func()) func()) {
	defer s.hotWork.Done()
	out := lookout{call: c, ctx: ctx, watch: watch}
	late := time.AfterFunc(s.headStart, out.begin)
	s.run(c)
	if !late.Stop() {
		out.end()
	}
}

// lookout cancels a call whose client leaves, or whose request is given up.
type lookout struct {
	call  *hotCall
	ctx   context.Context
	watch func(func()) func()

	mu    sync.Mutex
	over  bool
	stops [2]func()
}

func (o *lookout) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return
	}
	stop := context.AfterFunc(o.ctx, o.call.cancel)
	o.stops = [2]func(){o.watch(o.call.cancel), func() { stop() }}
}

func (o *lookout) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.over = true
	for _, stop := range o.stops {
		if stop != nil {
			stop()
		}
	}
}

// run makes the call and tells its end.
func (s *Server) run(c *hotCall) {
	defer c.cancel()
	defer func() {
		if r := recover(); r != nil {
			s.cfg.Logger.Error("a method panicked", "method", "tools/call", "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			c.err = host.E("mcp", abi.CodeInternal, nil)
		}
		if c.session != nil {
			s.sessions.ended(c)
		}
		close(c.done)
	}()
	began := time.Now()
	c.answer, c.err = s.cfg.Pipeline.Call(c.ctx, c.request, nil)
	c.pace.took(time.Since(began))
}

// wait waits up to d for the end of the call, which the end of ctx brings about.
func (c *hotCall) wait(ctx context.Context, d time.Duration) (ended bool) {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case <-c.done:
		return true
	case <-late.C:
		return false
	case <-ctx.Done():
		c.cancel()
		<-c.done
		return true
	}
}

// outcome waits for the end of a call that was handed over.
func (c *hotCall) outcome(ctx context.Context) (*invoke.Answer, error) {
	select {
	case <-c.done:
	case <-ctx.Done():
		c.cancel()
		<-c.done
	}
	return c.answer, c.err
}
