// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"fmt"
	"slices"
	"sync"
	"testing"

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

// TestManyMixedCallsLeaveNothingBehind calls a Go guest in many ways for two tenants, and compares
// resets with the image.
func TestManyMixedCallsLeaveNothingBehind(t *testing.T) {
	calls := 4000
	if testing.Short() {
		calls = 500
	}
	g := loadGo(t, Config{VerifyEvery: 20}, host.Limits{Concurrency: 4})
	var wg sync.WaitGroup
	for c := range 4 {
		tenant := host.TenantID([]string{"a", "b"}[c%2])
		wg.Go(func() {
			for i := range calls {
				if err := mixedCall(t, g, tenant, i); err != nil {
					t.Errorf("call %d of tenant %s: %v", i, tenant, err)
					return
				}
			}
		})
	}
	wg.Wait()
	s := g.stats()
	if s.Mismatches != 0 || s.ResetBytes == 0 {
		t.Errorf("got %+v", s)
	}
	t.Logf("%d calls, %d bytes put back, %d resets compared", s.Calls, s.ResetBytes, g.resets.Load()/20)
}

func mixedCall(t *testing.T, g *guest, tenant host.TenantID, i int) error {
	index, in, want := toolCount, "", "1"
	switch i % 5 {
	case 1, 2:
		index, in = toolEcho, fmt.Sprintf(`{"tenant":%q,"pad":"%0*d"}`, tenant, 1+i*37%5000, i)
		want = in
	case 3:
		index, in = toolFail, `{"code":"NO"}`
	}
	out, _, err := g.Call(t.Context(), &host.GuestCall{Index: index, Tenant: tenant, Input: []byte(in), Border: &border{}})
	switch {
	case index == toolFail && host.CodeOf(err) == "NO":
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
