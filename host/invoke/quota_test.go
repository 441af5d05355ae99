// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/quota"
)

// withQuota puts a real quota over a store of its own under the pipeline.
func withQuota(t *testing.T, l quota.Limits) (change func(*invoke.Config), q *quota.Service) {
	t.Helper()
	h := start(t, nil)
	q, err := quota.New(quota.Config{Store: h.store, Defaults: l})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return func(c *invoke.Config) { c.Quota = q }, q
}

// used is how many calls of today acme has used.
func used(t *testing.T, q *quota.Service) quota.Limits {
	t.Helper()
	st, err := q.Show(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	return st.Used
}

func TestQuota(t *testing.T) {
	echoed := invoke.Request{Tool: "echo", Input: json.RawMessage(`{"text":"x"}`), Surface: "mcp"}
	t.Run("a tool, a prompt, a document, a completion and a run are one call each", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{CallsPerDay: 5})
		h := start(t, change, demo(), library())
		ctx := as("acme", "ann", host.ScopeWriteTools, host.ScopeReadData)
		_, e1 := h.Call(ctx, echoed, nil)
		_, _, e2 := h.Prompt(ctx, invoke.Request{Tool: "lib_greet", Input: json.RawMessage(`{"name":"Ann"}`)})
		_, e3 := h.Read(ctx, "lib://fixed")
		_, e4 := h.Complete(ctx, &abi.CompleteRequest{Prompt: "lib_greet"})
		_, e5 := h.Start(ctx, echoed)
		if err := errors.Join(e1, e2, e3, e4, e5); err != nil {
			t.Fatal(err)
		}
		if got := used(t, q).CallsPerDay; got != 5 {
			t.Errorf("got %d calls used, want 5", got)
		}
		_, e1 = h.Call(ctx, echoed, nil)
		_, _, e2 = h.Prompt(ctx, invoke.Request{Tool: "lib_greet", Input: json.RawMessage(`{"name":"Ann"}`)})
		_, e3 = h.Read(ctx, "lib://fixed")
		_, e4 = h.Complete(ctx, &abi.CompleteRequest{Prompt: "lib_greet"})
		_, e5 = h.Start(ctx, echoed)
		for i, err := range []error{e1, e2, e3, e4, e5} {
			if host.CodeOf(err) != abi.CodeRateLimited || !strings.Contains(err.Error(), "calls_per_day") || !host.Outward(err).Retryable {
				t.Errorf("entry %d: got %v", i, err)
			}
		}
		if js := h.journal.of("echo"); js[len(js)-1].Code != abi.CodeRateLimited {
			t.Errorf("the journal has %+v", js)
		}
	})
	t.Run("what is refused before it runs costs nothing", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{CallsPerDay: 5})
		h := start(t, change, demo())
		_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "echo", Input: json.RawMessage(`{"wrong":1}`)}, nil)
		wantCode(t, err, abi.CodeInvalidArg)
		_, err = h.Start(as("acme", "ann"), invoke.Request{Tool: "echo", Input: json.RawMessage(`{"wrong":1}`)})
		wantCode(t, err, abi.CodeInvalidArg)
		if got := used(t, q).CallsPerDay; got != 0 {
			t.Errorf("got %d calls used", got)
		}
	})
	t.Run("a repeated request id is one call", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{CallsPerDay: 50})
		h := start(t, change, demo())
		r := echoed
		r.RequestID = "same"
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if _, err := h.Start(as("acme", "ann"), r); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := used(t, q).CallsPerDay; got != 1 {
			t.Errorf("got %d calls used, want 1", got)
		}
	})
	t.Run("a run that is cancelled while it waits is given back", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{CallsPerDay: 50})
		h := start(t, func(c *invoke.Config) { change(c); c.MaxConcurrentPerTenant = 1 }, demo())
		first, err := h.Start(as("acme", "ann"), invoke.Request{Tool: "wait"})
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { r, _ := h.Run(as("acme", "ann"), first.CallID); return r.Status == invoke.StatusRunning })
		second, err := h.Start(as("acme", "ann"), echoed)
		if err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { r, _ := h.Run(as("acme", "ann"), second.CallID); return r.Status == invoke.StatusPending })
		await(t, func() bool { return h.Stats() == invoke.Stats{Active: 2, Runs: 2, Waiting: 1} })
		if _, err := h.Cancel(as("acme", "ann"), second.CallID); err != nil {
			t.Fatal(err)
		}
		await(t, func() bool { return used(t, q).CallsPerDay == 1 })
	})
	t.Run("a tool that a tool calls uses fuel and is no call", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{CallsPerDay: 50, FuelPerDay: 1000})
		outer := &plugin{manifest: abi.Manifest{Name: "outer"}, settings: "grants: {tools: [echo]}"}
		outer.tool(abi.Tool{Name: "twice"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
			_, err := op[abi.Result](ctx, c, abi.OpCall, abi.CallRequest{Tool: "echo", Input: json.RawMessage(`{}`)})
			if err != nil {
				return host.Output{}, err
			}
			return text("ok")
		})
		h := start(t, change, demo(), outer)
		if _, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "twice"}, nil); err != nil {
			t.Fatal(err)
		}
		if got := used(t, q); got.CallsPerDay != 1 || got.FuelPerDay != 14 {
			t.Errorf("got %+v, want 1 call and 14 of fuel", got)
		}
	})
	t.Run("a call gets the fuel that is left, and where it runs out of it the quota says so", func(t *testing.T) {
		change, q := withQuota(t, quota.Limits{FuelPerDay: 10})
		var limits []uint64
		p := &plugin{manifest: abi.Manifest{Name: "burner"}}
		p.tool(abi.Tool{Name: "burn"}, func(_ context.Context, c *host.GuestCall) (host.Output, error) {
			limits = append(limits, c.Limits.Fuel)
			if c.Limits.Fuel <= 7 { // the fake uses 7 a call
				return host.Output{}, host.Errorf("fake", abi.CodeLimit, "the plugin used up the fuel of its call")
			}
			return text("ok")
		})
		h := start(t, change, p)
		ctx := as("acme", "ann")
		if _, err := h.Call(ctx, invoke.Request{Tool: "burn"}, nil); err != nil {
			t.Fatal(err)
		}
		for range 2 { // it runs out of fuel, and then has none to begin with
			_, err := h.Call(ctx, invoke.Request{Tool: "burn"}, nil)
			wantCode(t, err, abi.CodeRateLimited)
			if !strings.Contains(err.Error(), "fuel_per_day") {
				t.Errorf("got %v", err)
			}
		}
		if len(limits) != 2 || limits[0] != 10 || limits[1] != 3 || used(t, q).FuelPerDay != 14 {
			t.Errorf("got limits %v, used %+v", limits, used(t, q))
		}
	})
	t.Run("a tenant without a quota of fuel has its plugin's limit alone", func(t *testing.T) {
		change, _ := withQuota(t, quota.Limits{CallsPerDay: 10})
		var got uint64
		p := &plugin{manifest: abi.Manifest{Name: "burner"}, settings: "limits: {fuel: 3}"}
		p.tool(abi.Tool{Name: "burn"}, func(_ context.Context, c *host.GuestCall) (host.Output, error) {
			got = c.Limits.Fuel
			return host.Output{}, host.Errorf("fake", abi.CodeLimit, "the plugin used up the fuel of its call")
		})
		h := start(t, change, p)
		_, err := h.Call(as("acme", "ann"), invoke.Request{Tool: "burn"}, nil)
		wantCode(t, err, abi.CodeLimit)
		if got != 3 {
			t.Errorf("got %d, want 3", got)
		}
	})
}

// await waits until ok, for a while.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to that")
		}
	}
}
