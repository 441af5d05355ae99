// Copyright 2026 The Gantry Authors.

package seal_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/store/seal"
)

func sealer(t testing.TB) *seal.Sealer {
	t.Helper()
	master := make([]byte, seal.KeyBytes)
	rand.Read(master)
	s, err := seal.New(master)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sealed(t testing.TB, s *seal.Sealer, l seal.Label, value string) []byte {
	t.Helper()
	env, err := s.Seal(l, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return env
}

var label = seal.Label{Tenant: "acme", Name: "API_KEY", Version: 3}

func TestAnEnvelopeOpensForItsLabelAlone(t *testing.T) {
	s := sealer(t)
	env := sealed(t, s, label, "hidden value")
	if bytes.Contains(env, []byte("hidden")) || len(env) != len("hidden value")+29 {
		t.Errorf("the envelope is %q", env)
	}
	if got, err := s.Open(label, env); err != nil || string(got) != "hidden value" {
		t.Fatalf("got %q, %v", got, err)
	}
	for name, l := range map[string]seal.Label{
		"another tenant":        {Tenant: "acm", Name: "API_KEY", Version: 3},
		"another name":          {Tenant: "acme", Name: "API_KEZ", Version: 3},
		"an older version":      {Tenant: "acme", Name: "API_KEY", Version: 2},
		"a letter moved across": {Tenant: "acm", Name: "eAPI_KEY", Version: 3},
	} {
		if got, err := s.Open(l, env); host.CodeOf(err) != abi.CodeInternal {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := sealer(t).Open(label, env); host.CodeOf(err) != abi.CodeInternal {
		t.Errorf("another master key: got %q, %v", got, err)
	}
	if bytes.Equal(env, sealed(t, s, label, "hidden value")) {
		t.Error("two envelopes are equal")
	}
}

func TestNoChangedByteOpens(t *testing.T) {
	s := sealer(t)
	env := sealed(t, s, label, "hidden value")
	for i := range env {
		changed := bytes.Clone(env)
		changed[i] ^= 1
		if _, err := s.Open(label, changed); host.CodeOf(err) != abi.CodeInternal {
			t.Errorf("byte %d: %v", i, err)
		}
		if _, err := s.Open(label, env[:i]); host.CodeOf(err) != abi.CodeInternal {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	_, err := seal.New([]byte("short"))
	if host.CodeOf(err) != abi.CodeInvalidArg {
		t.Error(err)
	}
	for _, l := range []seal.Label{{Name: "n"}, {Tenant: "acme"}, {Tenant: "A/B", Name: "n"}} {
		if _, err := sealer(t).Seal(l, nil); host.CodeOf(err) != abi.CodeInvalidArg {
			t.Errorf("%+v: %v", l, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := sealer(f)
	f.Add([]byte{})
	f.Add(sealed(f, s, seal.Label{Tenant: "other", Name: "n"}, "v"))
	f.Fuzz(func(t *testing.T, env []byte) {
		if _, err := s.Open(label, env); host.CodeOf(err) != abi.CodeInternal {
			t.Fatalf("%x opens: %v", env, err)
		}
	})
}
