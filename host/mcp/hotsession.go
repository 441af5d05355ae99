// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"encoding/json"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/host"
)

// find returns the principal's session, nil where there is none and where its client wants log lines,
// which only the SDK can send.
func (s *sessions) find(id []byte, p *host.Principal) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.byID[string(id)]
	if n == nil || n.level != "" || !n.belongsTo(p) {
		return nil
	}
	return n
}

// begin notes a call of a session and counts it in; ended has to follow where it is true. It is false
// where the session has ended, or has a call under way by the same id.
func (s *sessions) begin(c *hotCall) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := c.session
	if s.byID[n.id] != n || n.calls[c.id] != nil {
		return false
	}
	if n.calls == nil {
		n.calls = make(map[string]*hotCall)
	}
	n.calls[c.id] = c
	n.posts++
	n.last = time.Now()
	s.touch(n)
	return true
}

func (s *sessions) ended(c *hotCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(c.session.calls, c.id)
	c.session.posts--
	c.session.last = time.Now()
}

// heed ends the hot call that a message takes back, if it is such a message. The SDK, which gets the
// message too, does not know these calls.
func (s *sessions) heed(n *session, body []byte) {
	const cancelled = "notifications/cancelled"
	if n == nil || !bytes.Contains(body, []byte(cancelled)) {
		return
	}
	type message struct {
		Method string
		Params struct{ RequestID json.RawMessage }
	}
	batch := make([]message, 1)
	if json.Unmarshal(body, &batch[0]) != nil && json.Unmarshal(body, &batch) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range batch {
		if c := n.calls[string(m.Params.RequestID)]; c != nil && m.Method == cancelled {
			c.cancel()
		}
	}
}

// describe tells what the client has said of itself in the handshake; it is false before that.
func (n *session) describe(into *era) bool {
	e := n.era.Load()
	if e == nil {
		for ss := range n.view.server.Sessions() {
			if ss.ID() == n.id && ss.InitializeParams() != nil {
				known := eraOf(&sdk.CallToolRequest{Session: ss, Params: &sdk.CallToolParamsRaw{}})
				e = &known
				n.era.Store(e)
			}
		}
	}
	if e == nil {
		return false
	}
	*into = *e
	return true
}
