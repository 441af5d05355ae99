// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/meter"
)

// exports are those of testdata/src/guest.
var exports = []string{
	"echo", "count", "report", "seven", "silent", "crash", "exit", "loop", "recurse", "hostloop", "sleep", "grow",
	"big", "pointers", "reach", "binary", "config", "variable", "talk", "world", "fetch", "post",
}

func loadGuest(t testing.TB, cfg Config, lim host.Limits, more string) *plugin {
	t.Helper()
	p, _ := load(t, newEngine(t, cfg), Artifact{
		Wasm: goGuest(t), Config: declare(more, exports...), Limits: lim, Isolation: host.IsolationTenant,
	})
	return p
}

func TestCall(t *testing.T) {
	p := sharedGuest(t)
	t.Run("a text goes in and comes out whole", func(t *testing.T) {
		for _, n := range []int{0, 1, 7, 8, 9, 1_000, 100_001} {
			want := strings.Repeat("ä€x", n)[:n]
			want = strings.ToValidUTF8(want, "?")
			if got := p.text(t, "echo", want); got != want {
				t.Errorf("%d bytes: got %d bytes", n, len(got))
			}
		}
	})
	t.Run("usage counts time and memory", func(t *testing.T) {
		_, u, err := p.do(t.Context(), "echo", "x")
		if err != nil || u.Wall <= 0 || u.Fuel == 0 || u.PeakBytes < 1<<20 || u.Ops != 0 {
			t.Errorf("got %+v, %v", u, err)
		}
	})
	t.Run("an error that the plugin reports is its own and leaves the instance whole", func(t *testing.T) {
		before := p.text(t, "count", "")
		_, _, err := p.do(t.Context(), "report", "no luck")
		wantCode(t, err, codePlugin, "it said: no luck")
		if after := p.text(t, "count", ""); after <= before {
			t.Errorf("count went from %s to %s: the instance is another", before, after)
		}
	})
	t.Run("an error without a text is told by its number", func(t *testing.T) {
		_, _, err := p.do(t.Context(), "seven", "")
		wantCode(t, err, codePlugin, "returned 7")
	})
	t.Run("the configuration is read as texts", func(t *testing.T) {
		q, _ := load(t, newEngine(t, Config{}), Artifact{Wasm: goGuest(t), Config: json.RawMessage(
			`{"a":"one","b":2,"c":"outer","extism":{"tools":[{"name":"config"}],"config":{"c":"inner"}}}`)})
		for key, want := range map[string]string{"a": "one", "b": "2", "c": "inner", "extism": "", "d": ""} {
			if got := q.text(t, "config", key); got != want {
				t.Errorf("config %s: got %q, want %q", key, got, want)
			}
		}
	})
	t.Run("random numbers, clock, files and environment", func(t *testing.T) {
		other, _, err := p.doAs(t.Context(), "other", "world", "")
		if err != nil {
			t.Fatal(err)
		}
		one, two := strings.Fields(p.text(t, "world", "")), strings.Fields(string(other.Data))
		if one[0] == two[0] {
			t.Error("two instances draw the same random numbers")
		}
		var at int64
		if _, err := fmt.Sscan(one[1], &at); err != nil || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
			t.Errorf("the plugin's clock says %s", one[1])
		}
		if one[2] != "true" || one[3] != "0" {
			t.Errorf("the plugin sees files or an environment: %v", one)
		}
	})
	t.Run("what it logs and prints goes to the border", func(t *testing.T) {
		b := &border{}
		if _, _, err := p.with(t.Context(), &host.GuestCall{Tenant: "acme", Border: b}, "talk", "rain"); err != nil {
			t.Fatal(err)
		}
		want := []string{"0 on stdout", "4 a warning about rain", "4 on stderr"}
		if !slices.Equal(b.lines, want) {
			t.Errorf("got %q, want %q", b.lines, want)
		}
	})
	t.Run("a border that panics is the host's fault", func(t *testing.T) {
		b := &border{log: func() { panic("oh") }}
		_, _, err := p.with(t.Context(), &host.GuestCall{Tenant: "acme", Border: b}, "talk", "rain")
		wantCode(t, err, abi.CodeInternal, "")
	})
	t.Run("an entry or a tool that is none", func(t *testing.T) {
		for _, c := range []host.GuestCall{
			{Border: &border{}, Entry: host.EntryRead}, {Border: &border{}, Index: -1},
			{Border: &border{}, Index: len(exports)}, {},
		} {
			_, _, err := p.Call(t.Context(), &c)
			wantCode(t, err, abi.CodeInternal, "")
		}
	})
	t.Run("arguments that are not one text", func(t *testing.T) {
		for _, args := range []any{map[string]int{"input": 1}, map[string]string{}, nil, []int{1}} {
			_, _, err := p.do(t.Context(), "echo", args)
			wantCode(t, err, abi.CodeInvalidArg, "input")
		}
	})
}

func TestAnswers(t *testing.T) {
	p, _ := load(t, newEngine(t, Config{}), Artifact{Wasm: goGuest(t), Config: json.RawMessage(`{"extism":{"tools":[
		{"name":"echo","input":"json","output":"json"}, {"name":"mute","export":"silent","silent":true},
		{"name":"mutejson","export":"silent","silent":true,"output":"json"},
		{"name":"silent"}, {"name":"binary"}, {"name":"text","export":"echo","output":"json"}]}}`)})
	t.Run("json goes in and comes out as it is", func(t *testing.T) {
		out, _, err := p.do(t.Context(), "echo", map[string]int{"a": 1})
		if err != nil || out.Kind != abi.OutputStructured || string(out.Data) != `{"a":1}` {
			t.Errorf("got %v %s, %v", out.Kind, out.Data, err)
		}
	})
	t.Run("json that is none", func(t *testing.T) {
		_, _, err := p.do(t.Context(), "text", "not json")
		wantCode(t, err, abi.CodeContract, "not one JSON value")
	})
	t.Run("no answer is an error", func(t *testing.T) {
		_, _, err := p.do(t.Context(), "silent", "")
		wantCode(t, err, abi.CodeContract, "without an answer")
	})
	t.Run("no answer is allowed where the operator says so", func(t *testing.T) {
		out, _, err := p.do(t.Context(), "mute", "")
		if err != nil || out.Kind != abi.OutputText || len(out.Data) != 0 {
			t.Errorf("got %v %q, %v", out.Kind, out.Data, err)
		}
		out, _, err = p.do(t.Context(), "mutejson", "")
		if err != nil || string(out.Data) != "null" {
			t.Errorf("got %v %q, %v", out.Kind, out.Data, err)
		}
	})
	t.Run("text that is none", func(t *testing.T) {
		_, _, err := p.do(t.Context(), "binary", "")
		wantCode(t, err, abi.CodeContract, "not UTF-8")
	})
}

func TestInstances(t *testing.T) {
	t.Run("calls at once never mix", func(t *testing.T) {
		p := sharedGuest(t)
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				for i := range 15 {
					want := strings.Repeat(fmt.Sprintf("%d/%d ", n, i), 1+rand.IntN(50))
					out, _, err := p.doAs(t.Context(), host.TenantID(fmt.Sprint("t", n%2)), "echo", want)
					if err != nil || string(out.Data) != want {
						t.Errorf("got %q, %v, want %q", out.Data, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("a tenant never meets what another has left", func(t *testing.T) {
		p := loadGuest(t, Config{MaxInstances: 2}, host.Limits{}, "")
		for i := range 12 {
			tenant := host.TenantID(fmt.Sprint("t", i%3))
			out, _, err := p.doAs(t.Context(), tenant, "variable", string(tenant))
			if got := string(out.Data); err != nil || got != "" && got != string(tenant) {
				t.Fatalf("tenant %s got %q, %v", tenant, got, err)
			}
		}
	})
	t.Run("a variable stays in the instance of a tenant", func(t *testing.T) {
		p := sharedGuest(t)
		p.text(t, "variable", "first")
		if got := p.text(t, "variable", "second"); got != "first" {
			t.Errorf("got %q, want first", got)
		}
	})
	t.Run("variables have their limit", func(t *testing.T) {
		p := loadGuest(t, Config{}, host.Limits{}, `"memory":{"max_var_bytes":1000}`)
		p.text(t, "variable", "short")
		_, _, err := p.do(t.Context(), "variable", strings.Repeat("x", 1000))
		wantCode(t, err, abi.CodeTrap, "Variable store is full")
	})
	t.Run("an unused instance is closed", func(t *testing.T) {
		p := loadGuest(t, Config{IdleAfter: 20 * time.Millisecond}, host.Limits{}, "")
		p.text(t, "echo", "x")
		for p.engine.budget.Used() != 0 {
			if t.Context().Err() != nil {
				t.Fatal("the instance stays")
			}
			time.Sleep(5 * time.Millisecond)
		}
		p.text(t, "echo", "x")
	})
	t.Run("the budget is taken from idle instances of other plugins", func(t *testing.T) {
		e := newEngine(t, Config{MemoryBudget: 16 << 20})
		p, _ := load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", "echo"), Name: "one"})
		q, _ := load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", "echo"), Name: "two"})
		for range 2 {
			p.text(t, "echo", strings.Repeat("x", 10_000))
			q.text(t, "echo", strings.Repeat("x", 10_000))
		}
	})
}

func TestIsolation(t *testing.T) {
	e := newEngine(t, Config{})
	of := func(t *testing.T, i host.Isolation) func(tenant host.TenantID, tool, input string) string {
		p, _ := load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", exports...), Isolation: i})
		return func(tenant host.TenantID, tool, input string) string {
			t.Helper()
			out, _, err := p.doAs(t.Context(), tenant, tool, input)
			if err != nil {
				t.Fatal(err)
			}
			return string(out.Data)
		}
	}
	t.Run("call, the default: every call meets a clean state", func(t *testing.T) {
		for _, i := range []host.Isolation{"", host.IsolationCall} {
			do := of(t, i)
			for n := range 3 {
				if got := do("acme", "count", ""); got != "1" {
					t.Errorf("call %d: a global is %s, want 1", n, got)
				}
				if got := do("acme", "variable", "kept"); got != "" {
					t.Errorf("call %d: a variable is %q", n, got)
				}
			}
		}
	})
	t.Run("call: nothing is left of an instance after its call", func(t *testing.T) {
		e := newEngine(t, Config{})
		p, _ := load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", exports...)})
		p.text(t, "echo", "x")
		if used := e.budget.Used(); used != 0 {
			t.Errorf("%d bytes of memory are in use after a call", used)
		}
	})
	t.Run("call: what describe left is not there for the first call", func(t *testing.T) {
		p, _ := load(t, e, Artifact{Wasm: goGuest(t)})
		out, _, err := p.do(t.Context(), "shout", map[string]string{"text": "hey"})
		if err != nil || !strings.Contains(string(out.Data), "HEY") {
			t.Errorf("got %s, %v", out.Data, err)
		}
		if live := p.pool.busy + len(p.pool.idle); live != 0 {
			t.Errorf("%d instances are left", live)
		}
	})
	t.Run("tenant: a call meets what calls of its tenant have left, and no others", func(t *testing.T) {
		do := of(t, host.IsolationTenant)
		for _, want := range []string{"1", "2", "3"} {
			for _, tenant := range []host.TenantID{"acme", "globex"} {
				if got := do(tenant, "count", ""); got != want {
					t.Errorf("%s counts %s, want %s", tenant, got, want)
				}
			}
		}
	})
	t.Run("shared: a call meets what any call has left", func(t *testing.T) {
		do := of(t, host.IsolationShared)
		do("acme", "variable", "acme's")
		if got := do("globex", "variable", "globex's"); got != "acme's" {
			t.Errorf("got %q, want acme's", got)
		}
	})
	t.Run("an isolation that is none is refused", func(t *testing.T) {
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Wasm: goGuest(t), Config: declare("", "echo"), Isolation: "none"})
		wantCode(t, err, abi.CodeInvalidArg, "isolation")
	})
}

func TestFuel(t *testing.T) {
	e := newEngine(t, Config{})
	p, _ := load(t, e, Artifact{Wasm: sdkWasm(t, "count_vowels"), Config: declare("", "count_vowels")})
	of := func(t *testing.T, input string) uint64 {
		t.Helper()
		_, u, err := p.do(t.Context(), "count_vowels", input)
		if err != nil {
			t.Fatal(err)
		}
		return u.Fuel
	}
	t.Run("is the same for the same input", func(t *testing.T) {
		first := of(t, "hello world")
		for range 5 {
			if got := of(t, "hello world"); got != first || got == 0 {
				t.Errorf("got %d, want %d", got, first)
			}
		}
	})
	t.Run("grows with the work, to the unit", func(t *testing.T) {
		a, b, c := of(t, strings.Repeat("x", 1000)), of(t, strings.Repeat("x", 2000)), of(t, strings.Repeat("x", 3000))
		if b <= a || b-a != c-b {
			t.Errorf("1000, 2000 and 3000 letters take %d, %d and %d", a, b, c)
		}
	})
	t.Run("is counted beyond one tick and in an instance that is used again", func(t *testing.T) {
		q, _ := load(t, e, Artifact{Wasm: sdkWasm(t, "count_vowels"), Config: declare("", "count_vowels"), Isolation: host.IsolationTenant})
		long := strings.Repeat("x", 500_000)
		want := of(t, long)
		if want < 3*meter.Interval {
			t.Fatalf("%d units are too few to show anything", want)
		}
		// The plugin's allocator goes another way where it finds what a call has left.
		for n, most := range []uint64{0, 1000, 1000} {
			if _, u, err := q.do(t.Context(), "count_vowels", long); err != nil || u.Fuel < want || u.Fuel > want+most {
				t.Errorf("call %d: got %d, %v, want %d", n, u.Fuel, err, want)
			}
		}
	})
	t.Run("is counted of a call that fails", func(t *testing.T) {
		q := sharedGuest(t)
		for _, tool := range []string{"report", "crash", "exit"} {
			if _, u, err := q.do(t.Context(), tool, "x"); err == nil || u.Fuel == 0 {
				t.Errorf("%s: got %d, %v", tool, u.Fuel, err)
			}
		}
	})
	t.Run("ends a call that has none left", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{Fuel: 3_000_000}, "")
		_, u, err := q.do(t.Context(), "loop", "")
		wantCode(t, err, abi.CodeLimit, "fuel")
		if u.Fuel < 3_000_000 || u.Fuel > 3_000_100 {
			t.Errorf("it had used %d", u.Fuel)
		}
		q.text(t, "echo", "and goes on")
	})
}

func TestClose(t *testing.T) {
	start := func(t *testing.T, p *plugin, tool, input string) <-chan error {
		done := make(chan error, 1)
		b := &border{}
		go func() {
			_, _, err := p.with(context.Background(), &host.GuestCall{Tenant: "acme", Border: b}, tool, input)
			done <- err
		}()
		for {
			p.pool.mu.Lock()
			busy := p.pool.busy
			p.pool.mu.Unlock()
			if busy > 0 {
				return done
			}
			runtime.Gosched()
		}
	}
	t.Run("waits for a running call", func(t *testing.T) {
		p := loadGuest(t, Config{}, host.Limits{}, "")
		done := start(t, p, "sleep", "100ms")
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		_, _, err := p.do(t.Context(), "echo", "x")
		wantCode(t, err, abi.CodeUnavailable, "closed")
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("interrupts a call that does not end", func(t *testing.T) {
		p := loadGuest(t, Config{}, host.Limits{}, "")
		done := start(t, p, "loop", "")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		wantCode(t, <-done, abi.CodeUnavailable, "was closed while the call ran")
	})
	t.Run("of the engine closes guests and refuses new ones", func(t *testing.T) {
		e := newEngine(t, Config{})
		load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", "echo")})
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Wasm: goGuest(t), Config: declare("", "echo")})
		wantCode(t, err, abi.CodeUnavailable, "closed")
	})
}
