// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// guard holds a request against the rules that are the same for every route, before anybody looks
// at who asks.
func (c *Ctx) guard() error {
	const op = "web.guard"
	if why := ambiguous(c.raw.Request().Header.RawHeaders(), c.raw.Request().Header.IsHTTP11()); why != "" {
		c.raw.Context().SetConnectionClose()
		return host.Errorf(op, CodeMalformed, "the request is ambiguous: %s", why)
	}
	if err := c.checkHost(); err != nil {
		return err
	}
	if err := c.checkOrigin(); err != nil {
		return err
	}
	if enc := c.Header("Content-Encoding"); enc != "" && !strings.EqualFold(enc, "identity") {
		return host.Errorf(op, CodeEncoding, "Content-Encoding %s is not taken; send the body as it is", clip(enc))
	}
	return nil
}

// ambiguous says why two readers could disagree on where a request ends; "" where they could not.
// fasthttp refuses most of these shapes itself. For the rest the connection is closed after one
// answer, so that what one reader takes for a second request is never answered.
func ambiguous(raw []byte, http11 bool) string {
	lengths, encodings := 0, 0
	for len(raw) > 0 {
		line := raw
		if i := bytes.IndexByte(raw, '\n'); i >= 0 {
			line, raw = raw[:i], raw[i+1:]
		} else {
			raw = nil
		}
		if len(line) == 0 {
			continue
		}
		switch line[0] {
		case ' ', '\t':
			return "a header line is folded"
		case 'c', 'C':
			lengths += named(line, "content-length")
		case 't', 'T':
			encodings += named(line, "transfer-encoding")
		}
	}
	switch {
	case encodings > 0 && lengths > 0:
		return "Content-Length and Transfer-Encoding came together"
	case encodings > 1:
		return "Transfer-Encoding came more than once"
	case lengths > 1:
		return "Content-Length came more than once"
	case encodings > 0 && !http11:
		return "Transfer-Encoding came with HTTP/1.0"
	}
	return ""
}

// named is 1 where the header line is one of the name, also with blanks before its colon.
func named(line []byte, name string) int {
	if len(line) <= len(name) || !strings.EqualFold(string(line[:len(name)]), name) {
		return 0
	}
	if rest := bytes.TrimLeft(line[len(name):], " \t"); len(rest) > 0 && rest[0] == ':' {
		return 1
	}
	return 0
}

// checkHost keeps a web page from reaching a host on the visitor's own machine by a name that it
// points there (DNS rebinding): over loopback only the names of loopback are answered.
func (c *Ctx) checkHost() error {
	local, ok := c.raw.Context().LocalAddr().(*net.TCPAddr)
	if !ok || !local.IP.IsLoopback() {
		return nil
	}
	asked := c.raw.Request().Header.Host()
	if last := c.server.lastHost.Load(); last != nil && string(asked) == *last {
		return nil // as for nearly every request
	}
	name := hostName(string(asked))
	// Only HTTP/1.0 comes without a name, and no browser speaks it.
	if name == "" || isLocalName(name) || contains(c.server.cfg.AllowedHosts, name) {
		taken := string(asked)
		c.server.lastHost.Store(&taken)
		return nil
	}
	return host.Errorf("web.checkHost", abi.CodeForbidden, "the Host %s is not one that this host answers to over loopback", clip(name)).
		WithHint("use localhost, or add the name to the allowed hosts of this host")
}

// checkOrigin refuses pages that are neither of this machine nor allowed.
func (c *Ctx) checkOrigin() error {
	origin := c.Header("Origin")
	if origin == "" || c.server.OriginAllowed(origin) {
		return nil
	}
	return host.Errorf("web.checkOrigin", abi.CodeForbidden, "the origin %s is not allowed", clip(origin)).
		WithHint("add it to the allowed origins of this host")
}

// OriginAllowed tells whether pages of the origin may call: those of localhost and those
// configured. The absent origin "" is allowed, since it is no browser's; "null" is not.
func (s *Server) OriginAllowed(origin string) bool {
	if origin == "" {
		return true
	}
	if slices.Contains(s.cfg.AllowedOrigins, "*") {
		return true
	}
	for _, o := range s.cfg.AllowedOrigins {
		if strings.EqualFold(strings.TrimSuffix(o, "/"), origin) {
			return true
		}
	}
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && isLocalName(u.Hostname())
}

func isLocalName(name string) bool {
	if strings.EqualFold(name, "localhost") {
		return true
	}
	ip := net.ParseIP(name)
	return ip != nil && ip.IsLoopback()
}

// hostName is a Host header without its port and without the brackets of IPv6.
func hostName(hostport string) string {
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		return h
	}
	return strings.Trim(hostport, "[]")
}

func contains(list []string, name string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == "*" || strings.EqualFold(s, name) })
}

// clip bounds what a caller's own words take of an error message.
func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(oneLine(s), "?")
}

// cors tells a browser that an allowed origin may read the answer.
func (c *Ctx) cors() {
	c.raw.Response().Header.Add("Vary", "Origin")
	origin := c.Header("Origin")
	if origin == "" || !c.server.OriginAllowed(origin) {
		return
	}
	c.SetHeader("Access-Control-Allow-Origin", origin)
	c.SetHeader("Access-Control-Expose-Headers", "X-Request-Id, Retry-After, WWW-Authenticate, Mcp-Session-Id, MCP-Protocol-Version")
}

// preflight answers OPTIONS: what may be done with the path, and to a browser that asks first,
// from where and with which headers.
func (c *Ctx) preflight(methods string) {
	c.SetHeader("Allow", methods)
	if c.Header("Access-Control-Request-Method") != "" && c.Header("Origin") != "" {
		c.SetHeader("Access-Control-Allow-Methods", methods)
		c.SetHeader("Access-Control-Allow-Headers", "Authorization, Content-Type, Accept, Last-Event-ID, X-Request-Id, "+
			"X-API-Key, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name")
		c.SetHeader("Access-Control-Max-Age", "600")
	}
	c.NoContent()
}
