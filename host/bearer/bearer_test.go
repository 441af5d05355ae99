// Copyright 2026 The Gantry Authors.

package bearer_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/bearer"
	"github.com/gantryhost/gantry/host/bearer/bearertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const resource = "https://gantry.example/mcp"

type claims = bearertest.Claims

// open makes a service; what cfg leaves out is right for one issuer.
func open(t *testing.T, cfg bearer.Config) *bearer.Service {
	t.Helper()
	if cfg.Resource == "" {
		cfg.Resource = resource
	}
	s, err := bearer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func one(i *bearertest.Issuer) bearer.Config {
	return bearer.Config{Issuers: []bearer.Issuer{{URL: i.URL}}}
}

// mint is a good token with claims laid over it.
func mint(t *testing.T, i *bearertest.Issuer, over claims) string {
	t.Helper()
	c := claims{"aud": resource, "scope": "read:tools write:tools"}
	for k, v := range over {
		c[k] = v
	}
	return i.Token(t, c)
}

func refused(t *testing.T, s *bearer.Service, token string, want abi.Code, words string) {
	t.Helper()
	p, err := s.Verify(t.Context(), token)
	if p != nil || host.CodeOf(err) != want || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v %v, want %s with %q", p, err, want, words)
	}
}

func TestGoodTokens(t *testing.T) {
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		t.Run("signed with "+alg, func(t *testing.T) {
			i := bearertest.New(t)
			i.Rotate(t, alg)
			p, err := open(t, one(i)).Verify(t.Context(), mint(t, i, nil))
			if err != nil {
				t.Fatal(err)
			}
			if p.Tenant != "default" || p.User != "ann" || p.Kind != host.KindOrg || p.Issuer != i.URL ||
				!strings.HasPrefix(p.CredentialID, "oauth-") || !slices.Equal(p.Scopes, []host.Scope{"read:tools", "write:tools"}) {
				t.Errorf("got %+v", p)
			}
		})
	}
	i := bearertest.New(t)
	s := open(t, one(i))
	for name, over := range map[string]claims{
		"made out to several audiences":         {"aud": []string{"https://other.example", resource}},
		"made out to the address with a slash":  {"aud": resource + "/"},
		"that ended less than the leeway ago":   {"exp": time.Now().Add(-30 * time.Second).Unix()},
		"that begins within the leeway":         {"nbf": time.Now().Add(30 * time.Second).Unix()},
		"without scopes":                        {"scope": nil},
		"with claims of kinds that nobody uses": {"scope": 7, "scp": map[string]any{"a": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Verify(t.Context(), mint(t, i, over)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("the same user has the same credential in every token, and another has another", func(t *testing.T) {
		a, errA := s.Verify(t.Context(), mint(t, i, claims{"jti": "1"}))
		b, errB := s.Verify(t.Context(), mint(t, i, claims{"jti": "2"}))
		c, errC := s.Verify(t.Context(), mint(t, i, claims{"sub": "bob"}))
		if errA != nil || errB != nil || errC != nil || a.CredentialID != b.CredentialID || a.CredentialID == c.CredentialID {
			t.Error(a, b, c, errA, errB, errC)
		}
	})
}

func TestBadTokens(t *testing.T) {
	i := bearertest.New(t)
	good := i.Rotate(t, "RS256")
	other := bearertest.New(t)
	s := open(t, one(i))
	usual := i.Claims(claims{"aud": resource})
	stranger := bearertest.NewKey(t, good.ID, "RS256")
	curve := bearertest.NewKey(t, good.ID, "ES256")
	cut := mint(t, i, nil)
	for name, c := range map[string]struct{ token, words string }{
		"of an unknown issuer":            {mint(t, other, nil), "issuer that is not trusted"},
		"of nobody":                       {mint(t, i, claims{"iss": nil}), "issuer that is not trusted"},
		"for another audience":            {mint(t, i, claims{"aud": "https://other.example/mcp"}), "another audience than " + resource},
		"for a longer address":            {mint(t, i, claims{"aud": resource + "/x"}), "another audience"},
		"for no audience":                 {mint(t, i, claims{"aud": nil}), "another audience"},
		"that has expired":                {mint(t, i, claims{"exp": time.Now().Add(-time.Hour).Unix()}), "expired"},
		"that never ends":                 {mint(t, i, claims{"exp": nil}), "when it ends"},
		"that begins tomorrow":            {mint(t, i, claims{"nbf": time.Now().Add(24 * time.Hour).Unix()}), "not good yet"},
		"without a user":                  {mint(t, i, claims{"sub": nil}), "does not name a user"},
		"with a user that is no text":     {mint(t, i, claims{"sub": 7}), "does not name a user"},
		"with a user of several lines":    {mint(t, i, claims{"sub": "a\nb"}), "does not name a user"},
		"bound to its client's key":       {mint(t, i, claims{"cnf": map[string]any{"jkt": "x"}}), "bound to a key"},
		"with the algorithm none":         {bearertest.Forge(t, claims{"alg": "none"}, usual, nil), "not a JWT with a signature"},
		"of None in other letters":        {bearertest.Forge(t, claims{"alg": "nOnE", "kid": good.ID}, usual, nil), "not a JWT with a signature"},
		"MACed with the public key":       {bearertest.Forge(t, claims{"alg": "HS256", "kid": good.ID}, usual, good.PEM(t)), "not a JWT with a signature"},
		"of another key of that name":     {stranger.Sign(t, nil, usual), "signature is wrong"},
		"of another kind of key":          {curve.Sign(t, nil, usual), "does not publish"},
		"of a key without a name":         {stranger.Sign(t, claims{"kid": nil}, usual), "signature is wrong"},
		"with a key of its own inside":    {stranger.Sign(t, claims{"kid": nil, "jwk": stranger.JWK()}, usual), "signature is wrong"},
		"with a key's name of a novel":    {good.Sign(t, claims{"kid": strings.Repeat("k", 600)}, usual), "more than 512 bytes"},
		"with an extension it insists on": {good.Sign(t, claims{"crit": []string{"x"}, "x": 1}, usual), "signature is wrong"},
		"made for logging out":            {good.Sign(t, claims{"typ": "logout+jwt"}, usual), "another type"},
		"whose type is no text":           {good.Sign(t, claims{"typ": 1}, usual), ""},
		"cut short":                       {cut[:len(cut)-8], "signature is wrong"},
		"with other claims put in":        {swapClaims(cut, mint(t, i, claims{"sub": "root"})), "signature is wrong"},
		"of two dots":                     {"eyJ..", ""},
		"of nothing":                      {"", ""},
		"of a megabyte":                   {"eyJ" + strings.Repeat("a", 1<<20) + ".e30.e30", ""},
	} {
		t.Run(name, func(t *testing.T) { refused(t, s, c.token, abi.CodeBadCredential, c.words) })
	}
	t.Run("the host's own keys are fetched once for all of them, and once for a name that is not known", func(t *testing.T) {
		if n := i.Fetches(); n > 2 {
			t.Errorf("got %d fetches", n)
		}
	})
}

func swapClaims(a, b string) string {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	return x[0] + "." + y[1] + "." + x[2]
}

func TestWhatATokenMeansHere(t *testing.T) {
	i := bearertest.New(t)
	mapped := map[string][]host.Scope{"gantry.use": {"write:tools", "read:data"}, "gantry.look": {"read:tools"}, "gantry.rule": {"admin"}}
	for _, c := range []struct {
		name   string
		set    bearer.Issuer
		over   claims
		tenant host.TenantID
		user   string
		scopes string
	}{
		{"a fixed tenant", bearer.Issuer{Tenant: "acme"}, nil, "acme", "ann", "read:tools,write:tools"},
		{"a tenant from a claim", bearer.Issuer{TenantClaim: "org"}, claims{"org": "beta"}, "beta", "ann", "read:tools,write:tools"},
		{"a user from a claim", bearer.Issuer{UserClaim: "email"}, claims{"email": "a@b.example"}, "default", "a@b.example", "read:tools,write:tools"},
		{"scopes in a list", bearer.Issuer{}, claims{"scope": nil, "scp": []string{"chat", "read:data"}}, "default", "ann", "read:data,chat"},
		{"scopes in a claim of the operator's choice", bearer.Issuer{ScopeClaim: "roles"}, claims{"roles": []any{"chat", 7}, "scp": "admin"}, "default", "ann", "chat"},
		{"scopes of the issuer's own names", bearer.Issuer{Scopes: mapped}, claims{"scope": "openid gantry.use gantry.rule write:tools"}, "default", "ann", "write:tools,read:data,admin"},
		{"admin only by the operator's word", bearer.Issuer{}, claims{"scope": "admin chat"}, "default", "ann", "chat"},
		{"an audience of its own", bearer.Issuer{Audience: "api://gantry"}, claims{"aud": "api://gantry"}, "default", "ann", "read:tools,write:tools"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.set.URL = i.URL
			p, err := open(t, bearer.Config{Issuers: []bearer.Issuer{c.set}}).Verify(t.Context(), mint(t, i, c.over))
			if err != nil {
				t.Fatal(err)
			}
			var scopes []string
			for _, s := range p.Scopes {
				scopes = append(scopes, string(s))
			}
			if got := strings.Join(scopes, ","); p.Tenant != c.tenant || p.User != c.user || got != c.scopes {
				t.Errorf("got %s %s %s", p.Tenant, p.User, got)
			}
		})
	}
	s := open(t, bearer.Config{Issuers: []bearer.Issuer{{URL: i.URL, TenantClaim: "org", Audience: "api://gantry"}}})
	t.Run("a tenant that is none is refused", func(t *testing.T) {
		for _, org := range []any{nil, "", "Not A Tenant", "../x", 7} {
			refused(t, s, mint(t, i, claims{"org": org, "aud": "api://gantry"}), abi.CodeBadCredential, "does not name a tenant")
		}
	})
	t.Run("an audience of the operator's choice is taken by the letter", func(t *testing.T) {
		for _, aud := range []string{resource, "api://gantry/"} {
			refused(t, s, mint(t, i, claims{"org": "acme", "aud": aud}), abi.CodeBadCredential, "another audience")
		}
	})
}

func TestSettings(t *testing.T) {
	https := bearer.Issuer{URL: "https://id.example"}
	with := func(f func(*bearer.Issuer)) []bearer.Issuer { i := https; f(&i); return []bearer.Issuer{i} }
	for name, c := range map[string]struct {
		issuers []bearer.Issuer
		words   string
	}{
		"none":                        {nil, "Issuers is empty"},
		"without an address":          {with(func(i *bearer.Issuer) { i.URL = "id.example" }), "issuers[0].issuer"},
		"without https":               {with(func(i *bearer.Issuer) { i.URL = "http://id.example" }), "is not https"},
		"with a password":             {with(func(i *bearer.Issuer) { i.URL = "https://a:b@id.example" }), "issuers[0].issuer"},
		"a tenant in capitals":        {with(func(i *bearer.Issuer) { i.Tenant = "ACME" }), "issuers[0].tenant"},
		"a tenant twice":              {with(func(i *bearer.Issuer) { i.Tenant, i.TenantClaim = "a", "b" }), "keep one of them"},
		"a scope that is none":        {with(func(i *bearer.Issuer) { i.Scopes = map[string][]host.Scope{"x": {"write"}} }), "issuers[0].scopes.x"},
		"a scope that nobody can ask": {with(func(i *bearer.Issuer) { i.Scopes = map[string][]host.Scope{"x y": {"chat"}} }), "not a scope of OAuth"},
		"twice the same":              {[]bearer.Issuer{https, https}, "issuers[1].issuer"},
		"two with users of their own": {[]bearer.Issuer{https, {URL: "https://two.example"}}, "issuers[1].user_claim"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			s, err := bearer.New(bearer.Config{Issuers: c.issuers, Resource: resource})
			if s != nil || host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v %v", s, err)
			}
		})
	}
	t.Run("two issuers for two tenants are taken", func(t *testing.T) {
		a, b := bearertest.New(t), bearertest.New(t)
		open(t, bearer.Config{Issuers: []bearer.Issuer{{URL: a.URL, Tenant: "a"}, {URL: b.URL, Tenant: "b"}}})
	})
}

func TestScopesInTheIssuersWords(t *testing.T) {
	a, b := bearertest.New(t), bearertest.New(t)
	s := open(t, bearer.Config{Issuers: []bearer.Issuer{
		{URL: a.URL, Tenant: "a"},
		{URL: b.URL, Tenant: "b", Scopes: map[string][]host.Scope{"use": {"write:tools"}, "all": host.AllScopes()}},
	}})
	for _, c := range []struct {
		name, issuer string
		want         []host.Scope
		got          []string
	}{
		{"are the host's without a map", a.URL, []host.Scope{"read:tools", "read:data"}, []string{"read:tools", "read:data"}},
		{"are those that grant the least", b.URL, []host.Scope{"read:tools", "write:tools"}, []string{"use"}},
		{"are wider where they have to be", b.URL, []host.Scope{"write:tools", "chat"}, []string{"use", "all"}},
		{"are none for what cannot be had", a.URL, []host.Scope{"admin"}, nil},
		{"are none for all where the issuers differ", "", []host.Scope{"read:tools"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.Names(c.issuer, c.want); !slices.Equal(got, c.got) {
				t.Errorf("got %v", got)
			}
		})
	}
	if got := strings.Join(s.Supported(), " "); got != "read:tools write:tools read:data chat use all" {
		t.Errorf("supported: got %s", got)
	}
}

func TestKeysChange(t *testing.T) {
	const often = time.Nanosecond
	t.Run("a new key is fetched when a token names it", func(t *testing.T) {
		i := bearertest.New(t)
		cfg := one(i)
		cfg.Floor = often
		s := open(t, cfg)
		old := mint(t, i, nil)
		if _, err := s.Verify(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		i.Rotate(t, "ES256")
		if _, err := s.Verify(t.Context(), mint(t, i, nil)); err != nil {
			t.Fatal(err)
		}
		// The key is gone, so the token is no longer good, although it was remembered.
		refused(t, s, old, abi.CodeBadCredential, "does not publish")
	})
	t.Run("no more than once within the floor", func(t *testing.T) {
		i := bearertest.New(t)
		cfg := one(i)
		cfg.Floor = time.Hour
		s := open(t, cfg)
		if _, err := s.Verify(t.Context(), mint(t, i, nil)); err != nil {
			t.Fatal(err)
		}
		stranger := bearertest.NewKey(t, "stranger", "RS256")
		for range 20 {
			refused(t, s, stranger.Sign(t, nil, i.Claims(claims{"aud": resource})), abi.CodeBadCredential, "does not publish")
		}
		if n := i.Fetches(); n != 1 {
			t.Errorf("got %d fetches, want 1", n)
		}
	})
	t.Run("many tokens that name a new key wait for one fetch", func(t *testing.T) {
		i := bearertest.New(t)
		cfg := one(i)
		cfg.Floor = often
		s := open(t, cfg)
		if _, err := s.Verify(t.Context(), mint(t, i, nil)); err != nil {
			t.Fatal(err)
		}
		i.Rotate(t, "ES256")
		var all sync.WaitGroup
		for n := range 50 {
			token := mint(t, i, claims{"jti": n})
			all.Go(func() {
				if _, err := s.Verify(t.Context(), token); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := i.Fetches(); n > 10 {
			t.Errorf("got %d fetches", n)
		}
	})
	t.Run("keys that cannot check a signature are left out, those beside them are not", func(t *testing.T) {
		i := bearertest.New(t)
		good := bearertest.NewKey(t, "same", "ES256")
		i.Publish(good)
		foreign, enc := bearertest.NewKey(t, "same", "RS256").JWK(), bearertest.NewKey(t, "same", "ES256").JWK()
		foreign["kty"], enc["use"] = "NEW", "enc"
		i.Serve(nil, func(w http.ResponseWriter, _ *http.Request) {
			writeKeys(w, foreign, enc, map[string]any{"kty": "oct", "k": "c2VjcmV0", "kid": "same"}, good.JWK())
		})
		s := open(t, one(i))
		if _, err := s.Verify(t.Context(), mint(t, i, nil)); err != nil {
			t.Fatal(err)
		}
		refused(t, s, bearertest.Forge(t, claims{"alg": "HS256", "kid": "same"}, i.Claims(claims{"aud": resource}), []byte("secret")),
			abi.CodeBadCredential, "not a JWT with a signature")
		if st := s.Statuses(); len(st) != 1 || !st[0].Good() || st[0].Keys != 1 {
			t.Errorf("got %+v", st)
		}
	})
}
