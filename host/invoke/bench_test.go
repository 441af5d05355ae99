// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// BenchmarkCall is the pipeline around a guest that does nothing.
func BenchmarkCall(b *testing.B) {
	answer := []byte("ok")
	p := (&plugin{manifest: abi.Manifest{Name: "nop"}}).tool(
		abi.Tool{Name: "nop", InputSchema: json.RawMessage(textSchema)},
		func(context.Context, *host.GuestCall) (host.Output, error) {
			return host.Output{Kind: abi.OutputText, Data: answer}, nil
		})
	h := start(b, func(c *invoke.Config) { c.Journal = nil }, p)
	ctx := as("acme", "ann")
	r := invoke.Request{Tool: "nop", Input: json.RawMessage(`{"text":"hello"}`), Surface: "mcp"}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Call(ctx, r, nil); err != nil {
			b.Fatal(err)
		}
	}
}
