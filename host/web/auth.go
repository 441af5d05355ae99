// Copyright 2026 The Gantry Authors.

package web

import (
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// tokenLimit bounds what is handed to the authenticator.
const tokenLimit = 4 << 10

// BearerToken reads "Authorization: Bearer <token>". A missing, doubled or malformed header is
// CodeUnauthenticated, and the message says how it has to look. So is a token in the query string,
// where logs and histories keep it (RFC 6750, section 2.3).
func BearerToken(c *Ctx) (string, error) {
	const op = "web.BearerToken"
	const hint = "send the header Authorization: Bearer <token>"
	if c.raw.Request().URI().QueryArgs().Has("access_token") {
		return "", host.Errorf(op, abi.CodeUnauthenticated, "a token in the query string is not taken").WithHint(hint)
	}
	h := &c.raw.Request().Header
	values := h.PeekAll("Authorization")
	switch {
	case len(values) == 0:
		return "", host.Errorf(op, abi.CodeUnauthenticated, "the Authorization header is missing").WithHint(hint)
	case len(values) > 1:
		return "", host.Errorf(op, abi.CodeUnauthenticated, "there is more than one Authorization header").WithHint(hint)
	}
	scheme, token, _ := strings.Cut(string(values[0]), " ")
	token = strings.Trim(token, " ")
	switch {
	case !strings.EqualFold(scheme, "Bearer"):
		return "", host.Errorf(op, abi.CodeUnauthenticated, "the Authorization header is not of the scheme Bearer").WithHint(hint)
	case token == "":
		return "", host.Errorf(op, abi.CodeUnauthenticated, "the Authorization header has no token").WithHint(hint)
	case len(token) > tokenLimit:
		return "", host.Errorf(op, abi.CodeUnauthenticated, "the token is longer than %s", bytesText(tokenLimit))
	case !printable(token):
		return "", host.Errorf(op, abi.CodeUnauthenticated, "the token is not of the form of one").WithHint(hint)
	}
	return token, nil
}

// printable tells whether a token is of printable ASCII without blanks.
func printable(token string) bool {
	for i := range len(token) {
		if token[i] <= ' ' || token[i] >= 0x7f {
			return false
		}
	}
	return true
}

// authenticate finds the principal and holds it against the route.
func (c *Ctx) authenticate() error {
	if c.route.Public {
		return nil
	}
	token, err := c.surface.Token(c)
	if err != nil {
		return err
	}
	p, err := c.server.cfg.Auth.Verify(c.server.requests, token)
	if err != nil {
		return err
	}
	c.principal = p
	if s := c.route.Scope; s != "" && !p.Has(s) {
		return host.Errorf("web.authenticate", abi.CodeForbidden, "the token lacks the scope %s", s).
			WithHint("use a token with the scope %s", s)
	}
	return nil
}
