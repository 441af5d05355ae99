// Copyright 2026 The Gantry Authors.

package egress

import (
	"bytes"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

// FuzzGrant holds the decision against an oracle that knows net/url and string equality only: what
// a pattern lets through has to be equal to it in host and port.
func FuzzGrant(f *testing.F) {
	for _, p := range []string{"api.example.com", "*.example.com", "example.com:8443", "https://a.b/c", "[::1]:80", "127.0.0.1", "bücher.de"} {
		for _, u := range []string{"https://api.example.com/x", "http://a@b/", "http://0x7f.1/", "http://[::ffff:7f00:1]/", "https://EXAMPLE.com.:8443"} {
			f.Add(p, u)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, raw string) {
		p, err := parsePattern(pattern)
		if err != nil || p.any {
			return
		}
		u, to, err := parseURL(raw)
		if err != nil || !p.matches(to) {
			return
		}
		sent, err := url.Parse(u.String())
		if err != nil || sent.User != nil || sent.Scheme != "http" && sent.Scheme != "https" {
			t.Fatalf("%q became %q, which is not sendable: %v", raw, u, err)
		}
		// The oracle reads the pattern its own way.
		want := strings.ToLower(pattern)
		if _, after, ok := strings.Cut(want, "://"); ok {
			want, _, _ = strings.Cut(after, "/")
			want, _, _ = strings.Cut(want, "?")
			want, _, _ = strings.Cut(want, "#")
		}
		if !ascii(want) || strings.Contains(want, ":") {
			return // other forms have their table tests
		}
		want = strings.TrimSuffix(want, ".")
		got := sent.Hostname()
		if below, ok := strings.CutPrefix(want, "*"); ok {
			if !strings.HasSuffix(got, below) || got == below {
				t.Fatalf("pattern %q let %q through, host %q", pattern, raw, got)
			}
		} else if got != want {
			t.Fatalf("pattern %q let %q through, host %q", pattern, raw, got)
		}
		if port := sent.Port(); port != "" && port != "80" && port != "443" {
			t.Fatalf("pattern %q let port %s through", pattern, port)
		}
		if _, err := netip.ParseAddr(got); err == nil && !to.addr.IsValid() {
			t.Fatalf("%q is an address that was taken for a name", raw)
		}
	})
}

func ascii(s string) bool { return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0 }

// FuzzRedirect holds that whatever a Location says, the exchange either stops or stands at a URL
// whose judged place is the place that is sent to, without the credential in it.
func FuzzRedirect(f *testing.F) {
	for _, l := range []string{"/x?key=s3cret-value", "//b.test", "https://b.test/s3cret-value", "?k%65y=1", "http://[::1]:9/", "\\\\x", "https:b.test"} {
		f.Add(302, l)
	}
	f.Fuzz(func(t *testing.T, status int, location string) {
		r, errs := compile(&abi.Rights{Credentials: []abi.Credential{{Name: "K", Host: "https://a.test", Query: "key", From: "env:K"}}})
		if errs != nil {
			t.Fatal(errs)
		}
		x := &exchange{g: &grant{rules: r}, method: "POST", body: []byte("b"), header: map[string][]string{"Authorization": {"x"}}}
		x.mask.add("s3cret-value")
		var err error
		if x.url, x.to, err = parseURL("https://a.test/"); err != nil {
			t.Fatal(err)
		}
		from := x.to
		if x.turn(status, location) != nil {
			return
		}
		_, again, err := parseURL(x.url.String())
		if err != nil || again != x.to {
			t.Fatalf("%q: judged %v, sent %v (%v)", location, x.to, again, err)
		}
		if x.to.sameOrigin(from) {
			return
		}
		if len(x.header["Authorization"]) > 0 || strings.Contains(x.url.String(), "s3cret-value") {
			t.Fatalf("%q took a secret to %s", location, x.url)
		}
	})
}

// FuzzMask holds that no piece order shows a secret, and that text without one is unchanged.
func FuzzMask(f *testing.F) {
	f.Add("secret", []byte("a secret b"), 4)
	f.Fuzz(func(t *testing.T, secret string, data []byte, cut int) {
		if cut < 0 || cut > len(data) || strings.Contains(secret, "*") {
			return
		}
		var m mask
		m.add(secret)
		out, rest := m.apply(bytes.Clone(data[:cut]), false)
		got := bytes.Clone(out)
		out, _ = m.apply(append(bytes.Clone(rest), data[cut:]...), true)
		got = append(got, out...)
		if !m.finds(string(data)) && !bytes.Equal(got, data) {
			t.Fatalf("got %q, want %q", got, data)
		}
		if len(secret) >= minMasked && bytes.Contains(data, []byte(secret)) && bytes.Contains(got, []byte(secret)) {
			t.Fatalf("%q still holds %q", got, secret)
		}
	})
}
