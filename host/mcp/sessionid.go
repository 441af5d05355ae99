// Copyright 2026 The Gantry Authors.

package mcp

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/gantryhost/gantry/host"
)

// maxHello bounds what a session's id carries of the handshake. A client that says more of itself
// gets an id that ends with the process.
const maxHello = 1 << 10

// minSessionKey is how long a key for session ids has to be.
const minSessionKey = 32

// sessionIDs makes the ids of sessions. Each carries, sealed and bound to the session's owner, what
// its client said in the handshake: so a host that was started anew can go on with a session that it
// has never seen, and nobody else can read an id or make one.
type sessionIDs struct {
	aead cipher.AEAD
	boot string // names this process; a session that began in it and is gone has ended
}

// carried is what an id carries.
type carried struct {
	Boot  string          `json:"b"`
	Hello json.RawMessage `json:"h"` // the params of initialize
}

func newSessionIDs(key []byte) (*sessionIDs, error) {
	if len(key) == 0 {
		key = make([]byte, minSessionKey)
		if _, err := rand.Read(key); err != nil {
			return nil, err
		}
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "gantry mcp session", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sessionIDs{aead, rand.Text()}, err
}

// of is the id for the session that the message begins; a plain one where it cannot be gone on with.
func (s *sessionIDs) of(p *host.Principal, body []byte) string {
	var m struct {
		Params struct {
			Version      string          `json:"protocolVersion"`
			Capabilities json.RawMessage `json:"capabilities,omitempty"`
			Client       json.RawMessage `json:"clientInfo,omitempty"`
		}
	}
	var hello bytes.Buffer
	if json.Unmarshal(body, &m) != nil || json.Compact(&hello, marshal(m.Params)) != nil || hello.Len() > maxHello {
		return rand.Text()
	}
	plain := marshal(carried{s.boot, hello.Bytes()})
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(owner(p))))
}

// open is the handshake of a session that began in another process and belongs to the principal.
func (s *sessionIDs) open(p *host.Principal, id string) (hello json.RawMessage, ok bool) {
	c, ok := s.unseal(p, id)
	return c.Hello, ok && c.Boot != s.boot
}

// carried is the handshake that an id of the principal's carries, whichever process made it.
func (s *sessionIDs) carried(p *host.Principal, id string) (hello json.RawMessage, ok bool) {
	c, ok := s.unseal(p, id)
	return c.Hello, ok
}

func (s *sessionIDs) unseal(p *host.Principal, id string) (c carried, ok bool) {
	if len(id) > 2*maxHello {
		return c, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil {
		return c, false
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte(owner(p)))
	if err != nil {
		return c, false
	}
	return c, json.Unmarshal(plain, &c) == nil
}

// sessionName is a session's id as the rest of the host sees it, which has no use for what is sealed
// into one.
func sessionName(id string) string {
	if len(id) <= 64 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:16])
}

// nextID hands the id of a new session to the SDK, which asks for one in the middle of a request and
// does not say for which. From offer until the SDK has asked, other requests that begin a session
// wait; no network lies between.
type nextID struct {
	mu    sync.Mutex
	offer atomic.Pointer[string]
}

// give offers the id. The caller calls done when the request has been served.
func (n *nextID) give(id string) (done func()) {
	n.mu.Lock()
	offered := &id
	n.offer.Store(offered)
	return func() {
		if n.offer.CompareAndSwap(offered, nil) {
			n.mu.Unlock()
		}
	}
}

// take is the SDK's question.
func (n *nextID) take() string {
	offered := n.offer.Load()
	if offered == nil || !n.offer.CompareAndSwap(offered, nil) {
		return rand.Text()
	}
	defer n.mu.Unlock()
	return *offered
}

func (c *Config) validateSessionKey() error {
	if n := len(c.SessionKey); n > 0 && n < minSessionKey {
		return fmt.Errorf("mcp: SessionKey has %d bytes; it needs %d or more", n, minSessionKey)
	}
	return nil
}

// hello is the message that begins a session with the params.
func helloMessage(params json.RawMessage) []byte {
	return fmt.Appendf(nil, `{"jsonrpc":"2.0","id":0,"method":"initialize","params":%s}`, params)
}

// helloDone is the message that ends the handshake.
var helloDone = []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)

// sessionGone is the protocol's word for a session that has ended.
func sessionGone() *refusal {
	return &refusal{status: 404, code: jsonrpc.CodeInvalidRequest, message: "session not found; send initialize to start a new one"}
}
