// Copyright 2026 The Gantry Authors.

package keys_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/keys"
	"github.com/gantryhost/gantry/host/store/storetest"
)

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
		"tools":     {Kind: host.KindWorkspace, Workspace: "home", MetaTools: true},
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

func TestAKeyThatShowsTheHostsOwnTools(t *testing.T) {
	f := newFixture(t)
	token, key := f.issue(t, keys.IssueRequest{MetaTools: true})
	who, err := f.Verify(t.Context(), token)
	if err != nil || !who.MetaTools || !key.MetaTools {
		t.Errorf("got %+v of %+v (%v)", who, key, err)
	}
	chosen := "a-token-of-the-operators-own-choosing"
	for _, meta := range []bool{true, false} {
		if _, err := f.ImportToken(t.Context(), chosen, keys.IssueRequest{MetaTools: meta}); err != nil {
			t.Fatal(err)
		}
		if who, err := f.Verify(t.Context(), chosen); err != nil || who.MetaTools != meta {
			t.Errorf("imported with %t: got %+v (%v)", meta, who, err)
		}
	}
}
