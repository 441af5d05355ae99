// Copyright 2026 The Gantry Authors.

package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until it is moved.
type clock struct{ sec atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.sec.Store(time.Now().Unix())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(c.sec.Load(), 0) }
func (c *clock) forward(d time.Duration) { c.sec.Add(int64(d / time.Second)) }

// counting is a store that counts its Gets.
type counting struct {
	store.Store
	gets atomic.Int64
}

func (c *counting) Get(ctx context.Context, k store.Key) (store.Record, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, k)
}

type fixture struct {
	*keys.Service
	store *counting
	clock *clock
}

func memory(t testing.TB) store.Store {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func pepper() []byte { return bytes.Repeat([]byte{7}, keys.PepperBytes) }

func service(t testing.TB, c keys.Config) *keys.Service {
	t.Helper()
	if c.Pepper == nil {
		c.Pepper = pepper()
	}
	s, err := keys.New(c)
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

func newFixture(t testing.TB) fixture {
	f := fixture{store: &counting{Store: memory(t)}, clock: newClock()}
	f.Service = service(t, keys.Config{Store: f.store, Clock: f.clock})
	return f
}

func (f fixture) issue(t testing.TB, r keys.IssueRequest) (string, keys.Key) {
	t.Helper()
	token, k, err := f.Issue(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return token, k
}

func TestATokenNamesItsPrincipal(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		req    keys.IssueRequest
		prefix string
		scopes string
	}{
		{keys.IssueRequest{}, "sk-org-", "[read:tools write:tools read:data]"},
		{keys.IssueRequest{Tenant: "acme", User: "ann", Scopes: []host.Scope{"chat", "read:tools", "chat"}}, "sk-org-", "[read:tools chat]"},
		{keys.IssueRequest{Kind: host.KindAdmin}, "sk-adm-", "[admin]"},
		{keys.IssueRequest{Kind: host.KindWorkspace, Workspace: "home"}, "", "[read:tools write:tools read:data]"},
	} {
		token, k := f.issue(t, c.req)
		if !strings.HasPrefix(token, c.prefix) || c.req.Kind == host.KindWorkspace && !strings.HasPrefix(token, k.ID+".") {
			t.Errorf("the token of %+v begins %q", c.req, token[:8])
		}
		for range 2 {
			p, err := f.Verify(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			want := host.Principal{Tenant: k.Tenant, User: c.req.User, Workspace: c.req.Workspace, Kind: k.Kind, CredentialID: k.ID}
			got := *p
			got.Scopes = nil
			if fmt.Sprint(got) != fmt.Sprint(want) || fmt.Sprint(p.Scopes) != c.scopes {
				t.Errorf("got %+v, want %+v with %s", p, want, c.scopes)
			}
		}
	}
}

func TestAWarmTokenCostsNoStoreAccess(t *testing.T) {
	f := newFixture(t)
	token, _ := f.issue(t, keys.IssueRequest{})
	if _, err := f.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	// The issue's own event may have come in between and kept the first answer out of the cache.
	warm := func() bool {
		before := f.store.gets.Load()
		if _, err := f.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		return f.store.gets.Load() == before
	}
	for deadline := time.Now().Add(20 * time.Second); !warm(); {
		if time.Now().After(deadline) {
			t.Fatal("the token never stays in the cache")
		}
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = f.Verify(t.Context(), token) }); n > 1 {
		t.Errorf("a warm Verify allocates %v times", n)
	}
}

func TestRefusals(t *testing.T) {
	f := newFixture(t)
	token, _ := f.issue(t, keys.IssueRequest{})
	other, _ := f.issue(t, keys.IssueRequest{})
	revoked, rk := f.issue(t, keys.IssueRequest{})
	if err := f.Revoke(t.Context(), rk.ID); err != nil {
		t.Fatal(err)
	}
	expired, _ := f.issue(t, keys.IssueRequest{TTL: time.Hour})
	f.clock.forward(time.Hour)
	mixed := token[:len("sk-org-")+16] + other[len("sk-org-")+16:]
	for name, c := range map[string]struct {
		token  string
		code   abi.Code
		reason string
	}{
		"none":                    {"", abi.CodeUnauthenticated, ""},
		"too short":               {"sk-org-x", abi.CodeUnauthenticated, ""},
		"too long":                {strings.Repeat("k", 513), abi.CodeUnauthenticated, ""},
		"a blank inside":          {"sk-org-aaaa bbbbbbbbbbbbbb", abi.CodeUnauthenticated, ""},
		"not ASCII":               {"sk-org-äöüäöüäöüäöüäöü", abi.CodeUnauthenticated, ""},
		"unknown":                 {"sk-org-" + strings.Repeat("a", 68), abi.CodeBadCredential, "no key"},
		"unknown word":            {"correct-horse-battery", abi.CodeBadCredential, "no key"},
		"a wrong secret":          {mixed, abi.CodeBadCredential, "wrong secret"},
		"another kind's prefix":   {"sk-adm-" + token[len("sk-org-"):], abi.CodeBadCredential, "wrong secret"},
		"a truncated token":       {token[:len(token)-1], abi.CodeBadCredential, "no key"},
		"a capital letter":        {strings.ToUpper(token[:8]) + token[8:], abi.CodeBadCredential, "no key"},
		"revoked":                 {revoked, abi.CodeBadCredential, "revoked at"},
		"expired":                 {expired, abi.CodeBadCredential, "expired at"},
		"a path as workspace key": {"../../../../keys.aaaaaaaaaaaaa", abi.CodeBadCredential, "no key"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := f.Verify(t.Context(), c.token)
			storetest.WantCode(t, err, c.code)
			if p != nil {
				t.Error("a principal came with the refusal")
			}
			if !strings.Contains(keys.Reason(err), c.reason) {
				t.Errorf("the reason is %q, want %q", keys.Reason(err), c.reason)
			}
			if out := host.Outward(err); c.code == abi.CodeBadCredential && out.Message != "the key is unknown, expired or revoked" {
				t.Errorf("outwards it says %q", out.Message)
			}
			if c.token != "" && strings.Contains(fmt.Sprint(err, errors.Unwrap(err)), c.token) {
				t.Error("the error holds the token")
			}
		})
	}
}

func TestAWarmTokenEndsAtItsExpiry(t *testing.T) {
	f := newFixture(t)
	token, _ := f.issue(t, keys.IssueRequest{Expires: f.clock.Now().Add(time.Minute)})
	for range 3 {
		if _, err := f.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	f.clock.forward(time.Minute)
	_, err := f.Verify(t.Context(), token)
	storetest.WantCode(t, err, abi.CodeBadCredential)
}

func TestARevokedTokenEndsAtOnce(t *testing.T) {
	f := newFixture(t)
	// Verifying all the while must not bring an old answer back into the cache.
	for range 20 {
		token, k := f.issue(t, keys.IssueRequest{})
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						_, _ = f.Verify(t.Context(), token)
					}
				}
			})
		}
		for range 2 {
			if err := f.Revoke(t.Context(), k.ID); err != nil {
				t.Fatal(err)
			}
		}
		for range 100 {
			_, err := f.Verify(t.Context(), token)
			storetest.WantCode(t, err, abi.CodeBadCredential)
		}
		close(stop)
		wg.Wait()
	}
	for _, id := range []string{"", "nobody", "a\x00b", strings.Repeat("x", 5000)} {
		storetest.WantCode(t, f.Revoke(t.Context(), id), abi.CodeNotFound)
	}
}

func TestARevocationElsewhereIsHeard(t *testing.T) {
	st := memory(t)
	here, there := service(t, keys.Config{Store: st}), service(t, keys.Config{Store: st})
	token, k, err := there.Issue(t.Context(), keys.IssueRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := here.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	}
	if err := there.Revoke(t.Context(), k.ID); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := here.Verify(t.Context(), token); err != nil {
			storetest.WantCode(t, err, abi.CodeBadCredential)
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the other service still lets it in")
		}
	}
}

func TestTheCacheIsBounded(t *testing.T) {
	s := service(t, keys.Config{Store: memory(t), CacheSize: 4})
	var tokens []string
	for range 20 {
		token, _, err := s.Issue(t.Context(), keys.IssueRequest{})
		if err != nil {
			t.Fatal(err)
		}
		tokens = append(tokens, token)
	}
	for range 3 {
		for _, token := range tokens {
			if _, err := s.Verify(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := keys.Cached(s); n > 4 {
		t.Errorf("%d tokens are cached", n)
	}
}

func FuzzVerify(f *testing.F) {
	s := service(f, keys.Config{Store: memory(f)})
	token, _, err := s.Issue(f.Context(), keys.IssueRequest{})
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "sk-org-", token[:20], "a.b", strings.Repeat("a", 16) + "." + strings.Repeat("b", 52), "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		_, err := s.Verify(t.Context(), in)
		switch host.CodeOf(err) {
		case abi.CodeUnauthenticated, abi.CodeBadCredential:
		default:
			t.Fatalf("%q: %v", in, err)
		}
	})
}

func BenchmarkVerifyWarm(b *testing.B) {
	f := newFixture(b)
	token, _ := f.issue(b, keys.IssueRequest{})
	for b.Loop() {
		if _, err := f.Verify(b.Context(), token); err != nil {
			b.Fatal(err)
		}
	}
}
