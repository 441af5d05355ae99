// Copyright 2026 The Gantry Authors.

package authapi

import (
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

type issuers []string

func (i issuers) Issuers() []string                   { return i }
func (i issuers) Supported() []string                 { return nil }
func (i issuers) Names(string, []host.Scope) []string { return nil }

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		cfg   Config
		words string
	}{
		"no address":    {Config{Issuers: issuers{"https://id.example"}}, "BaseURL"},
		"half of one":   {Config{BaseURL: "gantry.example", Issuers: issuers{"https://id.example"}}, "BaseURL"},
		"no issuers":    {Config{BaseURL: "https://gantry.example"}, "Issuers"},
		"empty issuers": {Config{BaseURL: "https://gantry.example", Issuers: issuers{}}, "Issuers"},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if _, err := New(c.cfg); host.CodeOf(err) != abi.CodeInvalidArg || !strings.Contains(err.Error(), c.words) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInsufficient(t *testing.T) {
	a, err := New(Config{BaseURL: "https://gantry.example/", Issuers: issuers{"https://id.example"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]*host.Principal{
		"nobody":                            nil,
		"the holder of a key":               {},
		"a token whose issuer has no names": {Issuer: "https://id.example"},
	} {
		t.Run(name+" gets no challenge", func(t *testing.T) {
			if got := a.Insufficient(nil, p, []host.Scope{host.ScopeAdmin}); got != "" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestHeaderHoldsNothingThatEndsIt(t *testing.T) {
	var h header
	h.add("error_description", "a \"quoted\" \\ one\r\nX: y … é")
	h.add("scope", "")
	h.add("error", "e")
	if got, want := h.String(), `Bearer error_description="a quoted  oneX: y  ", error="e"`; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
