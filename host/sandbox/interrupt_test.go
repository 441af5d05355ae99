// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

// doubling is a tool that recurses twice at every level, sixty levels deep, without a loop.
func doubling() *module {
	self := len(contract) + 1
	m := tool(i32c(60), call(self), i32c(2))
	again := slices.Concat([]byte{0x20, 0}, i32c(1), []byte{0x6b}, call(self))
	m.funcs = append(m.funcs, asmFunc{"", signature{i32, ""}, slices.Concat([]byte{0x20, 0, 0x04, 0x40}, again, again, []byte{0x0b})})
	return m
}

// runaways are tools that would run for very long, each of another shape.
func runaways() map[string]*module {
	random := tool([]byte{0x03, 0x40}, i32c(0), i32c(pageBytes), call(len(contract)), drop, []byte{0x0c, 0, 0x0b, 0x00})
	random.imports = []asmImport{{"wasi_snapshot_preview1", "random_get", signature{i32 + i32, i32}}}
	loop := func(body ...[]byte) *module {
		return tool([]byte{0x03, 0x40}, slices.Concat(body...), []byte{0x0c, 0, 0x0b, 0x00})
	}
	return map[string]*module{
		"a loop":                   tool(forever, unreachable),
		"recursion that doubles":   doubling(),
		"a loop of filling memory": loop(i32c(0), i32c(1), i32c(pageBytes), []byte{0xfc, 0x0b, 0}),
		"a loop of reading input":  loop(i32c(0), i32c(pageBytes), call(fnInput), drop),
		"a loop of random bytes":   random,
		"a loop of growing memory": loop(i32c(1), []byte{0x40, 0}, drop),
	}
}

func TestRunawaysEndAtTheDeadline(t *testing.T) {
	e := newEngine(t, Config{})
	for name, m := range runaways() {
		t.Run(name, func(t *testing.T) {
			g := load(t, e, m.bytes(), host.Limits{})
			_, u, err := g.Call(t.Context(), &host.GuestCall{Border: &border{}, Limits: host.Limits{Wall: 50 * time.Millisecond}})
			wantCode(t, err, abi.CodeDeadline)
			if u.Fuel == 0 {
				t.Errorf("usage of a call that was ended: %+v", u)
			}
		})
		t.Run(name+" ends when its caller gives up", func(t *testing.T) {
			g := load(t, e, m.bytes(), host.Limits{})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(30*time.Millisecond, cancel)
			_, err := callTool(ctx, g, 0, "", nil)
			wantCode(t, err, abi.CodeCancelled)
		})
	}
}

// A collection has to wait for every goroutine to stop at a safe place, and compiled code has none:
// without ticks the first collection would end with the call.
func TestARunawayDoesNotHoldUpTheCollector(t *testing.T) {
	g := load(t, newEngine(t, Config{}), doubling().bytes(), host.Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := callTool(ctx, g, 0, "", nil)
		done <- err
	}()
	for range 5 {
		runtime.GC()
	}
	select {
	case err := <-done:
		t.Fatalf("the call ended by itself: %v", err)
	default:
	}
	cancel()
	wantCode(t, <-done, abi.CodeCancelled)
}

func TestFuelIsTheSameForTheSameCall(t *testing.T) {
	g := load(t, newEngine(t, Config{}), echo().bytes(), host.Limits{})
	fuel := func(input string) uint64 {
		_, u, err := g.Call(t.Context(), &host.GuestCall{Tenant: "a", Input: []byte(input), Border: &border{}})
		if err != nil {
			t.Fatal(err)
		}
		return u.Fuel
	}
	first := fuel("abc")
	for range 10 {
		if got := fuel("abc"); got != first || got == 0 {
			t.Errorf("got %d units, first %d", got, first)
		}
	}
}

func TestFuelIsALimit(t *testing.T) {
	e := newEngine(t, Config{})
	calling := func(g *guest, fuel uint64) (host.Usage, error) {
		_, u, err := g.Call(t.Context(), &host.GuestCall{Tenant: "a", Input: []byte("abc"), Border: &border{}, Limits: host.Limits{Fuel: fuel}})
		return u, err
	}
	t.Run("a call that needs less ends as ever, one that needs more does not", func(t *testing.T) {
		g := load(t, e, echo().bytes(), host.Limits{})
		u, err := calling(g, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := calling(g, u.Fuel+1); err != nil {
			t.Errorf("with one unit to spare: %v", err)
		}
		_, err = calling(g, u.Fuel-1)
		wantCode(t, err, abi.CodeLimit)
	})
	t.Run("a loop ends at the same place each time, and says which setting", func(t *testing.T) {
		g := load(t, e, tool(forever, unreachable).bytes(), host.Limits{Fuel: 1_234_567})
		for range 3 {
			u, err := calling(g, 0)
			wantCode(t, err, abi.CodeLimit)
			if u.Fuel != 1_234_567 {
				t.Errorf("used %d units", u.Fuel)
			}
			out := host.Outward(err)
			if out.Message != "the plugin used up the fuel of its call; the limit is 1234567" || out.Hint != "raise limits: fuel: in guest.yaml" {
				t.Errorf("got %q, hint %q", out.Message, out.Hint)
			}
		}
		if s := g.stats(); s.Fuel != 3*1_234_567 || s.Calls != 3 || s.Traps != 0 {
			t.Errorf("got %+v", s)
		}
	})
	t.Run("what a call may not use it may use at its start", func(t *testing.T) {
		m := tool(i32c(2))
		m.funcs = append(m.funcs, asmFunc{"_initialize", signature{}, counted1000()})
		if _, err := calling(load(t, e, m.bytes(), host.Limits{Fuel: 100}), 0); err != nil {
			t.Error(err)
		}
	})
}

// counted1000 is a loop of a thousand turns; memory keeps the count.
func counted1000() []byte {
	return slices.Concat([]byte{0x03, 0x40}, i32c(100), load32(100), i32c(1), []byte{0x6a, 0x36, 2, 0},
		load32(100), i32c(1000), []byte{0x48, 0x0d, 0, 0x0b})
}

func TestCodeIsBoundedAtLoad(t *testing.T) {
	e := newEngine(t, Config{})
	for name, tc := range map[string]struct {
		m    *module
		text string
	}{
		"blocks nested 5,100 deep": {
			tool([]byte(strings.Repeat("\x02\x40", 5100)), []byte(strings.Repeat("\x0b", 5100)), i32c(2)),
			"function 6 (exported as gantry_call): blocks are nested deeper than the 5000",
		},
		"a br_table of 30,000": {
			tool([]byte{0x02, 0x40}, i32c(0), []byte{0x0e}, leb(30_000), make([]byte, 30_001), []byte{0x0b}, i32c(2)),
			"30000 targets in a br_table; at most 20000",
		},
		"9,000 locals in 5,000 blocks": {
			tool([]byte{localsMark, 1}, leb(9_000), []byte{0x7f}, []byte(strings.Repeat("\x02\x40\x0b", 5_000)), i32c(2)),
			"their product may be at most",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wasm := tc.m.bytes()
			_, _, err := e.Load(t.Context(), Artifact{Name: "bomb", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
			wantCode(t, err, abi.CodeLimit)
			if !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %q, want %q in it", err, tc.text)
			}
		})
	}
	t.Run("the operator's bounds count, and the message says which flag", func(t *testing.T) {
		small := newEngine(t, Config{Admission: wasmbin.Limits{FileBytes: 4 << 10, Functions: 3, BodyBytes: 2000, Locals: 10, Nesting: 5, Tables: 1, TableEntries: 7}})
		funcs := func(m *module) { m.funcs = slices.Repeat(m.funcs, 4) }
		for flag, wasm := range map[string][]byte{
			"--max-module":        tool(slices.Repeat([]byte{0x01}, 4<<10), i32c(2)).bytes(),
			"--max-functions":     changed(funcs),
			"--max-body":          tool(slices.Repeat([]byte{0x01}, 3000), i32c(2)).bytes(),
			"--max-locals":        tool([]byte{localsMark, 1, 11, 0x7f}, i32c(2)).bytes(),
			"--max-nesting":       tool([]byte(strings.Repeat("\x02\x40", 6)), []byte(strings.Repeat("\x0b", 6)), i32c(2)).bytes(),
			"--max-tables":        changed(func(m *module) { m.tables = make([][2]int, 2) }),
			"--max-table-entries": changed(func(m *module) { m.tables = [][2]int{{8, -1}} }),
		} {
			_, _, err := small.Load(t.Context(), Artifact{Name: "bad", Digest: digestOf(wasm), Wasm: wasm})
			wantCode(t, err, abi.CodeLimit)
			if got, want := host.Outward(err).Hint, "where the plugin is trusted, the operator can serve with a higher "+flag; got != want {
				t.Errorf("%s: got the hint %q for %v", flag, got, err)
			}
		}
		if _, _, err := small.Load(t.Context(), Artifact{Name: "good", Digest: digestOf(tool(i32c(2)).bytes()), Wasm: tool(i32c(2)).bytes()}); err != nil {
			t.Errorf("what keeps to them: %v", err)
		}
		_, err := New(Config{Admission: wasmbin.Limits{Locals: -1}})
		wantCode(t, err, abi.CodeInvalidArg)
	})
	t.Run("a name that the host keeps", func(t *testing.T) {
		wasm := changed(func(m *module) { m.exports = []asmExport{{"gantry_meter.left", 0, 6}} })
		_, _, err := e.Load(t.Context(), Artifact{Name: "bad", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
		wantCode(t, err, abi.CodeContract)
	})
	t.Run("a select whose type the compiler would take for code", func(t *testing.T) {
		wasm := tool(i32c(1), i32c(2), i32c(0), []byte{0x1c, 1, 0x63, 0x0f}).bytes()
		_, _, err := e.Load(t.Context(), Artifact{Name: "bad", Digest: digestOf(wasm), Wasm: wasm, Limits: host.Limits{}})
		wantCode(t, err, abi.CodeContract)
		if !strings.Contains(err.Error(), "a select of type 0x63") {
			t.Errorf("got %v", err)
		}
	})
}

func TestARunEndsAfterAnOperationThatOutlastsIt(t *testing.T) {
	g := loadGo(t, Config{}, host.Limits{})
	entered, release := make(chan struct{}), make(chan struct{})
	deaf := &border{op: func(context.Context, string, []byte) ([]byte, error) {
		entered <- struct{}{}
		<-release
		return []byte("{}"), nil
	}}
	for name, tc := range map[string]struct {
		want abi.Code
		end  func(cancel context.CancelFunc)
		wall time.Duration
	}{
		"at the time limit":            {abi.CodeDeadline, func(context.CancelFunc) { time.Sleep(time.Second) }, time.Second},
		"when its caller has given up": {abi.CodeCancelled, func(cancel context.CancelFunc) { cancel() }, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan error, 1)
			go func() {
				_, _, err := g.Call(ctx, &host.GuestCall{Index: toolOp, Input: []byte("x"), Border: deaf, Limits: host.Limits{Wall: tc.wall}})
				done <- err
			}()
			select {
			case <-entered:
			case err := <-done:
				t.Fatalf("the run ended before its operation: %v", err)
			}
			tc.end(cancel)
			release <- struct{}{}
			wantCode(t, <-done, tc.want)
		})
	}
}

func TestACancellationAfterTheCallLeavesTheInstance(t *testing.T) {
	g := load(t, newEngine(t, Config{}), echo().bytes(), host.Limits{})
	for range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := callTool(ctx, g, 0, "a", nil); err != nil {
			t.Fatal(err)
		}
		cancel()
	}
	if s := g.stats(); s.Instances != 1 || s.Idle != 1 {
		t.Errorf("got %+v, want the one instance", s)
	}
}
