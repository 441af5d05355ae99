// Copyright 2026 The Gantry Authors.

package web

import (
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"
)

// logAccess writes one line per request. The path is the route's pattern where there is one, and
// never has the query: tokens and ids stay out of the log.
func (c *Ctx) logAccess() {
	log := c.server.cfg.Logger
	ctx := c.server.requests
	if !log.Enabled(ctx, c.server.cfg.AccessLevel) {
		return
	}
	path := "(none)"
	if c.route != nil {
		path = c.route.Path
	}
	status := c.raw.Response().StatusCode()
	attrs := make([]slog.Attr, 0, 8)
	attrs = append(attrs,
		slog.String("request_id", c.requestID),
		slog.String("method", clip(c.raw.Method())),
		slog.String("path", path),
		slog.Int("status", status),
		slog.Duration("took", time.Since(c.start)),
		slog.String("from", c.raw.Context().RemoteIP().String()),
	)
	if c.principal != nil {
		attrs = append(attrs, slog.String("tenant", string(c.principal.Tenant)),
			slog.String("credential", c.principal.CredentialID))
	}
	if c.logged != "" {
		attrs = append(attrs, slog.String("code", c.logged))
	}
	log.LogAttrs(ctx, c.server.cfg.AccessLevel, "request", attrs...)
}

// requestIDs makes ids that differ within a process and, very likely, between processes.
type requestIDs struct {
	prefix string
	n      *atomic.Uint64
}

func newRequestIDs() requestIDs {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return requestIDs{prefix: hex.EncodeToString(b[:]) + "-", n: new(atomic.Uint64)}
}

// next keeps the caller's own id where it is harmless.
func (r requestIDs) next(asked string) string {
	if harmlessID(asked) {
		return asked
	}
	b := make([]byte, 0, 32)
	return string(strconv.AppendUint(append(b, r.prefix...), r.n.Add(1), 10))
}

func harmlessID(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		b := s[i]
		ok := b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || b == '-' || b == '_' || b == '.'
		if !ok {
			return false
		}
	}
	return true
}
