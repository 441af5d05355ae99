// Copyright 2026 The Gantry Authors.

package egress

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/gantryhost/gantry/abi"
)

// pattern is one line of abi.Rights.Hosts, read.
type pattern struct {
	any    bool   // "*"
	below  bool   // "*.host"
	scheme string // "" takes both
	host   string
	port   uint16 // 0 takes 80 and 443
}

func parsePattern(s string) (pattern, error) {
	var p pattern
	if s == "*" {
		return pattern{any: true}, nil
	}
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		p.scheme = strings.ToLower(scheme)
		if p.scheme != "http" && p.scheme != "https" {
			return p, fmt.Errorf("%q: the scheme has to be http or https", clip(s))
		}
		rest = after
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
	}
	if strings.ContainsAny(rest, "@/?#\\ ") {
		return p, fmt.Errorf("%q: write a host (api.example.com), a host and port, *.example.com, a URL, or *", clip(s))
	}
	name, port, err := splitPort(rest)
	if err != nil {
		return p, fmt.Errorf("%q: %w", clip(s), err)
	}
	switch {
	case port != "":
		if p.port, err = parsePort(port); err != nil {
			return p, fmt.Errorf("%q: %w", clip(s), err)
		}
	case p.scheme != "":
		p.port = defaultPort(p.scheme)
	}
	name, p.below = strings.CutPrefix(name, "*.")
	var addr netip.Addr
	if p.host, addr, err = normalHost(name); err != nil {
		return p, fmt.Errorf("%q: host %w", clip(s), err)
	}
	if p.below && addr.IsValid() {
		return p, fmt.Errorf("%q: an address has no names below it", clip(s))
	}
	return p, nil
}

// splitPort cuts "host", "host:port", "[v6]", "[v6]:port" and a bare "v6" apart.
func splitPort(s string) (name, port string, err error) {
	if v6, ok := strings.CutPrefix(s, "["); ok {
		name, port, ok = strings.Cut(v6, "]")
		if !ok || !strings.Contains(name, ":") || port != "" && (port[0] != ':' || port == ":") {
			return "", "", errors.New("write an IPv6 address as [::1] or [::1]:8080")
		}
		return name, strings.TrimPrefix(port, ":"), nil
	}
	if strings.Count(s, ":") != 1 {
		return s, "", nil
	}
	name, port, _ = strings.Cut(s, ":")
	if port == "" {
		return "", "", errors.New("the port after : is missing")
	}
	return name, port, nil
}

func (p pattern) matches(t target) bool {
	return (p.scheme == "" || p.scheme == t.scheme) && p.matchesPlace(t)
}

// matchesPlace is matches but for the scheme.
func (p pattern) matchesPlace(t target) bool {
	if p.port != t.port && (p.port != 0 || t.port != 80 && t.port != 443) {
		return false
	}
	switch {
	case p.any:
		return true
	case p.below:
		return !t.addr.IsValid() && len(t.host) > len(p.host)+1 && strings.HasSuffix(t.host, "."+p.host)
	}
	return t.host == p.host
}

// rules are a plugin's rights, read.
type rules struct {
	hosts       []pattern
	private     []netip.Prefix
	credentials []credential
}

// credential is a declared secret and the place it is for. It holds no secret.
type credential struct {
	abi.Credential
	where pattern
}

// compile reads rights. What is at fault is left out of the rules and told in errs.
func compile(r *abi.Rights) (rules, []error) {
	var out rules
	var errs []error
	for i, h := range r.Hosts {
		p, err := parsePattern(h)
		if err != nil {
			errs = append(errs, fmt.Errorf("hosts[%d]: %w", i, err))
			continue
		}
		out.hosts = append(out.hosts, p)
	}
	for i, c := range r.Private {
		p, err := parseRange(c)
		if err != nil {
			errs = append(errs, fmt.Errorf("private[%d]: %w", i, err))
			continue
		}
		out.private = append(out.private, p)
	}
	for i := range r.Credentials {
		c, err := parseCredential(r.Credentials[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("credentials[%d] %s: %w", i, clip(r.Credentials[i].Name), err))
			continue
		}
		out.credentials = append(out.credentials, c)
	}
	return out, errs
}

func parseCredential(c abi.Credential) (credential, error) {
	p, err := parsePattern(c.Host)
	switch {
	case err != nil:
		return credential{}, fmt.Errorf("host: %w", err)
	case p.any || p.below:
		return credential{}, errors.New("host has to be one host without *")
	case c.From != "" && !strings.Contains(c.From, ":"):
		return credential{}, fmt.Errorf("from: %q is not env:NAME or file:/path", clip(c.From))
	case c.Header != "":
		if err := checkHeaderName(c.Header); err != nil {
			return credential{}, fmt.Errorf("header: %w", err)
		}
	}
	if p.scheme == "" {
		// A secret goes out in clear only where the operator wrote http:// himself.
		p.scheme = "https"
	}
	return credential{Credential: c, where: p}, nil
}

// permits tells whether the hosts let t through, and whether a pattern names it (so that private
// ranges count); "*" stands for public hosts only.
func (r *rules) permits(t target) (ok, named bool) {
	for _, p := range r.hosts {
		if p.matches(t) {
			ok = true
			named = named || !p.any
		}
	}
	return ok, named
}

// names tells whether a pattern other than "*" covers the place, whatever the scheme.
func (r *rules) names(t target) bool {
	for _, p := range r.hosts {
		if !p.any && p.matchesPlace(t) {
			return true
		}
	}
	return false
}
