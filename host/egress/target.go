// Copyright 2026 The Gantry Authors.

package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// target is where a request goes, in one form per place: scheme in small letters, host as an ASCII
// name without trailing dot or as an address in its shortest form, and the port in numbers.
type target struct {
	scheme string
	host   string
	addr   netip.Addr // valid where host is an address
	port   uint16
}

// String is the target as an operator would write it under grants.hosts.
func (t target) String() string {
	if t.port == 80 || t.port == 443 {
		return bracket(t.host)
	}
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

// hostPort is the authority of a request to t.
func (t target) hostPort() string {
	if t.port == defaultPort(t.scheme) {
		return bracket(t.host)
	}
	return net.JoinHostPort(t.host, strconv.Itoa(int(t.port)))
}

func (t target) sameOrigin(o target) bool {
	return t.scheme == o.scheme && t.host == o.host && t.port == o.port
}

func bracket(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

func defaultPort(scheme string) uint16 {
	if scheme == "https" {
		return 443
	}
	return 80
}

// parseURL reads a guest's URL. The returned URL holds the normal form of scheme and host, so that
// what was judged is what is sent.
func parseURL(raw string) (*url.URL, target, error) {
	if len(raw) > MaxURLBytes {
		return nil, target{}, fmt.Errorf("url has %d bytes; at most %d are allowed", len(raw), MaxURLBytes)
	}
	u, err := url.Parse(raw)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the URL, which may hold a secret of the guest's
		}
		return nil, target{}, fmt.Errorf("url cannot be read: %w", err)
	}
	t, err := targetOf(u)
	if err != nil {
		return nil, target{}, err
	}
	u.Scheme, u.Host, u.Fragment, u.RawFragment = t.scheme, t.hostPort(), "", ""
	return u, t, nil
}

func targetOf(u *url.URL) (target, error) {
	scheme := strings.ToLower(u.Scheme)
	switch {
	case scheme == "":
		return target{}, errors.New("url has no scheme; write https://…")
	case scheme != "http" && scheme != "https":
		return target{}, fmt.Errorf("url scheme %q is not allowed; use http or https", clip(scheme))
	case u.Opaque != "":
		return target{}, fmt.Errorf("url has no host; write %s://host/…", scheme)
	case u.User != nil:
		return target{}, errors.New("url holds a user name or password; send an Authorization header, or let the operator declare a credential")
	}
	t := target{scheme: scheme, port: defaultPort(scheme)}
	var err error
	if t.host, t.addr, err = normalHost(u.Hostname()); err != nil {
		return target{}, fmt.Errorf("url host: %w", err)
	}
	if p := u.Port(); p != "" {
		if t.port, err = parsePort(p); err != nil {
			return target{}, fmt.Errorf("url: %w", err)
		}
	}
	return t, nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %q is not a number from 1 to 65535", clip(s))
	}
	return uint16(n), nil
}

// normalHost brings a host without brackets to its one form. Other spellings of an IPv4 address
// than four decimal numbers are refused rather than understood: resolvers disagree on them.
func normalHost(h string) (string, netip.Addr, error) {
	if strings.Contains(h, ":") {
		a, err := netip.ParseAddr(h)
		if err != nil || a.Zone() != "" {
			return "", netip.Addr{}, fmt.Errorf("%q is not an IPv6 address without a zone", clip(h))
		}
		a = a.Unmap()
		return a.String(), a, nil
	}
	if !isASCII(h) {
		ascii, err := idna.Lookup.ToASCII(h)
		if err != nil {
			return "", netip.Addr{}, fmt.Errorf("%q is not a valid international name", clip(h))
		}
		h = ascii
	}
	h = strings.ToLower(strings.TrimSuffix(h, "."))
	if err := checkName(h); err != nil {
		return "", netip.Addr{}, err
	}
	if !endsInNumber(h) {
		return h, netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(h)
	if err != nil {
		return "", netip.Addr{}, fmt.Errorf("%q looks like an address; write it as four decimal numbers, such as 192.0.2.1", clip(h))
	}
	return a.String(), a, nil
}

func checkName(h string) error {
	switch {
	case h == "":
		return errors.New("is missing")
	case len(h) > 253:
		return errors.New("has more than 253 bytes")
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%q has an empty part or one of more than 63 bytes", clip(h))
		}
	}
	for _, c := range []byte(h) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return fmt.Errorf("%q holds %q, which a host name cannot", clip(h), c)
		}
	}
	return nil
}

// endsInNumber tells whether some resolver could take h for an IPv4 address: its last part is a
// decimal, octal or hexadecimal number.
func endsInNumber(h string) bool {
	last := h[strings.LastIndexByte(h, '.')+1:]
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(last, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
