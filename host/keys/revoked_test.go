// Copyright 2026 The Gantry Authors.

package keys_test

import (
	"testing"
	"time"

	"github.com/gantryhost/gantry/host/keys"
)

func TestRevocationsAreTold(t *testing.T) {
	f := newFixture(t)
	beside := service(t, keys.Config{Store: f.store, Clock: f.clock}) // another handle, as another host has
	told := make(chan string, 64)
	stop := f.OnRevoked(func(id string) { told <- id })
	hear := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-told:
				if got == want {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("the end of %s was never told", want)
			}
		}
	}
	t.Run("at once, where it is done", func(t *testing.T) {
		_, k := f.issue(t, keys.IssueRequest{})
		if err := f.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		select {
		case got := <-told:
			if got != k.ID {
				t.Errorf("got %s, want %s", got, k.ID)
			}
		default:
			t.Error("Revoke has returned and nobody was told")
		}
	})
	t.Run("also where another handle does it", func(t *testing.T) {
		_, k := f.issue(t, keys.IssueRequest{})
		if err := beside.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		hear(k.ID)
	})
	t.Run("not after stop", func(t *testing.T) {
		stop()
		for len(told) > 0 {
			<-told
		}
		_, k := f.issue(t, keys.IssueRequest{})
		if err := f.Revoke(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if len(told) > 0 {
			t.Errorf("was told of %s", <-told)
		}
	})
}

func TestAPrincipalSaysWhenItsKeyExpires(t *testing.T) {
	f := newFixture(t)
	token, k := f.issue(t, keys.IssueRequest{TTL: time.Hour})
	if who, err := f.Verify(t.Context(), token); err != nil || !who.ExpiresAt.Equal(k.ExpiresAt) || k.ExpiresAt.IsZero() {
		t.Errorf("got %+v of a key that ends at %v (%v)", who, k.ExpiresAt, err)
	}
}
