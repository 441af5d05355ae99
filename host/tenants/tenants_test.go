// Copyright 2026 The Gantry Authors.

package tenants_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/host/tenants"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *badgerstore.Store {
	t.Helper()
	s, err := badgerstore.Open(badgerstore.Config{InMemory: true})
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

func service(t *testing.T, c tenants.Config) *tenants.Service {
	t.Helper()
	s, err := tenants.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func set(t *testing.T, s *tenants.Service, id host.TenantID, c tenants.Confirm) tenants.Tenant {
	t.Helper()
	got, err := s.Set(t.Context(), id, tenants.Policy{Confirm: c})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// soon waits until a change has come by way of the store.
func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after 10 s", what)
		}
	}
}

func TestPolicyHolds(t *testing.T) {
	st := open(t)
	s := service(t, tenants.Config{Store: st})
	t.Run("a tenant of which nobody has said anything has the default", func(t *testing.T) {
		if got, want := s.Get("acme"), (tenants.Tenant{ID: "acme", Confirm: tenants.ConfirmNever, Default: true}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
	t.Run("at once, for this tenant alone", func(t *testing.T) {
		got := set(t, s, "acme", tenants.ConfirmDestructive)
		if got.Confirm != tenants.ConfirmDestructive || got.Default || got.UpdatedAt.IsZero() {
			t.Errorf("got %+v", got)
		}
		if !s.ConfirmDestructive("acme") || s.ConfirmDestructive("umbrella") {
			t.Error("it holds for the wrong tenant")
		}
	})
	t.Run("against a stricter default too", func(t *testing.T) {
		strict := service(t, tenants.Config{Store: st, Confirm: tenants.ConfirmDestructive})
		set(t, strict, "loose", tenants.ConfirmNever)
		if strict.ConfirmDestructive("loose") || !strict.ConfirmDestructive("other") {
			t.Error("the default holds where a policy is set, or does not where none is")
		}
	})
	t.Run("until it is left to the default again", func(t *testing.T) {
		if got := set(t, s, "acme", tenants.ConfirmDefault); !got.Default || s.ConfirmDestructive("acme") {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("in a listing, in order", func(t *testing.T) {
		soon(t, "the other service's tenant", func() bool { return len(s.List()) == 2 })
		if got := s.List(); got[0].ID != "acme" || got[1].ID != "loose" {
			t.Errorf("got %+v", got)
		}
	})
}

func TestPolicyOutlivesTheService(t *testing.T) {
	st := open(t)
	first := service(t, tenants.Config{Store: st})
	set(t, first, "acme", tenants.ConfirmDestructive)
	if !service(t, tenants.Config{Store: st}).ConfirmDestructive("acme") {
		t.Error("a new service does not know of it")
	}
}

func TestChangesByOthersAreSeen(t *testing.T) {
	st := open(t)
	a, b := service(t, tenants.Config{Store: st}), service(t, tenants.Config{Store: st})
	set(t, a, "acme", tenants.ConfirmDestructive)
	soon(t, "the policy", func() bool { return b.ConfirmDestructive("acme") })
	key := store.Key{"tenants", "policy", "acme"}
	t.Run("what cannot be read is the strictest", func(t *testing.T) {
		set(t, a, "acme", tenants.ConfirmNever)
		for _, odd := range []string{`{"confirm":"of a newer host"}`, `no JSON`} {
			if _, err := st.Put(t.Context(), key, []byte(odd), store.PutOptions{Expect: store.AnyRev}); err != nil {
				t.Fatal(err)
			}
			soon(t, odd, func() bool { return b.ConfirmDestructive("acme") })
		}
	})
	t.Run("what is deleted is the default", func(t *testing.T) {
		if err := st.Delete(t.Context(), key, store.AnyRev); err != nil {
			t.Fatal(err)
		}
		soon(t, "the default", func() bool { return !b.ConfirmDestructive("acme") })
	})
}

// deaf is a store whose first watches end at once, or cannot be had.
type deaf struct {
	store.Store
	watches atomic.Int64
}

func (d *deaf) Watch(ctx context.Context, k store.Key) (<-chan store.Event, error) {
	switch d.watches.Add(1) {
	case 1:
		ended := make(chan store.Event)
		close(ended)
		return ended, nil
	case 2:
		return nil, host.Errorf("deaf", abi.CodeUnavailable, "not now")
	}
	return d.Store.Watch(ctx, k)
}

func TestWatchThatBreaksIsTakenUpAgain(t *testing.T) {
	st := open(t)
	s := service(t, tenants.Config{Store: &deaf{Store: st}, Retry: time.Millisecond})
	other := service(t, tenants.Config{Store: st})
	set(t, other, "acme", tenants.ConfirmDestructive)
	soon(t, "the policy", func() bool { return s.ConfirmDestructive("acme") })
}

func TestWrongWordsAreRefused(t *testing.T) {
	st := open(t)
	s := service(t, tenants.Config{Store: st})
	for name, f := range map[string]func() error{
		"no tenant":  func() error { _, err := s.Set(t.Context(), "", tenants.Policy{}); return err },
		"bad tenant": func() error { _, err := s.Set(t.Context(), "A B", tenants.Policy{}); return err },
		"bad choice": func() error { _, err := s.Set(t.Context(), "acme", tenants.Policy{Confirm: "maybe"}); return err },
		"no store":   func() error { _, err := tenants.New(tenants.Config{}); return err },
		"bad default": func() error {
			_, err := tenants.New(tenants.Config{Store: st, Confirm: "maybe"})
			return err
		},
		"negative pause": func() error { _, err := tenants.New(tenants.Config{Store: st, Retry: -1}); return err },
		"typed wrong":    func() error { _, err := tenants.ParseConfirm("yes"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			if err := f(); host.CodeOf(err) != abi.CodeInvalidArg {
				t.Errorf("got %v", err)
			}
		})
	}
	for typed, want := range map[string]tenants.Confirm{"never": tenants.ConfirmNever, "destructive": tenants.ConfirmDestructive, "default": ""} {
		if got, err := tenants.ParseConfirm(typed); err != nil || got != want {
			t.Errorf("%s: got %q, %v", typed, got, err)
		}
	}
}
