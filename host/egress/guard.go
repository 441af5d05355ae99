// Copyright 2026 The Gantry Authors.

package egress

import (
	"fmt"
	"net/netip"
)

// blocked are the ranges that are not the public internet, with the reason shown to operators.
var blocked = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "this machine"},
	{netip.MustParsePrefix("10.0.0.0/8"), "a private network"},
	{netip.MustParsePrefix("100.64.0.0/10"), "a carrier's own network"},
	{netip.MustParsePrefix("127.0.0.0/8"), "this machine"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, where clouds keep their metadata service"},
	{netip.MustParsePrefix("172.16.0.0/12"), "a private network"},
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved for protocols"},
	{netip.MustParsePrefix("192.0.2.0/24"), "for documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "a 6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "a private network"},
	{netip.MustParsePrefix("198.18.0.0/15"), "for benchmarks"},
	{netip.MustParsePrefix("198.51.100.0/24"), "for documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "for documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},
	{netip.MustParsePrefix("2001::/23"), "reserved for protocols"},
	{netip.MustParsePrefix("2001:db8::/32"), "for documentation"},
	{netip.MustParsePrefix("3fff::/20"), "for documentation"},
}

// globalV6 is all of IPv6 that is handed out for the public internet; loopback, link-local,
// unique-local, multicast, NAT64 and IPv4-compatible forms lie outside.
var (
	globalV6  = netip.MustParsePrefix("2000::/3")
	sixToFour = netip.MustParsePrefix("2002::/16")
)

// notPublic returns why a is not a public address, or "".
func notPublic(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return "not an address"
	}
	if a.Is6() && !globalV6.Contains(a) {
		return "not a public IPv6 address"
	}
	if sixToFour.Contains(a) {
		b := a.As16()
		return notPublic(netip.AddrFrom4([4]byte(b[2:6])))
	}
	for _, b := range blocked {
		if b.prefix.Contains(a) {
			return b.why
		}
	}
	return ""
}

// guard lets a through where it is public or lies in a granted range. The error is a *refusal.
func guard(a netip.Addr, granted []netip.Prefix) error {
	a = a.Unmap().WithZone("")
	why := notPublic(a)
	if why == "" {
		return nil
	}
	for _, p := range granted {
		if p.Contains(a) {
			return nil
		}
	}
	return &refusal{addr: a, why: why}
}

// refusal says that a connection was not made because of the address.
type refusal struct {
	addr netip.Addr
	why  string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s is refused: %s", r.addr, r.why) }

// parseRange reads a CIDR range; ::ffff:10.0.0.0/104 is 10.0.0.0/8.
func parseRange(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		if a, aerr := netip.ParseAddr(s); aerr == nil {
			return netip.Prefix{}, fmt.Errorf("%q is one address; write %s/%d", clip(s), a, a.BitLen())
		}
		return netip.Prefix{}, fmt.Errorf("%q is not a range such as 10.0.0.0/8", clip(s))
	}
	if a := p.Addr(); a.Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q reaches beyond the IPv4 addresses; write an IPv4 range", clip(s))
		}
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
