// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"iter"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

var _ sdk.EventStore = (*sessions)(nil)

// helloShelf is where the answer to a session's handshake is kept, apart from its other events: until a
// request comes, which says that the client has it. It would be most of what is kept of many a session.
func helloShelf(session string) string { return session + "\x00hello" }

// shelf is where the events of a stream are kept.
func (s *sessions) shelf(session, stream string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[session].shelf(session, stream)
}

// shelf is the same for a caller that holds sessions.mu. n is nil before the session's first answer.
func (n *session) shelf(session, stream string) string {
	if stream != "" && (n == nil || !n.met) {
		return helloShelf(session)
	}
	return session
}

// meet notes that a request came which follows the handshake; s.mu is held.
func (s *sessions) meet(n *session) {
	if n.met {
		return
	}
	n.met = true
	_ = s.MemoryEventStore.SessionClosed(context.Background(), helloShelf(n.id)) // never fails
}

// Open is as in sdk.EventStore.
func (s *sessions) Open(ctx context.Context, session, stream string) error {
	return s.MemoryEventStore.Open(ctx, s.shelf(session, stream), stream)
}

// Append keeps an event, and tells the session's standing stream of its own.
func (s *sessions) Append(ctx context.Context, session, stream string, data []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byID[session]
	if n != nil && n.rising && stream != "" {
		return nil // see nap
	}
	if err := s.MemoryEventStore.Append(ctx, n.shelf(session, stream), stream, data); err != nil || n == nil {
		return err
	}
	if n.kept = n.kept || n.met || stream == ""; stream != "" {
		return nil
	}
	n.told++
	if n.standing != nil {
		n.standing.notify()
	}
	return nil
}

// After is as in sdk.EventStore.
func (s *sessions) After(ctx context.Context, session, stream string, index int) iter.Seq2[[]byte, error] {
	return s.MemoryEventStore.After(ctx, s.shelf(session, stream), stream, index)
}
