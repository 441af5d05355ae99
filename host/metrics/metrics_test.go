// Copyright 2026 The Gantry Authors.

package metrics

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, c Config) *Metrics {
	t.Helper()
	m, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// scrape is every line but the comments, and but those of Go's own.
func scrape(t testing.TB, m *Metrics) (lines []string) {
	t.Helper()
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") {
		t.Fatalf("got %d %s: %s", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	for line := range strings.Lines(w.Body.String()) {
		if strings.HasPrefix(line, "gantry_") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines
}

func has(t testing.TB, lines []string, want ...string) {
	t.Helper()
	all := strings.Join(lines, "\n") + "\n"
	for _, w := range want {
		if !strings.Contains(all, w+"\n") {
			t.Errorf("there is no line %s in\n%s", w, all)
		}
	}
}

func count(lines []string, prefix string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func TestCalls(t *testing.T) {
	t.Run("are counted by plugin, tool, surface and outcome", func(t *testing.T) {
		m := open(t, Config{Version: "1.2"})
		for range 3 {
			m.Call(&Call{Tenant: "acme", Plugin: "text", Tool: "text_hash", Surface: "mcp", Wall: 30 * time.Microsecond, Fuel: 7})
		}
		m.Call(&Call{Tenant: "acme", Plugin: "text", Tool: "text_hash", Surface: "rest", Code: abi.CodeTrap, Wall: time.Second, Fuel: 2})
		m.Call(&Call{Tenant: "beta", Plugin: "text", Tool: "text_hash", Surface: "rest", Code: abi.CodeTrap, Fuel: 1})
		has(t, scrape(t, m),
			`gantry_calls_total{code="ok",plugin="text",surface="mcp",tool="text_hash"} 3`,
			`gantry_calls_total{code="PLUGIN_CRASHED",plugin="text",surface="rest",tool="text_hash"} 2`,
			`gantry_call_seconds_bucket{plugin="text",tool="text_hash",le="5e-05"} 4`,
			`gantry_call_seconds_count{plugin="text",tool="text_hash"} 5`,
			`gantry_fuel_total{plugin="text",tenant="acme"} 23`,
			`gantry_fuel_total{plugin="text",tenant="beta"} 1`,
			`gantry_build_info{version="1.2"} 1`)
	})
	t.Run("a caller's own words make no labels", func(t *testing.T) {
		m := open(t, Config{})
		for i := range 100 {
			m.Call(&Call{Tool: fmt.Sprint("guess", i), Surface: "mcp", Code: abi.CodeUnknownTool})
			m.Call(&Call{Plugin: "docs", Tool: fmt.Sprint("doc://", i), Kind: "read", Surface: "mcp"})
		}
		lines := scrape(t, m)
		has(t, lines, `gantry_calls_total{code="UNKNOWN_TOOL",plugin="",surface="mcp",tool=""} 100`,
			`gantry_calls_total{code="ok",plugin="docs",surface="mcp",tool="(read)"} 100`)
		if n := len(*m.calls.byTool.Load()); n != 2 {
			t.Errorf("%d names are kept, want 2", n)
		}
	})
	t.Run("what has no room is counted under _other, and none is lost", func(t *testing.T) {
		m := open(t, Config{MaxTools: 5, MaxTenants: 3})
		for i := range 50 {
			m.Call(&Call{Tenant: host.TenantID(fmt.Sprint("t", i)), Plugin: "p", Tool: fmt.Sprint("tool", i), Surface: "mcp", Fuel: 1})
			m.Call(&Call{Tenant: host.TenantID(fmt.Sprint("t", i)), Plugin: fmt.Sprint("q", i), Tool: "one", Surface: "mcp", Fuel: 1})
		}
		lines := scrape(t, m)
		if n := count(lines, "gantry_calls_total"); n > 7 {
			t.Errorf("%d series of calls, want at most 7", n)
		}
		if n := count(lines, "gantry_fuel_total"); n > 8 {
			t.Errorf("%d series of fuel, want at most 8", n)
		}
		for _, name := range []string{"gantry_calls_total", "gantry_fuel_total"} {
			sum := 0
			for _, l := range lines {
				if strings.HasPrefix(l, name) {
					var n int
					if _, err := fmt.Sscan(l[strings.LastIndexByte(l, ' ')+1:], &n); err != nil {
						t.Fatal(err)
					}
					sum += n
				}
			}
			if sum != 100 {
				t.Errorf("%s adds up to %d, want 100", name, sum)
			}
		}
		has(t, lines, `gantry_fuel_total{plugin="p",tenant="_other"} 48`)
	})
	t.Run("codes that a plugin makes up are bounded", func(t *testing.T) {
		m := open(t, Config{})
		for i := range 500 {
			m.Call(&Call{Plugin: "p", Tool: "t", Surface: "mcp", Code: abi.Code(fmt.Sprint("OWN_", i))})
		}
		lines := scrape(t, m)
		if n := count(lines, "gantry_calls_total"); n != maxOwnCodes+2 {
			t.Errorf("got %d series, want %d", n, maxOwnCodes+2)
		}
		has(t, lines, fmt.Sprintf(`gantry_calls_total{code="_other",plugin="p",surface="mcp",tool="t"} %d`, 500-maxOwnCodes))
	})
	t.Run("counting one allocates nothing", func(t *testing.T) {
		m := open(t, Config{})
		c := Call{Tenant: "acme", Plugin: "text", Tool: "hash", Surface: "mcp", Wall: time.Millisecond, Fuel: 1000}
		failed := c
		failed.Code = abi.CodeDeadline
		if n := testing.AllocsPerRun(100, func() { m.Call(&c); m.Call(&failed) }); n != 0 {
			t.Errorf("got %v allocations", n)
		}
	})
	t.Run("many goroutines lose no call", func(t *testing.T) {
		m := open(t, Config{MaxTools: 10, MaxTenants: 10})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 500 {
					m.Call(&Call{Tenant: "a", Plugin: "p", Tool: fmt.Sprint(i % 20), Surface: "mcp", Code: abi.Code([]string{"", "X"}[(g+i)%2]), Fuel: 1})
					if g < 2 && i%100 == 0 { // few, since scrapes at once are bounded
						scrape(t, m)
					}
				}
			})
		}
		wg.Wait()
		has(t, scrape(t, m), `gantry_fuel_total{plugin="p",tenant="a"} 4000`)
	})
}

func TestFamilies(t *testing.T) {
	read := func(add func(float64, ...string)) {
		add(1, "a")
		add(2, "b")
		add(3, "a")
	}
	t.Run("are read at each scrape, and values of the same labels are added up", func(t *testing.T) {
		m := open(t, Config{Families: []Family{{Name: "gantry_x", Help: "X.", Labels: []string{"l"}, Read: read}}})
		has(t, scrape(t, m), `gantry_x{l="a"} 4`, `gantry_x{l="b"} 2`)
	})
	for name, families := range map[string][]Family{
		"a counter without _total": {{Name: "gantry_x", Help: "X.", Counter: true, Read: read}},
		"a gauge with _total":      {{Name: "gantry_x_total", Help: "X.", Read: read}},
		"nothing to read":          {{Name: "gantry_x", Help: "X."}},
		"no help":                  {{Name: "gantry_x", Read: read}},
		"a name twice": {{Name: "gantry_x", Help: "X.", Read: read, Labels: []string{"l"}},
			{Name: "gantry_x", Help: "X.", Read: read, Labels: []string{"l"}}},
		"a name that is taken": {{Name: "gantry_calls_total", Help: "X.", Counter: true, Read: read}},
	} {
		t.Run(name+" is refused", func(t *testing.T) {
			if _, err := New(Config{Families: families}); host.CodeOf(err) != abi.CodeInvalidArg {
				t.Errorf("got %v", err)
			}
		})
	}
}

func BenchmarkCall(b *testing.B) {
	m := open(b, Config{})
	c := Call{Tenant: "acme", Plugin: "text", Tool: "text_hash", Surface: "mcp", Wall: 12 * time.Microsecond, Fuel: 1234}
	b.ReportAllocs()
	for b.Loop() {
		m.Call(&c)
	}
}
