// Copyright 2026 The Gantry Authors.

package main

import (
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk/pdktest"
)

func TestHello(t *testing.T) {
	h := pdktest.New(t)
	if got, want := h.Call("hello", map[string]any{"name": "Ada"}).OK().Text, "Hello, Ada!"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := h.Call("hello", map[string]any{"name": "Ada", "tone": "formal"}).OK().Text, "Good day, Ada."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHelloSaysWhatIsMissing(t *testing.T) {
	err := pdktest.New(t).Call("hello", nil).Fails(abi.CodeInvalidArg)
	if want := "name: it is missing; give a string (Whom to greet)"; err.Message != want {
		t.Errorf("got %q, want %q", err.Message, want)
	}
}

func TestManifest(t *testing.T) { pdktest.Manifest(t) }
