// Copyright 2026 The Gantry Authors.

package egress

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

func TestURLHasOneForm(t *testing.T) {
	for raw, want := range map[string]string{
		"https://API.Example.COM./v1?q=1#frag": "https://api.example.com/v1?q=1",
		"HTTP://example.com:80/":               "http://example.com/",
		"https://example.com:8443":             "https://example.com:8443",
		"https://bücher.example/":              "https://xn--bcher-kva.example/",
		"http://１２７.０.０.１/":                    "http://127.0.0.1/",
		"http://127。0。0。1/":                    "http://127.0.0.1/",
		"http://[::ffff:127.0.0.1]/":           "http://127.0.0.1/",
		"http://[0:0:0:0:0:0:0:1]:81/":         "http://[::1]:81/",
		"http://my_service:8080/":              "http://my_service:8080/",
	} {
		u, _, err := parseURL(raw)
		if err != nil {
			t.Errorf("%s: %v", raw, err)
			continue
		}
		if got := u.String(); got != want {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

func TestURLsThatDisguiseTheirHostAreRefused(t *testing.T) {
	for _, raw := range []string{
		"http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://017700000001/", "http://0177.0.0.1/",
		"http://127.1/", "http://127.0.1/", "http://0/", "http://127.0.0.0x1/", "http://1.2.3.4.5/", "http://256.1.1.1/",
		"http://127.0.0.1./x.", "http://127.0.0.1../", "http://a..b/", "http://.a/", "http:///x", "http://:80/",
		"http://user@example.com/", "http://user:pw@example.com/", "http://example.com@127.0.0.1/",
		"http://[fe80::1%25eth0]/", "http://[::1", "http://[127.0.0.1]/", "http://exa mple.com/", "http://a%2fb/", "http://a%00b/",
		"http://example.com:0/", "http://example.com:65536/", "http://example.com:80:90/", "http://example.com:-1/",
		"ftp://example.com/", "file:///etc/passwd", "gopher://x/", "javascript:alert(1)", "//example.com/", "example.com", "",
		"http:example.com", "http://\\127.0.0.1/", "http://example.com\\@127.0.0.1/", "http://a\tb/", "http://a\r\nb/",
		"https://" + strings.Repeat("a", 64) + ".com/", "https://" + strings.Repeat("a.", 130) + "com/",
		"https://example.com/" + strings.Repeat("x", MaxURLBytes),
	} {
		if raw == "http://127.0.0.1./x." { // one trailing dot is the same address
			continue
		}
		if u, to, err := parseURL(raw); err == nil {
			t.Errorf("%q was read as %s (%s)", raw, u, to)
		}
	}
}

func TestPatternsMatchWhatTheyAreDocumentedToMatch(t *testing.T) {
	for _, c := range []struct {
		pattern  string
		yes, not []string
	}{
		{"api.example.com",
			[]string{"http://api.example.com", "https://API.example.com./x", "http://api.example.com:443"},
			[]string{"https://example.com", "https://x.api.example.com", "https://api.example.com:8443", "https://api.example.com.evil.com", "https://apixexample.com"}},
		{"*.example.com",
			[]string{"https://a.example.com", "https://a.b.example.com"},
			[]string{"https://example.com", "https://evilexample.com", "https://a.example.com:81"}},
		{"example.com:8443", []string{"https://example.com:8443", "http://example.com:8443"}, []string{"https://example.com"}},
		{"https://api.example.com/v1?x", []string{"https://api.example.com/other"}, []string{"http://api.example.com", "http://api.example.com:443"}},
		{"http://127.0.0.1:8080", []string{"http://127.0.0.1:8080/x"}, []string{"http://127.0.0.1", "http://127.0.0.2:8080"}},
		{"[::1]:99", []string{"http://[::1]:99"}, []string{"http://[::2]:99"}},
		{"::1", []string{"http://[::1]"}, []string{"http://[::1]:99"}},
		{"BÜCHER.example.", []string{"https://xn--bcher-kva.example", "https://bücher.example"}, nil},
		{"*", []string{"https://anything.example", "http://192.0.2.1"}, []string{"https://anything.example:8443"}},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for i, raw := range append(c.yes, c.not...) {
			_, to, err := parseURL(raw)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := p.matches(to), i < len(c.yes); got != want {
				t.Errorf("%s against %s: got %v, want %v", c.pattern, raw, got, want)
			}
		}
	}
}

func TestFaultyGrantsAreToldByField(t *testing.T) {
	for _, h := range []string{"", "a b", "*.*", "a.*.b", "*example.com", "*:80", "**", "*.", "ftp://x", "user@host", "host:", "host:0", "host:x",
		"[::1", "[::1]x", "[::1]:", "[a]", "*.127.0.0.1", "2130706433", "0x7f.1", "host/path", "https://", "http://x\\y"} {
		if err := CheckRights(&abi.Rights{Hosts: []string{"ok.example", h}}); err == nil || !strings.Contains(err.Error(), "hosts[1]") {
			t.Errorf("host %q: got %v", h, err)
		}
	}
	for _, p := range []string{"", "10.0.0.1", "10.0.0.0/33", "localhost", "::/200", "::ffff:0:0/90", "10.0.0.0-10.0.0.9"} {
		if err := CheckRights(&abi.Rights{Private: []string{p}}); err == nil || !strings.Contains(err.Error(), "private[0]") {
			t.Errorf("range %q: got %v", p, err)
		}
	}
	for _, c := range []abi.Credential{
		{Name: "K", Host: "*"}, {Name: "K", Host: "*.a.b"}, {Name: "K", Host: ""}, {Name: "K", Host: "a.b", Header: "X Y"},
		{Name: "K", Host: "a.b", Header: "Host"}, {Name: "K", Host: "a.b", Header: "X", From: "NAME"},
	} {
		if err := CheckRights(&abi.Rights{Credentials: []abi.Credential{c}}); err == nil || !strings.Contains(err.Error(), "credentials[0] K") {
			t.Errorf("credential %+v: got %v", c, err)
		}
	}
	if err := CheckRights(nil); err != nil {
		t.Error(err)
	}
}

func TestOnlyPublicAddressesPass(t *testing.T) {
	refused := []string{
		"0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.255", "169.254.169.254",
		"172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.7",
		"203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1",
		"100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::1", "2002:c0a8:101::", "3fff::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1",
		"fec0::1", "ff02::1", "ff0e::1",
	}
	for _, a := range refused {
		if err := guard(netip.MustParseAddr(a), nil); err == nil {
			t.Errorf("%s passed", a)
		}
	}
	if err := guard(netip.MustParseAddr("fe80::1%eth0"), nil); err == nil {
		t.Error("an address with a zone passed")
	}
	for _, a := range []string{"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1",
		"223.255.255.255", "::ffff:8.8.8.8", "2606:4700::1", "2a00:1450::1", "2002:808:808::1"} {
		if err := guard(netip.MustParseAddr(a), nil); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestAGrantedRangeOpensNothingElse(t *testing.T) {
	r, errs := compile(&abi.Rights{Private: []string{"10.1.2.3/16", "fd00::/8", "::ffff:192.168.7.0/120"}})
	if errs != nil {
		t.Fatal(errs)
	}
	for _, a := range []string{"10.1.0.1", "10.1.255.1", "::ffff:10.1.0.1", "fd00::1", "192.168.7.9"} {
		if err := guard(netip.MustParseAddr(a), r.private); err != nil {
			t.Errorf("%s: %v", a, err)
		}
	}
	for _, a := range []string{"10.2.0.1", "127.0.0.1", "fc00::1", "64:ff9b::a01:1", "2002:a01:1::", "192.168.8.1"} {
		if err := guard(netip.MustParseAddr(a), r.private); err == nil {
			t.Errorf("%s passed", a)
		}
	}
}
