// Copyright 2026 The Gantry Authors.

//go:build hammer

package hammer

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// scale is how long the proofs run, as a multiple of what CI does.
func scale() int {
	n, err := strconv.Atoi(os.Getenv("GANTRY_HAMMER"))
	if err != nil || n < 1 {
		return 1
	}
	return n
}

// echoBuilds compiles the echo example in two versions.
func echoBuilds(t *testing.T, versions ...string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, v := range versions {
		file := filepath.Join(t.TempDir(), "echo.wasm")
		gantrytest.BuildPlugin(t, "examples/echo", file, "-X main.version="+v)
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, data)
	}
	return out
}

// echoed is what the echo tool answers.
type echoed struct {
	Text    string `json:"text"`
	Tenant  string `json:"tenant"`
	Version string `json:"version"`
}

func parseEcho(text string) (echoed, error) {
	var e echoed
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return e, fmt.Errorf("the answer is not echo's: %.200q", text)
	}
	return e, nil
}

// tally counts answers and keeps the first few complaints.
type tally struct {
	calls, failed, wrong atomic.Int64
	mu                   sync.Mutex
	first                []string
}

func (y *tally) complain(n *atomic.Int64, format string, args ...any) {
	n.Add(1)
	y.mu.Lock()
	defer y.mu.Unlock()
	if len(y.first) < 10 {
		y.first = append(y.first, fmt.Sprintf(format, args...))
	}
}

func (y *tally) report(t *testing.T, what string) {
	t.Helper()
	t.Logf("%s: %d calls, %d failed, %d wrong", what, y.calls.Load(), y.failed.Load(), y.wrong.Load())
	for _, s := range y.first {
		t.Error(s)
	}
	if y.calls.Load() == 0 {
		t.Error("no call was made")
	}
}

// TestHotReloadUnderLoad replaces a plugin again and again while REST and MCP callers use it.
func TestHotReloadUnderLoad(t *testing.T) {
	h := gantrytest.New(t)
	builds := echoBuilds(t, "one", "two")
	h.Put("echo.wasm", builds[0])
	h.Start()
	key := h.Token()
	stop := make(chan struct{})
	var y tally
	var seen sync.Map
	var wg sync.WaitGroup
	for i := range 4 {
		c := gantrytest.NewCaller(h.URL, key)
		wg.Go(func() { callUntil(stop, c, i%2 == 0, fmt.Sprintf("caller-%d", i), &y, &seen) })
	}
	end := time.Now().Add(time.Duration(15*scale()) * time.Second)
	reloads := 0
	for ; time.Now().Before(end); reloads++ {
		time.Sleep(250 * time.Millisecond)
		h.Put("echo.wasm", builds[(reloads+1)%2])
	}
	close(stop)
	wg.Wait()
	y.report(t, fmt.Sprintf("%d reloads", reloads))
	for _, v := range []string{"one", "two"} {
		if _, ok := seen.Load(v); !ok {
			t.Errorf("version %s never answered", v)
		}
	}
}

func callUntil(stop <-chan struct{}, c *gantrytest.Caller, rest bool, who string, y *tally, seen *sync.Map) {
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		y.calls.Add(1)
		want := fmt.Sprintf("%s call %d", who, n)
		got, err := callEcho(c, rest, want)
		switch {
		case err != nil:
			y.complain(&y.failed, "%s: %v", want, err)
		case got.Text != want || got.Tenant != "default":
			y.complain(&y.wrong, "%s: got %+v", want, got)
		default:
			seen.Store(got.Version, true)
		}
	}
}

// callEcho calls the tool echo_who over REST or over MCP.
func callEcho(c *gantrytest.Caller, rest bool, text string) (echoed, error) {
	const tool = "echo_who"
	in := map[string]string{"text": text}
	if rest {
		out, err := c.Run(tool, in)
		if err != nil {
			return echoed{}, err
		}
		return parseEcho(out)
	}
	out, isError, err := c.CallTool(tool, in)
	if err != nil {
		return echoed{}, err
	}
	if isError {
		return echoed{}, fmt.Errorf("the tool failed: %s", out)
	}
	return parseEcho(out)
}

// TestTenantsNeverMeet lets twelve tenants, each with a plugin of its own beside a shared one, make
// 9,000 mixed calls at once; no answer, tool list or stream may hold another tenant's.
func TestTenantsNeverMeet(t *testing.T) {
	const tenants, calls = 12, 750
	h := gantrytest.New(t)
	h.Extra = []string{"--cache", filepath.Join(t.TempDir(), "cache")}
	h.Put("echo.wasm", echoBuilds(t, "shared")[0])
	own := make([]string, tenants)
	for i := range own {
		own[i] = fmt.Sprintf("own%02d", i)
		file := filepath.Join(t.TempDir(), "own.wasm")
		gantrytest.BuildPlugin(t, "examples/echo", file, "-X main.version=v"+own[i]+" -X main.plugin="+own[i]+" -X main.tool=echo_"+own[i])
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		h.Put(own[i]+".yaml", fmt.Appendf(nil, "tenants: [t%02d]\n", i))
		h.Put(own[i]+".wasm", data)
	}
	if bin := os.Getenv("GANTRY_RACE_BIN"); bin != "" {
		h.Start() // compiles the plugins, which takes minutes under the race detector
		h.Stop()
		h.Bin = bin
	}
	h.Start()
	var y tally
	var wg sync.WaitGroup
	for i := range tenants {
		tenant := fmt.Sprintf("t%02d", i)
		c := gantrytest.NewCaller(h.URL, h.Token("--tenant", tenant))
		wg.Go(func() {
			for n := range calls {
				y.calls.Add(1)
				if err := tenantCall(c, tenant, own, i, n); err != nil {
					y.complain(&y.wrong, "%s call %d: %v", tenant, n, err)
				}
			}
		})
	}
	wg.Wait()
	y.report(t, "12 tenants")
	if log := h.Stop(); strings.Contains(log, "DATA RACE") {
		t.Errorf("the race detector spoke:\n%.4000s", log)
	}
}

// tenantCall makes one of five kinds of call and checks that everything in the answer is the tenant's.
func tenantCall(c *gantrytest.Caller, tenant string, own []string, i, n int) error {
	text := fmt.Sprintf("%s says %d", tenant, n)
	check := func(got echoed, err error) error {
		if err == nil && (got.Text != text || got.Tenant != tenant) {
			err = fmt.Errorf("a foreign answer: %+v", got)
		}
		return err
	}
	switch n % 5 {
	case 0:
		return check(callEcho(c, false, text))
	case 1:
		return check(callEcho(c, true, text))
	case 2:
		out, isError, err := c.CallTool("echo_"+own[i]+"_who", map[string]string{"text": text})
		if err != nil || isError {
			return fmt.Errorf("own tool: %v %s", err, out)
		}
		return check(parseEcho(out))
	case 3:
		return onlyOwnTools(c, own, i)
	}
	foreign := "echo_" + own[(i+1)%len(own)]
	out, isError, err := c.CallTool(foreign, map[string]string{"text": text})
	if err == nil && !isError {
		return fmt.Errorf("the foreign tool %s answered %s", foreign, out)
	}
	return nil
}

// onlyOwnTools lists the tools and looks for another tenant's.
func onlyOwnTools(c *gantrytest.Caller, own []string, i int) error {
	r, err := c.Modern("tools/list", "", nil)
	if err != nil {
		return err
	}
	var list struct {
		Tools []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if r.Error != nil {
		return fmt.Errorf("tools/list: %+v", r.Error)
	}
	if err := json.Unmarshal(r.Result, &list); err != nil {
		return err
	}
	mine := false
	for _, tool := range list.Tools {
		for j, name := range own {
			if tool.Name == "echo_"+name {
				if j != i {
					return fmt.Errorf("the list shows the foreign tool %s", tool.Name)
				}
				mine = true
			}
		}
	}
	if !mine {
		return fmt.Errorf("the list of %d tools lacks the tenant's own", len(list.Tools))
	}
	return nil
}

// TestKillLosesNothing kills the host with SIGKILL while it writes keys and runs; whatever it had
// acknowledged is there after the restart, and every restart opens.
func TestKillLosesNothing(t *testing.T) {
	cycles := 25 * scale()
	h := gantrytest.New(t)
	h.Put("echo.wasm", echoBuilds(t, "kept")[0])
	h.Start()
	// A run belongs to its user, so every key of the user sees it.
	key := h.Token("--user", "hammer")
	all := map[string]acked{} // by request id, or what is in its place
	for cycle := range cycles {
		got := writeUntilKilled(h, key, cycle)
		for id, a := range got {
			all[id] = a
		}
		h.Start()
		if lost := missing(t, h, key, got); lost > 0 {
			t.Fatalf("cycle %d: %d of %d acknowledged runs lost", cycle, lost, len(got))
		}
		keep := h.Token("--user", "hammer", "--name", fmt.Sprintf("cycle %d", cycle))
		if status, out, err := gantrytest.NewCaller(h.URL, keep).Do("GET", "/mcp/manifest", nil); err != nil || status != 200 {
			t.Fatalf("cycle %d: a fresh key is refused: %d %s %v", cycle, status, out, err)
		}
		key = keep // made just before the next kill: it has to survive it
	}
	if lost := missing(t, h, key, all); lost > 0 {
		t.Fatalf("at the end %d of %d acknowledged runs are lost", lost, len(all))
	}
	t.Logf("%d kills, %d acknowledged runs and %d keys, 0 lost", cycles, len(all), cycles)
	if len(all) == 0 {
		t.Error("nothing was acknowledged; the test proved nothing")
	}
}

// acked is a run that was acknowledged: its call id, whether it has a request id, and whether its final
// event was seen.
type acked struct {
	call      string
	requested bool
	final     bool
}

// writeUntilKilled starts runs from four callers, every second without a request id, kills the host
// after a moment that differs from cycle to cycle, and returns the acknowledged ones.
func writeUntilKilled(h *gantrytest.Host, key string, cycle int) map[string]acked {
	var mu sync.Mutex
	out := map[string]acked{}
	var wg sync.WaitGroup
	for w := range 4 {
		c := gantrytest.NewCaller(h.URL, key)
		wg.Go(func() {
			for n := 0; ; n++ {
				id := fmt.Sprintf("req-%d-%d-%d", cycle, w, n)
				a := acked{requested: n%2 == 0}
				asked := id
				if !a.requested {
					asked = ""
				}
				var err error
				if a.call, err = c.Execute("echo", map[string]string{"text": id}, asked); err != nil {
					return
				}
				mu.Lock()
				out[id] = a
				mu.Unlock()
				if n%3 == 0 {
					continue
				}
				if events, err := c.Stream(a.call); err != nil || len(events) == 0 || events[len(events)-1].Event != "final" {
					return
				}
				a.final = true
				mu.Lock()
				out[id] = a
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Duration(40+(cycle*37)%160) * time.Millisecond)
	h.Kill()
	wg.Wait()
	return out
}

// missing counts the acknowledged runs that the host does not know any more, or of which it tells another
// end than it has: the same request id has to answer the same call, and the call has to be there.
func missing(t *testing.T, h *gantrytest.Host, key string, runs map[string]acked) int {
	t.Helper()
	c := gantrytest.NewCaller(h.URL, key)
	lost := 0
	for id, a := range runs {
		status, out, err := c.Do("GET", "/mcp/calls/"+a.call, nil)
		if err != nil || status != 200 || a.final && !strings.Contains(string(out), `"status":"finished"`) {
			t.Logf("run %s of %s, %+v: %d %s %v", a.call, id, a, status, out, err)
			lost++
			continue
		}
		if !a.requested {
			continue
		}
		again, err := c.Execute("echo", map[string]string{"text": id}, id)
		if err != nil || again != a.call {
			t.Logf("request %s was run %s, now %s %v", id, a.call, again, err)
			lost++
		}
	}
	return lost
}
