// Copyright 2026 The Gantry Authors.

package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
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

func TestRequestsThatAreRefused(t *testing.T) {
	f := newFixture(t)
	for field, r := range map[string]keys.IssueRequest{
		"kind":      {Kind: "root"},
		"tenant":    {Tenant: "../acme"},
		"workspace": {Kind: host.KindWorkspace},
		"only a":    {Workspace: "home"},
		"scopes":    {Scopes: []host.Scope{"read:tools", "everything"}},
		"name":      {Name: strings.Repeat("n", 101)},
		"user":      {User: "ann\nadmin"},
		"in the":    {Expires: f.clock.Now()},
		"ttl":       {TTL: -1},
		"not both":  {TTL: time.Hour, Expires: f.clock.Now().Add(time.Hour)},
	} {
		t.Run(field, func(t *testing.T) {
			_, _, err := f.Issue(t.Context(), r)
			storetest.WantCode(t, err, abi.CodeInvalidArg)
			if !strings.Contains(err.Error(), field) {
				t.Errorf("%q does not say %q", err, field)
			}
		})
	}
}

func TestAListingShowsWhatMayBeKnown(t *testing.T) {
	f := newFixture(t)
	token, first := f.issue(t, keys.IssueRequest{Tenant: "acme", Name: "laptop", TTL: time.Hour})
	f.clock.forward(time.Second)
	_, second := f.issue(t, keys.IssueRequest{Tenant: "acme"})
	f.issue(t, keys.IssueRequest{Tenant: "other"})
	if _, err := f.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := f.Revoke(t.Context(), second.ID); err != nil {
		t.Fatal(err)
	}
	got, err := f.List(t.Context(), "acme")
	if err != nil || len(got) != 2 {
		t.Fatalf("got %v, %v", got, err)
	}
	if got[0].ID != first.ID || got[0].Name != "laptop" || !got[0].ExpiresAt.Equal(first.ExpiresAt) || got[0].LastUsed.IsZero() {
		t.Errorf("the first is %+v", got[0])
	}
	if got[1].ID != second.ID || got[1].RevokedAt.IsZero() || !got[1].LastUsed.IsZero() {
		t.Errorf("the second is %+v", got[1])
	}
	if all, err := f.List(t.Context(), ""); err != nil || len(all) != 3 {
		t.Errorf("all are %d, %v", len(all), err)
	}
}

func TestLastUseOutlivesTheService(t *testing.T) {
	st := memory(t)
	s := service(t, keys.Config{Store: st, UseEvery: time.Hour})
	token, _, err := s.Issue(t.Context(), keys.IssueRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := service(t, keys.Config{Store: st}).List(t.Context(), "")
	if err != nil || len(got) != 1 || got[0].LastUsed.IsZero() {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestAChosenTokenIsAKey(t *testing.T) {
	f := newFixture(t)
	const token = "super-secret-token"
	k, err := f.ImportToken(t.Context(), token, keys.IssueRequest{Tenant: "acme", Name: "first"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Verify(t.Context(), token)
	if err != nil || p.Tenant != "acme" || p.CredentialID != k.ID {
		t.Fatalf("got %+v, %v", p, err)
	}
	t.Run("applied again it takes the new expiry", func(t *testing.T) {
		again, err := f.ImportToken(t.Context(), token, keys.IssueRequest{Tenant: "acme", TTL: time.Hour})
		if err != nil || again.ID != k.ID || again.ExpiresAt.IsZero() {
			t.Fatalf("got %+v, %v", again, err)
		}
		f.clock.forward(time.Hour)
		_, err = f.Verify(t.Context(), token)
		storetest.WantCode(t, err, abi.CodeBadCredential)
		if _, err := f.ImportToken(t.Context(), token, keys.IssueRequest{Tenant: "acme"}); err != nil {
			t.Fatal(err)
		}
		if _, err = f.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("for other rights it is refused", func(t *testing.T) {
		_, err := f.ImportToken(t.Context(), token, keys.IssueRequest{Tenant: "other"})
		storetest.WantCode(t, err, abi.CodeConflict)
	})
	t.Run("revoked it stays so", func(t *testing.T) {
		if err := f.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		_, err := f.ImportToken(t.Context(), token, keys.IssueRequest{Tenant: "acme"})
		storetest.WantCode(t, err, abi.CodeConflict)
		_, err = f.Verify(t.Context(), token)
		storetest.WantCode(t, err, abi.CodeBadCredential)
	})
	issued, _ := f.issue(t, keys.IssueRequest{})
	for name, bad := range map[string]string{"short": "hunter2", "long": strings.Repeat("x", 513), "blank": "two words are no token",
		"an issued key": issued} {
		t.Run(name+" is refused", func(t *testing.T) {
			_, err := f.ImportToken(t.Context(), bad, keys.IssueRequest{})
			storetest.WantCode(t, err, abi.CodeInvalidArg)
			if strings.Contains(err.Error(), bad) {
				t.Error("the error holds the token")
			}
		})
	}
}

func TestNoTokenInTheStoreOrTheLog(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	st, err := badgerstore.Open(badgerstore.Config{Dir: dir, Sync: true, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	pep, err := keys.LoadPepper(filepath.Join(dir, "outside"))
	if err != nil {
		t.Fatal(err)
	}
	s := service(t, keys.Config{Store: st, Logger: logger, Pepper: pep})
	secrets := []string{"chosen-by-the-operator"}
	if _, err := s.ImportToken(t.Context(), secrets[0], keys.IssueRequest{}); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []host.Kind{host.KindOrg, host.KindAdmin, host.KindWorkspace} {
		r := keys.IssueRequest{Kind: kind, Name: "a name that is found"}
		if kind == host.KindWorkspace {
			r.Workspace = "home"
		}
		token, k, err := s.Issue(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		_, secret, _ := strings.Cut(token, k.ID)
		secrets = append(secrets, strings.TrimPrefix(secret, "."))
	}
	for _, token := range secrets {
		_, err := s.Verify(t.Context(), token)
		logger.Info("verified", "err", err, "reason", keys.Reason(err))
	}
	var backup bytes.Buffer
	if _, err := st.Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Close(), st.Close(), os.RemoveAll(filepath.Join(dir, "outside"))); err != nil {
		t.Fatal(err)
	}
	everything := readAll(t, dir) + log.String() + backup.String()
	if !strings.Contains(everything, "a name that is found") {
		t.Fatal("the search finds nothing at all")
	}
	for i, secret := range append(secrets, string(pep), fmt.Sprintf("%x", pep)) {
		if strings.Contains(everything, secret) {
			t.Errorf("secret %d is in the data or the log", i)
		}
	}
}

func readAll(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		all.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestAnotherPepperIsNoticed(t *testing.T) {
	st := memory(t)
	service(t, keys.Config{Store: st})
	_, err := keys.New(keys.Config{Store: st, Pepper: bytes.Repeat([]byte{8}, keys.PepperBytes)})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
	_, err = keys.New(keys.Config{Store: st, Pepper: []byte("short")})
	storetest.WantCode(t, err, abi.CodeInvalidArg)
}

func TestPepperFile(t *testing.T) {
	t.Run("of many that make it all get the same", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "data")
		var wg sync.WaitGroup
		got := make([][]byte, 16)
		for i := range got {
			wg.Go(func() {
				var err error
				if got[i], err = keys.LoadPepper(dir); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range got {
			if len(p) != keys.PepperBytes || !bytes.Equal(p, got[0]) {
				t.Fatalf("got peppers %x", got)
			}
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != 1 {
			t.Errorf("the folder holds %v, %v", entries, err)
		}
		if info, err := os.Stat(filepath.Join(dir, "pepper")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("its mode is %v, %v", info.Mode(), err)
		}
	})
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
	}{
		"one that everybody may read is refused": {strings.Repeat("ab", 32), 0o644},
		"a short one is refused":                 {"abcd", 0o600},
		"another text is refused":                {strings.Repeat("zz", 32), 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pepper"), []byte(c.text), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := keys.LoadPepper(dir)
			storetest.WantCode(t, err, abi.CodeInvalidArg)
		})
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
