// Copyright 2026 The Gantry Authors.

// Package bearertest is an issuer of access tokens for tests: a real HTTP server with a discovery
// document and keys made on the spot, which signs what it is told to.
//
// It asks nobody to sign in and gives no tokens over HTTP: a test takes them from Token. Signatures
// are made with the standard library alone, so that the package under test is not its own judge.
package bearertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Issuer is a running issuer.
type Issuer struct {
	URL string

	mux      *http.ServeMux
	mu       sync.Mutex
	keys     []*Key
	fetches  int
	document http.HandlerFunc
	jwks     http.HandlerFunc
}

// Key is one key of an issuer.
type Key struct {
	ID, Algorithm string
	private       crypto.Signer
}

// Claims are what a token says.
type Claims map[string]any

// New starts an issuer with one key, RS256, which the end of the test stops.
func New(t testing.TB) *Issuer {
	t.Helper()
	i := &Issuer{mux: http.NewServeMux()}
	i.Handle("GET /.well-known/openid-configuration", i.serveDocument)
	i.Handle("GET /jwks", i.serveKeys)
	srv := httptest.NewServer(i.mux)
	t.Cleanup(srv.Close)
	i.URL = srv.URL
	i.Rotate(t, "RS256")
	return i
}

// Rotate replaces the issuer's keys with a new one for the algorithm: RS256, PS256, ES256 or
// EdDSA.
func (i *Issuer) Rotate(t testing.TB, algorithm string) *Key {
	t.Helper()
	k := NewKey(t, fmt.Sprintf("key-%d", time.Now().UnixNano()), algorithm)
	i.Publish(k)
	return k
}

// Publish makes these the issuer's keys; the first signs.
func (i *Issuer) Publish(keys ...*Key) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = keys
}

// Serve replaces how the issuer answers for its discovery document and its keys; nil leaves it as it
// is without.
func (i *Issuer) Serve(document, keys http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.document, i.jwks = document, keys
}

// Handle adds an endpoint to the issuer; the pattern is that of http.ServeMux.
func (i *Issuer) Handle(pattern string, h http.HandlerFunc) { i.mux.HandleFunc(pattern, h) }

// Fetches is how often the keys were asked for.
func (i *Issuer) Fetches() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

func (i *Issuer) serveDocument(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	own := i.document
	i.mu.Unlock()
	if own != nil {
		own(w, r)
		return
	}
	writeJSON(w, map[string]any{
		"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "authorization_endpoint": i.URL + "/authorize",
		"token_endpoint": i.URL + "/token", "code_challenge_methods_supported": []string{"S256"},
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "token_endpoint_auth_methods_supported": []string{"none"},
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	i.fetches++
	own, keys := i.jwks, make([]map[string]any, len(i.keys))
	for n, k := range i.keys {
		keys[n] = k.JWK()
	}
	i.mu.Unlock()
	if own != nil {
		own(w, r)
		return
	}
	writeJSON(w, map[string]any{"keys": keys})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // a client that is gone needs no answer
}

// Token is a token of the issuer with these claims over usual ones: an hour from now, for "ann".
func (i *Issuer) Token(t testing.TB, over Claims) string {
	t.Helper()
	i.mu.Lock()
	k := i.keys[0]
	i.mu.Unlock()
	return k.Sign(t, nil, i.Claims(over))
}

// Claims are the usual ones with over laid over them; a nil value takes a claim out.
func (i *Issuer) Claims(over Claims) Claims {
	c := Claims{"iss": i.URL, "sub": "ann", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	maps.Copy(c, over)
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// NewKey makes a key.
func NewKey(t testing.TB, id, algorithm string) *Key {
	t.Helper()
	k := &Key{ID: id, Algorithm: algorithm}
	var err error
	switch algorithm {
	case "RS256", "PS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no such algorithm %q", algorithm)
	}
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// JWK is the public key as an issuer publishes it.
func (k *Key) JWK() map[string]any {
	out := map[string]any{"kid": k.ID, "alg": k.Algorithm, "use": "sig"}
	switch pub := k.private.Public().(type) {
	case *rsa.PublicKey:
		out["kty"], out["n"], out["e"] = "RSA", b64(pub.N.Bytes()), b64(big.NewInt(int64(pub.E)).Bytes())
	case *ecdsa.PublicKey:
		point, _ := pub.Bytes() // P-256's is 0x04, x, y
		out["kty"], out["crv"], out["x"], out["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		out["kty"], out["crv"], out["x"] = "OKP", "Ed25519", b64(pub)
	}
	return out
}

// PEM is the public key as text, for those who would take it for a shared secret.
func (k *Key) PEM(t testing.TB) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// Sign makes a token; head is laid over the usual header.
func (k *Key) Sign(t testing.TB, head, claims Claims) string {
	t.Helper()
	h := Claims{"alg": k.Algorithm, "kid": k.ID, "typ": "at+jwt"}
	maps.Copy(h, head)
	maps.DeleteFunc(h, func(_ string, v any) bool { return v == nil })
	signed := part(t, h) + "." + part(t, claims)
	return signed + "." + b64(k.signature(t, []byte(signed)))
}

func (k *Key) signature(t testing.TB, data []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(data)
	var sig []byte
	var err error
	switch k.Algorithm {
	case "RS256":
		sig, err = k.private.Sign(rand.Reader, sum[:], crypto.SHA256)
	case "PS256":
		sig, err = k.private.Sign(rand.Reader, sum[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case "ES256":
		r, s, e := ecdsa.Sign(rand.Reader, k.private.(*ecdsa.PrivateKey), sum[:])
		if err = e; err == nil {
			sig = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		}
	case "EdDSA":
		sig, err = k.private.Sign(rand.Reader, data, crypto.Hash(0))
	}
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// Forge makes a token whose signature is a MAC with the secret, or empty where that is nil.
func Forge(t testing.TB, head, claims Claims, secret []byte) string {
	t.Helper()
	signed := part(t, head) + "." + part(t, claims)
	if secret == nil {
		return signed + "."
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

func part(t testing.TB, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b64(data)
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
