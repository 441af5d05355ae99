// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host/web/controlapi"
)

// dial connects a command to the host of its data folder: the one that runs there, or one made in
// this process for as long as the command takes. Call done when finished.
func (s *settings) dial(ctx context.Context) (c *controlapi.Client, done func(), err error) {
	dir, err := holdDataDir(s.Data)
	var held errHeld
	switch {
	case errors.As(err, &held):
		return s.dialRunning(ctx, held.holder)
	case err != nil:
		return nil, nil, err
	}
	return s.dialOwn(ctx, dir)
}

// onHost is a command that speaks to the host of its data folder.
func (s *settings) onHost(fn func(*cobra.Command, *controlapi.Client, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, done, err := s.dial(cmd.Context())
		if err != nil {
			return err
		}
		defer done()
		return fn(cmd, c, args)
	}
}

// dialRunning connects to the control socket of the host that holds the folder. A host that is just
// starting gets a moment to open it.
func (s *settings) dialRunning(ctx context.Context, h holder) (*controlapi.Client, func(), error) {
	for deadline := time.Now().Add(5 * time.Second); h.Socket == ""; {
		if time.Now().After(deadline) {
			return nil, nil, fmt.Errorf("%w; it has no control socket yet", inUse(s.Data, h))
		}
		time.Sleep(50 * time.Millisecond)
		dir, err := holdDataDir(s.Data)
		var held errHeld
		switch {
		case err == nil:
			return s.dialOwn(ctx, dir)
		case errors.As(err, &held):
			h = held.holder
		default:
			return nil, nil, err
		}
	}
	c := controlapi.Dial(func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", h.Socket)
	})
	return c, c.Close, nil
}

// dialOwn opens the whole host in this process, without a network listener, and connects to it.
func (s *settings) dialOwn(ctx context.Context, dir *dataDir) (*controlapi.Client, func(), error) {
	a, err := openApp(ctx, s, dir, s.quietLogger())
	if err != nil {
		dir.release()
		return nil, nil, err
	}
	pipes := newPipeListener()
	door := a.control()
	served := make(chan error, 1)
	go func() { served <- door.Serve(pipes) }()
	c := controlapi.Dial(pipes.dial)
	done := func() {
		c.Close()
		_ = door.Close()
		<-served
		a.close(context.WithoutCancel(ctx))
	}
	return c, done, nil
}

// quietLogger is for commands: only what goes wrong.
func (s *settings) quietLogger() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// pipeListener is a listener whose connections stay in this process.
type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
}

func (l *pipeListener) dial(ctx context.Context) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for a dial.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

// Close ends the listener; it is called once, by the server.
func (l *pipeListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

// Addr says that it is a pipe.
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
