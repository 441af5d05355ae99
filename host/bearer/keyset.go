// Copyright 2026 The Gantry Authors.

package bearer

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	// maxKeys bounds the keys of one issuer that are read.
	maxKeys = 100
	// minRSABits is the least that RFC 7518, 3.3 lets sign.
	minRSABits = 2048
	// maxStale is how long keys are good that could not be fetched again.
	maxStale = 24 * time.Hour
	// maxWait is how long a request waits for keys to come.
	maxWait = 3 * time.Second
)

// issuer is an Issuer with its keys and how the fetching of them goes.
type issuer struct {
	Issuer
	audience string
	keys     atomic.Pointer[keySet]
	asked    chan struct{} // a token wants keys that are not here

	mu      sync.Mutex
	due     bool          // a fetch is under way or about to begin
	round   chan struct{} // closed when the next fetch has ended
	began   time.Time     // when the last fetch began
	fetched time.Time     // when the last good fetch ended
	failed  int           // fetches since then that were not good
	err     error         // of the last fetch
}

func newIssuer(c Issuer, resource string) *issuer {
	i := &issuer{Issuer: c, audience: c.Audience, asked: make(chan struct{}, 1), due: true, round: make(chan struct{})}
	if i.audience == "" {
		i.audience = resource
	}
	return i
}

// isAudience tells whether a token that is made out to aud is made out to this host. Clients know
// the endpoint with and without the slash at its end.
func (i *issuer) isAudience(aud string) bool {
	return aud == i.audience || i.Audience == "" && trimSlash(aud) == trimSlash(i.audience)
}

// keySet are the keys of one fetch. It does not change, and stays the same as long as what the
// issuer publishes does.
type keySet struct {
	raw  []byte
	keys []jose.JSONWebKey
}

// readKeys takes from a JWKS the keys that can check a signature; those of other kinds and those
// that are too weak are left out. A set without any is an error.
func readKeys(raw []byte) (*keySet, error) {
	var doc struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, fmt.Errorf("the key set is not JSON: %w", err)
	}
	if len(doc.Keys) > maxKeys {
		return nil, fmt.Errorf("the key set has %d keys; at most %d are read", len(doc.Keys), maxKeys)
	}
	set := &keySet{raw: raw}
	for _, one := range doc.Keys {
		var key jose.JSONWebKey
		if json.Unmarshal(one, &key) == nil && len(algorithmsOf(&key)) > 0 {
			set.keys = append(set.keys, key)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("none of the %d keys of the set can check a signature", len(doc.Keys))
	}
	return set, nil
}

// algorithmsOf are the signatures that a key may check: those of its kind, or the one that it names
// itself.
func algorithmsOf(key *jose.JSONWebKey) []jose.SignatureAlgorithm {
	if key.Use != "" && key.Use != "sig" || !key.IsPublic() || !key.Valid() {
		return nil
	}
	var of []jose.SignatureAlgorithm
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() >= minRSABits {
			of = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512}
		}
	case *ecdsa.PublicKey:
		switch k.Curve.Params().BitSize {
		case 256:
			of = []jose.SignatureAlgorithm{jose.ES256}
		case 384:
			of = []jose.SignatureAlgorithm{jose.ES384}
		case 521:
			of = []jose.SignatureAlgorithm{jose.ES512}
		}
	case ed25519.PublicKey:
		of = []jose.SignatureAlgorithm{jose.EdDSA}
	}
	if own := jose.SignatureAlgorithm(key.Algorithm); own != "" {
		return slices.DeleteFunc(of, func(a jose.SignatureAlgorithm) bool { return a != own })
	}
	return of
}

// candidates are the keys that may have made a signature: of the name that the token gives, where it
// gives one, and of its algorithm's kind always.
func (set *keySet) candidates(head *jose.Header) []*jose.JSONWebKey {
	if set == nil {
		return nil
	}
	var out []*jose.JSONWebKey
	for n := range set.keys {
		key := &set.keys[n]
		if head.KeyID != "" && key.KeyID != head.KeyID {
			continue
		}
		if slices.Contains(algorithmsOf(key), jose.SignatureAlgorithm(head.Algorithm)) {
			out = append(out, key)
		}
	}
	return out
}

// goodKeys are the issuer's keys, nil where there are none or they are too old to rely on.
func (s *Service) goodKeys(i *issuer) *keySet {
	set := i.keys.Load()
	if set == nil {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if s.clock.Now().Sub(i.fetched) > maxStale {
		return nil
	}
	return set
}

// keep fetches an issuer's keys: at once, from time to time, and when a token asks for it.
func (s *Service) keep(ctx context.Context, i *issuer) {
	for {
		next := s.fetchRound(ctx, i)
		t := time.NewTimer(next)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-i.asked:
			t.Stop()
		}
	}
}

// fetchRound fetches once and says when to do so next.
func (s *Service) fetchRound(ctx context.Context, i *issuer) time.Duration {
	i.mu.Lock()
	i.due, i.began = true, s.clock.Now()
	select {
	case <-i.asked: // this is the answer
	default:
	}
	i.mu.Unlock()

	set, err := s.fetchKeys(ctx, i.URL)

	i.mu.Lock()
	defer i.mu.Unlock()
	i.due = false
	close(i.round)
	i.round = make(chan struct{})
	if ctx.Err() != nil {
		return 0
	}
	s.tell(i, err)
	if i.err = err; err != nil {
		i.failed++
		return min(s.cfg.Floor<<min(i.failed-1, 10), max(s.cfg.Refresh, s.cfg.Floor))
	}
	i.failed, i.fetched = 0, s.clock.Now()
	if old := i.keys.Load(); old == nil || !bytes.Equal(old.raw, set.raw) {
		i.keys.Store(set)
	}
	return s.cfg.Refresh
}

// tell logs when fetching begins to fail and when it is well again. i.mu is held.
func (s *Service) tell(i *issuer, err error) {
	switch {
	case err != nil && i.failed == 0:
		s.log.Warn("the keys of a token issuer could not be fetched", "issuer", i.URL, "err", err)
	case err == nil && i.failed > 0:
		s.log.Info("the keys of a token issuer could be fetched again", "issuer", i.URL, "failed", i.failed)
	}
}

// roundState is what came of wanting new keys.
type roundState int

const (
	roundDone   roundState = iota // they were fetched, now or too short a time ago to do it again
	roundFailed                   // they could not be, or not in time
)

// renew lets the keys be fetched, unless that was just done, and waits for it, not for ever. seen are
// the keys that did not do; where there are others by now, those are new enough.
func (s *Service) renew(ctx context.Context, i *issuer, seen *keySet) roundState {
	i.mu.Lock()
	if now := i.keys.Load(); seen != nil && now != seen {
		i.mu.Unlock()
		return roundDone
	}
	if !i.due && s.clock.Now().Sub(i.began) < s.cfg.Floor {
		err := i.err
		i.mu.Unlock()
		if err != nil {
			return roundFailed
		}
		return roundDone
	}
	if !i.due {
		i.due = true
		select {
		case i.asked <- struct{}{}:
		default:
		}
	}
	round := i.round
	i.mu.Unlock()

	t := time.NewTimer(maxWait)
	defer t.Stop()
	select {
	case <-round:
	case <-t.C:
		return roundFailed
	case <-ctx.Done():
		return roundFailed
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.err != nil {
		return roundFailed
	}
	return roundDone
}

// Status is how it stands with one issuer.
type Status struct {
	Issuer string
	// Keys is how many there are, Fetched when they last came.
	Keys    int
	Fetched time.Time
	// Err is why the last fetch failed; nil where it did not.
	Err error
}

// Good tells whether tokens of the issuer can be checked, with keys that are not out of date.
func (s Status) Good() bool { return s.Keys > 0 && s.Err == nil }

// Statuses is how it stands with each issuer, in the order of the settings.
func (s *Service) Statuses() []Status {
	out := make([]Status, len(s.order))
	for n, i := range s.order {
		i.mu.Lock()
		out[n] = Status{Issuer: i.URL, Fetched: i.fetched, Err: i.err}
		i.mu.Unlock()
		if set := i.keys.Load(); set != nil {
			out[n].Keys = len(set.keys)
		}
	}
	return out
}
