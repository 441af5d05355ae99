// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// overLimit is the error for a limit that a call met: which, its value, and how to raise it.
func (g *guest) overLimit(field, value, what string) *host.Error {
	return host.Errorf(opCall, abi.CodeLimit, "%s; the limit is %s", what, value).
		WithHint("raise limits: %s: in %s.yaml", field, g.name)
}

// clip shortens foreign text for a message.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
