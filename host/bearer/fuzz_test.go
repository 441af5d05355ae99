// Copyright 2026 The Gantry Authors.

package bearer

import (
	"context"
	"encoding/base64"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// FuzzVerify: whatever comes as a token is refused with one of two codes, and nothing panics.
func FuzzVerify(f *testing.F) {
	for _, head := range []string{`{"alg":"RS256","kid":"a"}`, `{"alg":"none"}`, `{"alg":"ES256","crit":["b64"],"b64":false}`, `{`, `[]`} {
		for _, claims := range []string{`{"iss":"https://id.example","aud":"x","exp":1e300}`, `{"iss":7}`, `null`, ``} {
			f.Add([]byte(head), []byte(claims), []byte("sig"))
		}
	}
	s := newService(Config{Issuers: []Issuer{{URL: "https://id.example"}}, Resource: "https://gantry.example/mcp", Floor: 1 << 60})
	i := s.order[0]
	i.due, i.began, i.fetched = false, s.clock.Now(), s.clock.Now()
	set, err := readKeys([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	if err != nil {
		f.Fatal(err)
	}
	i.keys.Store(set)
	f.Fuzz(func(t *testing.T, head, claims, sig []byte) {
		e := base64.RawURLEncoding
		token := e.EncodeToString(head) + "." + e.EncodeToString(claims) + "." + e.EncodeToString(sig)
		p, err := s.Verify(context.Background(), token)
		if code := host.CodeOf(err); p != nil || code != abi.CodeBadCredential && code != abi.CodeUnavailable {
			t.Fatalf("%s: got %v %v", token, p, err)
		}
	})
}

// FuzzReadKeys: a key set of anybody's making is read or refused, and a key that was taken has a
// public part alone.
func FuzzReadKeys(f *testing.F) {
	for _, s := range []string{`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}`, `{"keys":{}}`, `{"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`,
		`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a","x5c":["AAAA"]}]}`, `x`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		set, err := readKeys(raw)
		if (set == nil) == (err == nil) {
			t.Fatalf("got %v %v", set, err)
		}
		for n := range len(keysOf(set)) {
			if !set.keys[n].IsPublic() {
				t.Fatal("a private key was taken")
			}
		}
	})
}

func keysOf(set *keySet) []struct{} {
	if set == nil {
		return nil
	}
	return make([]struct{}, len(set.keys))
}
