// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// counting counts its calls in a global and in its memory, and answers the sum of both as a digit.
// change is run before.
func counting(change ...[]byte) *module {
	m := tool(slices.Concat(change...),
		[]byte{0x23, 0}, i32c(1), []byte{0x6a, 0x24, 0}, // global 0 ++
		i32c(100), load32(100), i32c(1), []byte{0x6a, 0x36, 2, 0}, // memory[100] ++
		i32c(200), []byte{0x23, 0}, load32(100), []byte{0x6a}, i32c('0'), []byte{0x6a, 0x3a, 0, 0},
		i32c(200), i32c(1), call(fnOutput), i32c(2))
	m.globals = 2
	return m
}

func counted(t *testing.T, g *guest, tenant host.TenantID) string {
	t.Helper()
	out, _, err := g.Call(t.Context(), &host.GuestCall{Tenant: tenant, Border: &border{}})
	if err != nil {
		t.Fatal(err)
	}
	return string(out.Data)
}

func TestIsolation(t *testing.T) {
	tenants := []host.TenantID{"a", "a", "b", "a", "b"}
	for _, tc := range []struct {
		promise   string
		isolation host.Isolation
		module    *module
		want      []string
		instances int
	}{
		{"under call every call is the first", host.IsolationCall, counting(), []string{"2", "2", "2", "2", "2"}, 1},
		{"under tenant a tenant meets its own calls alone", host.IsolationTenant, counting(), []string{"2", "4", "2", "6", "4"}, 2},
		{"under shared all calls meet", host.IsolationShared, counting(), []string{"2", "4", "6", "8", ":"}, 1},
		{"a module that changes a table gets a new instance for every call", host.IsolationCall,
			changesTable(), []string{"2", "2", "2", "2", "2"}, 0},
		{"a module that grows is put back to what it was", host.IsolationCall,
			counting(i32c(1), []byte{0x40, 0}, drop), []string{"2", "2", "2", "2", "2"}, 1},
	} {
		t.Run(tc.promise, func(t *testing.T) {
			g := loadAs(t, newEngine(t, Config{VerifyEvery: 1}), tc.module.bytes(), host.Limits{}, tc.isolation)
			for i, tenant := range tenants {
				if got := counted(t, g, tenant); got != tc.want[i] {
					t.Errorf("call %d of tenant %s: counts %s, want %s", i, tenant, got, tc.want[i])
				}
			}
			if s := g.stats(); s.Instances != tc.instances || s.Mismatches != 0 {
				t.Errorf("got %+v, want %d instances", s, tc.instances)
			}
		})
	}
}

// growsAndMarks answers the sum of the pages it has before it grows by some, and of the byte it then
// finds in the last, which it sets.
func growsAndMarks(pages int) *module {
	last := i32c(pageBytes*(pages+1) - 1)
	return tool(
		i32c(200), i32c(pages), []byte{0x40, 0}, last, []byte{0x2d, 0, 0, 0x6a}, i32c('0'), []byte{0x6a, 0x3a, 0, 0},
		last, i32c(5), []byte{0x3a, 0, 0},
		i32c(200), i32c(1), call(fnOutput), i32c(2))
}

func TestGrowthIsPutBack(t *testing.T) {
	const pages = 600
	for promise, most := range map[string]int{
		"a memory without a maximum": -1, "a memory that grows to its maximum": pages + 1,
		"a memory whose maximum is all there can be": maxPages,
	} {
		t.Run(promise, func(t *testing.T) {
			m := growsAndMarks(pages)
			m.memory[1] = most
			growthIsPutBack(t, m, pages)
		})
	}
	t.Run("a module's own maximum stays one", func(t *testing.T) {
		m := tool(i32c(200), i32c(2), []byte{0x40, 0}, i32c('0'), []byte{0x6a, 0x3a, 0, 0},
			i32c(1), []byte{0x40, 0, 0x41, 0x7f, 0x47, 0x04, 0x40, 0x00, 0x0b}, // it has to be -1
			i32c(200), i32c(1), call(fnOutput), i32c(2))
		m.memory[1] = 3
		g := load(t, newEngine(t, Config{VerifyEvery: 1}), m.bytes(), host.Limits{})
		for range 3 {
			if got := counted(t, g, "a"); got != "1" {
				t.Errorf("it had %s pages before it grew, want 1", got)
			}
		}
	})
}

func growthIsPutBack(t *testing.T, m *module, pages int64) {
	t.Helper()
	e := newEngine(t, Config{VerifyEvery: 1})
	g := load(t, e, m.bytes(), host.Limits{})
	usable := int64(0)
	for range 5 {
		if got := counted(t, g, "a"); got != "1" {
			t.Fatalf("it found %s, want a page at the start and zeros in the last", got)
		}
		if s := e.Stats(); s.MemoryBytes != pageBytes || s.Plugins[0].Instances != 1 || s.Totals.Mismatches != 0 {
			t.Fatalf("got %+v, want one instance of a page", s)
		}
		mem := g.pool.idle[0].mem
		if usable == 0 {
			usable = mem.usable
		}
		if mem.usable != usable || usable < pages*pageBytes {
			t.Errorf("%d bytes are usable, before it were %d", mem.usable, usable)
		}
	}
}

// TestWhatEndsACallIsPutBack ends calls in every way that leaves the module open, and finds the next
// call, on the same instance, where the first one was.
func TestWhatEndsACallIsPutBack(t *testing.T) {
	trap := []byte{0x00}
	for _, tc := range []struct {
		name  string
		fault []byte
		code  abi.Code
	}{
		{"a crash", trap, abi.CodeTrap},
		{"a crash after growing", slices.Concat(i32c(600), []byte{0x40, 0}, drop, trap), abi.CodeTrap},
		{"recursion without end", slices.Concat(i32c(0), call(len(contract)+1), drop), abi.CodeTrap},
		{"ending itself", slices.Concat(i32c(7), call(len(contract)), trap), abi.CodeTrap},
		{"a pointer outside of memory", slices.Concat(i32c(-8), i32c(64), call(fnOutput)), abi.CodeTrap},
		{"an answer over its limit", slices.Concat(i32c(0), i32c(2000), call(fnOutput)), abi.CodeLimit},
		{"a loop without end", []byte{0x03, 0x40, 0x0c, 0, 0x0b}, abi.CodeDeadline},
		{"all of its memory written", slices.Concat(i32c(0), i32c(1), i32c(20*pageBytes), []byte{0xfc, 0x0b, 0}, trap), abi.CodeTrap},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := counting(i32c(300), i32c(1), call(fnInput), []byte{0x04, 0x40}, i32c(9), []byte{0x24, 0}, i32c(100), i32c(9), []byte{0x36, 2, 0}, tc.fault, []byte{0x0b})
			m.imports = []asmImport{{"wasi_snapshot_preview1", "proc_exit", signature{i32, ""}}}
			m.memory = [2]int{20, -1}
			g := load(t, newEngine(t, Config{VerifyEvery: 1}), m.bytes(), host.Limits{OutputBytes: 1000})
			times := 10 // of the eighth reset more is looked at
			if strings.HasPrefix(tc.name, "recursion") {
				times = 2 // each copies a stack of hundreds of megabytes
			}
			for range times {
				c := &host.GuestCall{Tenant: "a", Input: []byte("x"), Border: &border{}}
				if tc.code == abi.CodeDeadline {
					c.Limits.Wall = 2 * time.Millisecond
				}
				_, _, err := g.Call(t.Context(), c)
				wantCode(t, err, tc.code)
				if got := counted(t, g, "b"); got != "2" {
					t.Fatalf("counts %s, want 2", got)
				}
			}
			if s := g.stats(); s.Instances != 1 || s.Mismatches != 0 {
				t.Errorf("got %+v, want one instance", s)
			}
		})
	}
}

// A call that is cancelled while its last line is passed on leaves another, which must not become the
// next tenant's.
func TestLinesOfAnEndedCallAreNobodyElses(t *testing.T) {
	write := func(file, text int) []byte { // fd_write(file, an iovec at 400 of 4 bytes at text)
		return slices.Concat(i32c(400), i32c(text), []byte{0x36, 2, 0}, i32c(404), i32c(4), []byte{0x36, 2, 0},
			i32c(file), i32c(400), i32c(1), i32c(408), call(len(contract)), drop)
	}
	m := tool(i32c(300), i32c(8), call(fnInput), []byte{0x04, 0x40}, write(1, 300), write(2, 304), []byte{0x0b}, i32c(2))
	m.imports = []asmImport{{"wasi_snapshot_preview1", "fd_write", signature{i32 + i32 + i32 + i32, i32}}}
	g := load(t, newEngine(t, Config{}), m.bytes(), host.Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	_, _, err := g.Call(ctx, &host.GuestCall{Tenant: "a", Input: []byte("out!err!"), Border: &cancelling{cancel: cancel}})
	if s := g.stats(); host.CodeOf(err) != "" && host.CodeOf(err) != abi.CodeCancelled || s.Instances != 1 {
		t.Fatalf("got %v, %+v; want one instance", err, s)
	}
	b := &border{}
	if _, _, err := g.Call(t.Context(), &host.GuestCall{Tenant: "b", Border: b}); err != nil || len(b.lines) > 0 {
		t.Errorf("got %v and the lines %q", err, b.lines)
	}
}

// cancelling gives its call up when it hears of a line.
type cancelling struct {
	border
	cancel context.CancelFunc
}

// Log implements host.Border.
func (c *cancelling) Log(context.Context, abi.LogLevel, []byte) { c.cancel() }

// changesTable grows its table with a null each time.
func changesTable() *module {
	m := counting([]byte{0xd0, 0x70}, i32c(1), []byte{0xfc, 15, 0}, drop)
	m.tables = [][2]int{{1, 10}}
	return m
}

func TestEveryInstanceStartsFromTheSameImage(t *testing.T) {
	m := counting()
	// _initialize leaves a mark of its own.
	m.funcs = append(m.funcs, asmFunc{"_initialize", signature{}, slices.Concat(
		i32c(100), i32c(3), []byte{0x36, 2, 0}, i32c(5), []byte{0x24, 0})})
	g := load(t, newEngine(t, Config{VerifyEvery: 1}), m.bytes(), host.Limits{Concurrency: 8})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				out, _, err := g.Call(t.Context(), &host.GuestCall{Tenant: "a", Border: &border{}})
				if err != nil || string(out.Data) != ":" { // 6 and 4
					t.Errorf("got %q, %v", out.Data, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s := g.stats(); s.Mismatches != 0 {
		t.Errorf("got %+v", s)
	}
}

// TestManyMixedCallsLeaveNothingBehind calls a Go guest in many ways for two tenants, compares
// resets with the image, and looks for the tenants' marks in what is left. GANTRY_MILLION=1 makes it
// a million calls.
func TestManyMixedCallsLeaveNothingBehind(t *testing.T) {
	calls := 4_000
	switch {
	case os.Getenv("GANTRY_MILLION") != "":
		calls = 1_000_000
	case testing.Short():
		calls = 1_000
	}
	const callers, every = 4, 20
	g := loadGo(t, Config{VerifyEvery: every}, host.Limits{Concurrency: callers})
	var wg sync.WaitGroup
	for c := range callers {
		tenant := host.TenantID([]string{"mark-of-a", "mark-of-b"}[c%2])
		wg.Go(func() {
			for i := range calls / callers {
				if err := mixedCall(t.Context(), g, tenant, i); err != nil {
					t.Errorf("call %d of tenant %s: %v", i, tenant, err)
					return
				}
			}
		})
	}
	wg.Wait()
	s := g.stats()
	if s.Mismatches != 0 || s.ResetBytes == 0 || s.Idle == 0 {
		t.Errorf("got %+v", s)
	}
	for _, in := range g.pool.idle {
		if bytes.Contains(in.mem.space[:in.mem.size], []byte("mark-of-")) {
			t.Error("an instance still holds what a tenant said")
		}
	}
	t.Logf("%d calls, %d crashed, %d MB put back, %d of %d resets compared, %d differed",
		s.Calls, s.Traps, s.ResetBytes>>20, g.resets.Load()/every, g.resets.Load(), s.Mismatches)
}

// mixedCall makes one call; which, and how large, goes by i.
func mixedCall(ctx context.Context, g *guest, tenant host.TenantID, i int) error {
	c := &host.GuestCall{Index: toolCount, Tenant: tenant, Border: &border{}}
	want, code := "1", abi.Code("")
	switch i % 5 {
	case 1, 2:
		c.Index, c.Input = toolEcho, fmt.Appendf(nil, `{"tenant":%q,"pad":"%0*d"}`, tenant, 1+i*37%5000, i)
		want = string(c.Input)
	case 3:
		c.Index, c.Input, code = toolFail, fmt.Appendf(nil, `{"code":"NO","message":%q}`, tenant), "NO"
	}
	switch {
	case i%991 == 990:
		c.Index, c.Input, code = toolPanic, []byte(tenant), abi.CodeTrap
	case i%4999 == 4998:
		c.Index, c.Limits.Wall, code = toolLoop, 2*time.Millisecond, abi.CodeDeadline
	}
	out, _, err := g.Call(ctx, c)
	switch {
	case code != "" && host.CodeOf(err) == code:
		return nil
	case err != nil:
		return err
	case string(out.Data) != want:
		return fmt.Errorf("got %.100q, want %.100q", out.Data, want)
	}
	return nil
}

func TestACallCannotCloseTheNextOnesOutput(t *testing.T) {
	m := tool(nil)
	m.imports = []asmImport{{"wasi_snapshot_preview1", "fd_close", signature{i32, i32}}}
	m.funcs[0].body = slices.Concat([]byte{localsMark, 1, 1, 0x7f}, // answers fd_close(1) as a digit
		i32c(1), call(len(contract)), i32c('0'), []byte{0x6a, 0x21, 1},
		i32c(200), []byte{0x20, 1, 0x3a, 0, 0}, i32c(200), i32c(1), call(fnOutput), i32c(2))
	g := load(t, newEngine(t, Config{}), m.bytes(), host.Limits{})
	for range 3 {
		if got := counted(t, g, "a"); got != "0" {
			t.Errorf("fd_close(1) answered %s, want 0 each time", got)
		}
	}
}
