// Copyright 2026 The Gantry Authors.

package bearer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// maxKid bounds the name of a key; a longer one is no key's.
const maxKid = 512

// standard are the claims that every token has to be held against; the rest is the issuer's own.
type standard struct {
	Expiry    *jwt.NumericDate `json:"exp"`
	NotBefore *jwt.NumericDate `json:"nbf"`
	Audience  jwt.Audience     `json:"aud"`
}

// algorithms are the signatures that are taken: none with a shared secret, and not "none".
func algorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
		jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	}
}

// refusef is a token that is not good.
func refusef(format string, args ...any) *host.Error {
	return host.Errorf("bearer.Verify", abi.CodeBadCredential, format, args...).
		WithHint("sign in again to get a new access token")
}

// because adds to a refusal what only the log should say.
func because(e *host.Error, cause error) *host.Error {
	e.Err = cause
	return e
}

// verifyCold checks a token that is not in the cache: first whose it claims to be, then the
// signature, and only then everything else it says.
func (s *Service) verifyCold(ctx context.Context, token string, digest [sha256.Size]byte, now time.Time) (*host.Principal, error) {
	t, err := jwt.ParseSigned(token, algorithms())
	if err != nil {
		return nil, because(refusef("the access token is not a JWT with a signature that is taken here (RS, PS, ES or EdDSA)"), err)
	}
	head := t.Headers[0] // a compact JWS has one
	if err := checkType(&head); err != nil {
		return nil, err
	}
	var claimed struct {
		Issuer string `json:"iss"`
	}
	if err := t.UnsafeClaimsWithoutVerification(&claimed); err != nil {
		return nil, because(refusef("the access token's claims are not the JSON of claims"), err)
	}
	i := s.issuers[claimed.Issuer]
	if i == nil {
		return nil, because(refusef("the access token is of an issuer that is not trusted here"), fmt.Errorf("issuer %q", clip(claimed.Issuer)))
	}
	set, err := s.checkSignature(ctx, i, t, &head)
	if err != nil {
		return nil, err
	}
	var std standard
	all := map[string]any{}
	if err := t.UnsafeClaimsWithoutVerification(&std, &all); err != nil { // verified just now
		return nil, because(refusef("the access token's aud, exp or nbf is not of the form of one"), err)
	}
	if err := s.checkClaims(i, &std, all, now); err != nil {
		return nil, err
	}
	p, err := i.principal(all)
	if err != nil {
		return nil, err
	}
	ends := std.Expiry.Time().Add(s.cfg.Leeway)
	p.ExpiresAt = ends
	if latest := now.Add(maxCached); ends.After(latest) {
		ends = latest
	}
	s.cache.put(digest, entry{principal: p, issuer: i, keys: set, ends: ends})
	return p, nil
}

// checkType refuses JWTs that were made for another purpose (RFC 8725, 3.11).
func checkType(head *jose.Header) error {
	typ, present := head.ExtraHeaders[jose.HeaderType]
	name, _ := typ.(string)
	switch strings.TrimPrefix(strings.ToLower(name), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	if !present {
		return nil
	}
	return refusef("the JWT is of another type than an access token")
}

// checkSignature finds the key that made the token's signature, and returns the set it is in. A token
// that names a key which is not known lets the keys be fetched anew, but not more often than the
// floor allows.
func (s *Service) checkSignature(ctx context.Context, i *issuer, t *jwt.JSONWebToken, head *jose.Header) (*keySet, error) {
	if len(head.KeyID) > maxKid {
		return nil, refusef("the access token names a key of more than %d bytes", maxKid)
	}
	set := s.goodKeys(i)
	candidates := set.candidates(head)
	if len(candidates) == 0 {
		state := s.renew(ctx, i, set)
		set = s.goodKeys(i)
		candidates = set.candidates(head)
		if len(candidates) == 0 && (set == nil || state == roundFailed) {
			return nil, host.Errorf("bearer.Verify", abi.CodeUnavailable,
				"the keys of the token's issuer cannot be had at the moment").WithHint("try again in a moment")
		}
	}
	if len(candidates) == 0 {
		return nil, because(refusef("the access token is signed with a key that its issuer does not publish"),
			fmt.Errorf("issuer %s, key %q, %s", i.URL, clip(head.KeyID), head.Algorithm))
	}
	for _, key := range candidates {
		if err := t.Claims(key.Key); err == nil {
			return set, nil
		}
	}
	return nil, because(refusef("the access token's signature is wrong"), fmt.Errorf("issuer %s, key %q", i.URL, clip(head.KeyID)))
}

// checkClaims holds what the token says of itself against this host and the time.
func (s *Service) checkClaims(i *issuer, std *standard, all map[string]any, now time.Time) error {
	switch {
	case std.Expiry == nil:
		return refusef("the access token does not say when it ends (exp)")
	case !now.Before(std.Expiry.Time().Add(s.cfg.Leeway)):
		return because(refusef("the access token has expired"), errors.New(std.Expiry.Time().UTC().Format(time.RFC3339)))
	case std.NotBefore != nil && now.Add(s.cfg.Leeway).Before(std.NotBefore.Time()):
		return refusef("the access token is not good yet (nbf)")
	case !slices.ContainsFunc(std.Audience, i.isAudience):
		return because(refusef("the access token is made out to another audience than %s", i.audience), fmt.Errorf("aud %q", clip(strings.Join(std.Audience, " "))))
	case all["cnf"] != nil:
		return refusef("the access token is bound to a key of its client, which this host cannot check").
			WithHint("let the issuer give plain bearer tokens for this host")
	}
	return nil
}

// Reason is why Verify refused a token, for the log; "" for an error that is not a refusal with more
// to say than its message.
func Reason(err error) string {
	var he *host.Error
	if errors.As(err, &he) && he.Op == "bearer.Verify" && he.Err != nil {
		return he.Err.Error()
	}
	return ""
}

func clip(s string) string {
	if len(s) > 80 {
		s = s[:80] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
