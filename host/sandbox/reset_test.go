// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
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
		{"a module that grows gets a new instance for every call", host.IsolationCall,
			counting(i32c(1), []byte{0x40, 0}, drop), []string{"2", "2", "2", "2", "2"}, 0},
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
