// Copyright 2026 The Gantry Authors.

package bearer_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/bearer"
	"github.com/gantryhost/gantry/host/bearer/bearertest"
)

func writeKeys(w http.ResponseWriter, keys ...map[string]any) {
	_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
}

// clock is one that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func TestIssuerThatDoesNotDo(t *testing.T) {
	flood := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"keys":[],"pad":"%s"}`, strings.Repeat("x", 1<<20))
	}
	text := func(s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s) }
	}
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		document, keys http.HandlerFunc
		words          string
	}{
		"has a broken document":           {text("<html>"), nil, "not a JSON object"},
		"has another's document":          {text(`{"issuer":"https://evil.example","jwks_uri":"https://evil.example/jwks"}`), nil, `of the issuer "https://evil.example"`},
		"has a document of a megabyte":    {flood, nil, "longer than 512 KiB"},
		"is gone":                         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }, nil, "answers 503"},
		"redirects":                       {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) }, nil, "redirect"},
		"does not answer for its keys":    {nil, hang, "timeout"},
		"has broken keys":                 {nil, text(`{"keys":`), "not JSON"},
		"has no keys":                     {nil, text(`{"keys":[]}`), "none of the 0 keys"},
		"has keys of a megabyte":          {nil, flood, "longer than 512 KiB"},
		"has a thousand keys":             {nil, text(`{"keys":[` + strings.Repeat(`{},`, 999) + `{}]}`), "at most 100"},
		"has keys that are null":          {nil, text(`{"keys":[null,7,"x",{"kty":"RSA"}]}`), "none of the 4 keys"},
		"has a private key for the world": {nil, text(`{"keys":[{"kty":"oct","k":"AAAA"}]}`), "none of the 1 keys"},
	} {
		t.Run("an issuer that "+name+" is told of, and its tokens are told to come again", func(t *testing.T) {
			i := bearertest.New(t)
			i.Serve(c.document, c.keys)
			cfg := one(i)
			if c.words == "timeout" {
				cfg.FetchTimeout = 100 * time.Millisecond
			}
			s := open(t, cfg)
			refused(t, s, mint(t, i, nil), abi.CodeUnavailable, "cannot be had")
			st := s.Statuses()[0]
			if st.Good() || st.Err == nil || !strings.Contains(strings.ToLower(st.Err.Error()), strings.ToLower(c.words)) {
				t.Errorf("got %+v, want %q", st, c.words)
			}
		})
	}
}

func TestJWKSAddressThatIsNotTheIssuers(t *testing.T) {
	for name, uri := range map[string]string{"not https": "http://id.example/jwks", "a file": "file:///etc/passwd", "nothing": ""} {
		t.Run(name+" is not asked", func(t *testing.T) {
			i := bearertest.New(t)
			i.Serve(func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": uri})
			}, nil)
			s := open(t, one(i))
			refused(t, s, mint(t, i, nil), abi.CodeUnavailable, "cannot be had")
			if st := s.Statuses()[0]; st.Err == nil || !strings.Contains(st.Err.Error(), "jwks_uri") {
				t.Errorf("got %+v", st)
			}
		})
	}
}

func TestIssuerGoesAndComes(t *testing.T) {
	i := bearertest.New(t)
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }
	i.Serve(down, nil)
	cfg, clk := one(i), &clock{}
	cfg.Floor, cfg.Clock = time.Nanosecond, clk
	s := open(t, cfg)
	token := mint(t, i, claims{"exp": time.Now().Add(1000 * time.Hour).Unix()})
	refused(t, s, token, abi.CodeUnavailable, "cannot be had")

	i.Serve(nil, nil) // it is up: the next token finds its keys
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	i.Serve(down, nil) // down again: what is known stays good for a day
	stranger := bearertest.NewKey(t, "stranger", "RS256")
	refused(t, s, stranger.Sign(t, nil, i.Claims(claims{"aud": resource})), abi.CodeUnavailable, "cannot be had")
	clk.ahead.Store(int64(time.Hour))
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	clk.ahead.Store(int64(48 * time.Hour))
	refused(t, s, token, abi.CodeUnavailable, "cannot be had")
	if st := s.Statuses()[0]; st.Good() {
		t.Errorf("got %+v", st)
	}
}

func TestRemembered(t *testing.T) {
	i := bearertest.New(t)
	cfg, clk := one(i), &clock{}
	cfg.Clock, cfg.CacheSize = clk, 3
	s := open(t, cfg)
	token := mint(t, i, nil)
	first, err := s.Verify(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("a token is looked at once", func(t *testing.T) {
		if again, err := s.Verify(t.Context(), token); err != nil || again != first {
			t.Errorf("got %v %v, want the same principal", again, err)
		}
	})
	t.Run("and not after it has ended", func(t *testing.T) {
		clk.ahead.Store(int64(2 * time.Hour))
		defer clk.ahead.Store(0)
		refused(t, s, token, abi.CodeBadCredential, "expired")
	})
	t.Run("more tokens than are remembered are looked at again", func(t *testing.T) {
		for n := range 20 {
			if _, err := s.Verify(t.Context(), mint(t, i, claims{"jti": n})); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkRemembered(b *testing.B) {
	i := bearertest.New(b)
	s, err := bearer.New(bearer.Config{Issuers: []bearer.Issuer{{URL: i.URL}}, Resource: resource})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	token := i.Token(b, claims{"aud": resource, "scope": "read:tools"})
	for b.Loop() {
		if _, err := s.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
