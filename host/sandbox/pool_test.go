// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// TestHammer has many callers of two tenants share few instances: an answer that is not the caller's
// own would show.
func TestHammer(t *testing.T) {
	const callers, calls = 8, 2500
	g := loadGo(t, Config{}, host.Limits{Concurrency: 4})
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			tenant := host.TenantID([]string{"a", "b"}[c%2])
			for i := range calls {
				want := fmt.Sprintf(`{"caller":%d,"call":%d}`, c, i)
				out, _, err := g.Call(t.Context(), &host.GuestCall{Index: toolEcho, Tenant: tenant, Input: []byte(want), Border: &border{}})
				if err != nil || string(out.Data) != want {
					t.Errorf("got %q, %v; want %q", out.Data, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
	if s := g.stats(); s.Calls != callers*calls || s.Instances > 8 || s.Idle != s.Instances {
		t.Errorf("got %+v", s)
	}
}

func count(t *testing.T, g *guest, tenant host.TenantID) string {
	t.Helper()
	out, _, err := g.Call(t.Context(), &host.GuestCall{Index: toolCount, Tenant: tenant, Border: &border{}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Data)
}

func TestInstancesAreKeptApart(t *testing.T) {
	t.Run("a tenant never meets another's instance", func(t *testing.T) {
		g := loadGoAs(t, Config{}, host.Limits{}, host.IsolationTenant)
		for i, tc := range []struct{ tenant, want string }{{"a", "1"}, {"a", "2"}, {"b", "1"}, {"a", "3"}, {"b", "2"}, {"", "1"}} {
			if got := count(t, g, host.TenantID(tc.tenant)); got != tc.want {
				t.Errorf("call %d: tenant %q counts %s, want %s", i, tc.tenant, got, tc.want)
			}
		}
	})
	t.Run("also where there is room for one instance only", func(t *testing.T) {
		g := loadGoAs(t, Config{MaxInstances: 1}, host.Limits{}, host.IsolationTenant)
		for _, tenant := range []host.TenantID{"a", "b", "a"} {
			if got := count(t, g, tenant); got != "1" {
				t.Errorf("tenant %s counts %s, want 1", tenant, got)
			}
		}
		if s := g.stats(); s.Instances != 1 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("a crash drops the instance", func(t *testing.T) {
		g := loadGoAs(t, Config{}, host.Limits{}, host.IsolationTenant)
		count(t, g, "a")
		if _, err := callTool(t.Context(), g, toolPanic, "", nil); err == nil {
			t.Fatal("no error")
		}
		if got := count(t, g, "a"); got != "1" {
			t.Errorf("counts %s, want 1", got)
		}
		if s := g.stats(); s.Traps != 1 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("an error of the plugin's own keeps it", func(t *testing.T) {
		g := loadGoAs(t, Config{}, host.Limits{}, host.IsolationTenant)
		count(t, g, "a")
		_, err := callTool(t.Context(), g, toolFail, `{"code":"NO"}`, nil)
		wantCode(t, err, "NO")
		if got := count(t, g, "a"); got != "2" {
			t.Errorf("counts %s, want 2", got)
		}
	})
	t.Run("growth drops it", func(t *testing.T) {
		e := newEngine(t, Config{})
		// memory.grow by 600 pages, then text
		g := loadAs(t, e, tool(i32c(600), []byte{0x40, 0}, drop, i32c(2)).bytes(), host.Limits{}, host.IsolationTenant)
		if _, err := callTool(t.Context(), g, 0, "", nil); err != nil {
			t.Fatal(err)
		}
		if s := e.Stats(); s.Plugins[0].Instances != 0 || s.MemoryBytes != 0 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("idle instances are closed after a while", func(t *testing.T) {
		g := loadGo(t, Config{IdleAfter: 20 * time.Millisecond}, host.Limits{})
		count(t, g, "a")
		for end := time.Now().Add(10 * time.Second); g.stats().Instances > 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("got %+v", g.stats())
			}
		}
		if got := count(t, g, "a"); got != "1" {
			t.Errorf("counts %s, want 1", got)
		}
	})
}

// blocking is a border whose operation tells when it is entered and waits to be let go.
func blocking() (b *border, entered chan struct{}, letGo func()) {
	entered, gate := make(chan struct{}), make(chan struct{})
	b = &border{op: func(ctx context.Context, _ string, _ []byte) ([]byte, error) {
		close(entered)
		select {
		case <-gate:
			return []byte("done"), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}
	return b, entered, sync.OnceFunc(func() { close(gate) })
}

func TestWaitingForAnInstance(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{Concurrency: 1})
	b, entered, letGo := blocking()
	first := make(chan error, 1)
	go func() {
		_, err := callTool(t.Context(), g, toolOp, "x", b)
		first <- err
	}()
	<-entered
	t.Run("a caller waits no longer than its context", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := callTool(ctx, g, toolEcho, "x", nil)
		wantCode(t, err, abi.CodeDeadline)
	})
	second := make(chan error, 1)
	go func() {
		_, err := callTool(t.Context(), g, toolEcho, "x", nil)
		second <- err
	}()
	letGo()
	if err := <-first; err != nil {
		t.Error(err)
	}
	if err := <-second; err != nil {
		t.Errorf("the waiting call: %v", err)
	}
}

func TestClose(t *testing.T) {
	t.Run("it waits for running calls, and refuses new ones", func(t *testing.T) {
		g := loadGo(t, Config{}, host.Limits{})
		b, entered, letGo := blocking()
		result := make(chan error, 1)
		go func() {
			got, err := callTool(t.Context(), g, toolOp, "x", b)
			if err == nil && got != "done" {
				err = fmt.Errorf("got %q", got)
			}
			result <- err
		}()
		<-entered
		closed := make(chan error, 1)
		go func() { closed <- g.Close(t.Context()) }()
		for {
			if _, err := callTool(t.Context(), g, toolEcho, "x", nil); host.CodeOf(err) == abi.CodeUnavailable {
				break
			}
		}
		select {
		case <-closed:
			t.Error("closed while a call ran")
		default:
		}
		letGo()
		if err := <-result; err != nil {
			t.Errorf("the running call: %v", err)
		}
		if err := <-closed; err != nil {
			t.Error(err)
		}
		if err := g.Close(t.Context()); err != nil {
			t.Errorf("closing twice: %v", err)
		}
	})
	t.Run("after its context it interrupts them", func(t *testing.T) {
		g := loadGo(t, Config{}, host.Limits{})
		b, entered, _ := blocking()
		result := make(chan error, 1)
		go func() {
			_, err := callTool(t.Context(), g, toolOp, "x", b)
			result <- err
		}()
		<-entered
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Close(ctx); err != nil {
			t.Error(err)
		}
		wantCode(t, <-result, abi.CodeUnavailable)
	})
	t.Run("a closed engine loads nothing", func(t *testing.T) {
		e := newEngine(t, Config{})
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wasm := tool(i32c(2)).bytes()
		_, _, err := e.Load(t.Context(), Artifact{Name: "x", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
		wantCode(t, err, abi.CodeUnavailable)
	})
}

// TestTenantsTakeTurns has a tenant storm a plugin with one slot: another tenant's call is the second
// to run, however many of the first wait.
func TestTenantsTakeTurns(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{Concurrency: 1})
	b, entered, letGo := blocking()
	defer letGo()
	var wg sync.WaitGroup
	defer wg.Wait()
	var mu sync.Mutex
	var order []string
	enter := func(tenant host.TenantID, b *border, tool int) {
		before := g.pool.slots.Stats()
		wg.Go(func() {
			_, _, err := g.Call(t.Context(), &host.GuestCall{Index: tool, Tenant: tenant, Input: []byte("x"), Border: b})
			if err != nil {
				t.Error(err)
			}
		})
		for end := time.Now().Add(10 * time.Second); g.pool.slots.Stats() == before; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the call neither runs nor waits")
			}
		}
	}
	noting := func(tenant string) *border {
		return &border{op: func(context.Context, string, []byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, tenant)
			return []byte("ok"), nil
		}}
	}
	enter("storm", b, toolOp)
	<-entered
	for range 20 {
		enter("storm", noting("storm"), toolOp)
	}
	enter("quiet", noting("quiet"), toolOp)
	letGo()
	wg.Wait()
	if at := slices.Index(order, "quiet"); at != 1 || len(order) != 21 {
		t.Errorf("the quiet tenant was number %d of %d, want 1 of 21", at, len(order))
	}
}
