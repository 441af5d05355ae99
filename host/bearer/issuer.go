// Copyright 2026 The Gantry Authors.

package bearer

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Issuer is one authorization server whose tokens are taken, and what they mean here. The names in
// tags are those of the settings file.
type Issuer struct {
	// URL is the issuer's identifier, letter for letter as its tokens and its discovery document
	// have it. It has to be https, unless it is on this machine.
	URL string `yaml:"issuer"`
	// Audience is what a token's aud has to hold; empty is Config.Resource, with or without a slash
	// at its end.
	Audience string `yaml:"audience"`
	// Tenant is whom all tokens of this issuer belong to; TenantClaim names the claim that says so
	// instead. Not both; with neither it is host.DefaultTenant.
	Tenant      host.TenantID `yaml:"tenant"`
	TenantClaim string        `yaml:"tenant_claim"`
	// UserClaim names the claim with the user; empty is "sub".
	UserClaim string `yaml:"user_claim"`
	// ScopeClaim names the claim with the scopes, a text with blanks or a list; empty is "scope",
	// and where a token has none, "scp".
	ScopeClaim string `yaml:"scope_claim"`
	// Scopes says which of the host's scopes a scope of the issuer grants. Without it the host's own
	// names are taken, but for admin: the word is too common elsewhere to mean this host.
	Scopes map[string][]host.Scope `yaml:"scopes"`
}

const (
	maxUserBytes  = 255
	maxTokenScope = 64 // more of the issuer's scopes than these are not read
)

func (i *Issuer) check(n int) error {
	bad := func(field, format string, args ...any) error {
		args = append([]any{n, field}, args...)
		return host.Errorf("bearer.New", abi.CodeInvalidArg, "issuers[%d].%s: "+format, args...)
	}
	if err := checkURL(i.URL); err != "" {
		return bad("issuer", "%q %s", i.URL, err)
	}
	switch {
	case i.Tenant != "" && i.TenantClaim != "":
		return bad("tenant", "is set beside tenant_claim; keep one of them")
	case i.Tenant != "" && !i.Tenant.Valid():
		return bad("tenant", "%q is not a tenant; use small letters, digits, - and _, at most 63", i.Tenant)
	}
	for _, foreign := range slices.Sorted(maps.Keys(i.Scopes)) {
		if foreign == "" || strings.ContainsFunc(foreign, notScopeRune) {
			return bad("scopes", "%q is not a scope of OAuth", foreign)
		}
		for _, s := range i.Scopes[foreign] {
			if !slices.Contains(host.AllScopes(), s) {
				return bad("scopes."+foreign, "%q is not a scope of this host; use read:tools, write:tools, read:data, admin or chat", s)
			}
		}
	}
	return nil
}

// checkURL says what is wrong with the address of an issuer, or of what it publishes.
func checkURL(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "":
		return "is not an address such as https://id.example.com"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		return ""
	}
	return "is not https; only an issuer on this machine may be without"
}

func loopback(name string) bool {
	ip := net.ParseIP(name)
	return strings.EqualFold(name, "localhost") || ip != nil && ip.IsLoopback()
}

func notScopeRune(r rune) bool { return r <= ' ' || r >= 0x7f || r == '"' || r == '\\' }

// checkTogether refuses two issuers for one tenant that leave open whether the same user of both is
// the same person: a sub is unique with its issuer only.
func checkTogether(all []Issuer) error {
	const op = "bearer.New"
	for n := range all {
		for m := range n {
			a, b := &all[m], &all[n]
			if a.URL == b.URL {
				return host.Errorf(op, abi.CodeInvalidArg, "issuers[%d].issuer: %q is there twice", n, b.URL)
			}
			apart := a.TenantClaim == "" && b.TenantClaim == "" &&
				cmp.Or(a.Tenant, host.DefaultTenant) != cmp.Or(b.Tenant, host.DefaultTenant)
			if !apart && (a.UserClaim == "" || b.UserClaim == "") {
				return host.Errorf(op, abi.CodeInvalidArg,
					"issuers[%d].user_claim: issuers[%d] may speak for the same tenant, and each has users of its own", n, m).
					WithHint("set user_claim for both, to a claim that names the same person in both, or give each its own tenant")
			}
		}
	}
	return nil
}

// principal is who a token with these claims belongs to. An error says what the token lacks.
func (i *Issuer) principal(claims map[string]any) (*host.Principal, error) {
	user, ok := claims[cmp.Or(i.UserClaim, "sub")].(string)
	if !ok || user == "" || len(user) > maxUserBytes || !utf8.ValidString(user) || strings.ContainsFunc(user, unicode.IsControl) {
		return nil, refusef("the access token's claim %s does not name a user", cmp.Or(i.UserClaim, "sub"))
	}
	tenant := cmp.Or(i.Tenant, host.DefaultTenant)
	if i.TenantClaim != "" {
		name, _ := claims[i.TenantClaim].(string)
		if tenant = host.TenantID(name); !tenant.Valid() {
			return nil, refusef("the access token's claim %s does not name a tenant", i.TenantClaim)
		}
	}
	subject, _ := claims["sub"].(string)
	id := sha256.Sum256([]byte(i.URL + "\x00" + cmp.Or(subject, user)))
	return &host.Principal{
		Tenant: tenant, User: user, Kind: host.KindOrg, Scopes: i.granted(claims), Issuer: i.URL,
		CredentialID: "oauth-" + hex.EncodeToString(id[:12]),
	}, nil
}

// granted are the host's scopes that a token brings, in the order of seed 000.
func (i *Issuer) granted(claims map[string]any) []host.Scope {
	has := map[host.Scope]bool{}
	for _, word := range i.words(claims) {
		if i.Scopes == nil {
			has[host.Scope(word)] = word != string(host.ScopeAdmin)
		}
		for _, s := range i.Scopes[word] {
			has[s] = true
		}
	}
	return slices.DeleteFunc(host.AllScopes(), func(s host.Scope) bool { return !has[s] })
}

// words are the scopes as the token has them.
func (i *Issuer) words(claims map[string]any) []string {
	v := claims[cmp.Or(i.ScopeClaim, "scope")]
	if v == nil && i.ScopeClaim == "" {
		v = claims["scp"]
	}
	var out []string
	switch v := v.(type) {
	case string:
		out = strings.Fields(v)
	case []any:
		for _, x := range v {
			if s, ok := x.(string); ok {
				out = append(out, s)
			}
		}
	}
	return out[:min(len(out), maxTokenScope)]
}

// Names says with which of the issuer's scopes one comes by these of the host, in the issuer's
// words; false where one of them cannot be had from this issuer.
func (i *Issuer) names(scopes []host.Scope) ([]string, bool) {
	var out []string
	for _, s := range scopes {
		name := i.name(s)
		if name == "" {
			return nil, false
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out, true
}

// name is the issuer's scope that grants s, and the fewest others with it; "" where none does.
func (i *Issuer) name(s host.Scope) string {
	if i.Scopes == nil {
		if s == host.ScopeAdmin {
			return ""
		}
		return string(s)
	}
	best, extras := "", 0
	for _, foreign := range slices.Sorted(maps.Keys(i.Scopes)) {
		grants := i.Scopes[foreign]
		if (&host.Principal{Scopes: grants}).Has(s) && (best == "" || len(grants) < extras) {
			best, extras = foreign, len(grants)
		}
	}
	return best
}
