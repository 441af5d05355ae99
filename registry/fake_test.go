// Copyright 2026 The Gantry Authors.

package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fake module is its manifest in JSON, with " end" after it, so that half of one does not load.
func module(name, version string, tools ...string) []byte {
	if len(tools) == 0 {
		tools = []string{name + "_do"}
	}
	m := abi.Manifest{ABI: abi.Version, Name: name, Version: version}
	for _, t := range tools {
		m.Tools = append(m.Tools, abi.Tool{Name: t})
	}
	return encode(&m)
}

func encode(m *abi.Manifest) []byte {
	data, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return append(data, " end"...)
}

// fakeLoader makes guests without Wasm and remembers them.
type fakeLoader struct {
	mu     sync.Mutex
	guests []*fakeGuest
	loads  atomic.Int64
	// hook, where it is set, runs first.
	hook func(ctx context.Context, a *registry.Artifact) error
}

func (l *fakeLoader) Load(ctx context.Context, a *registry.Artifact) (host.Guest, *abi.Manifest, error) {
	l.loads.Add(1)
	if l.hook != nil {
		if err := l.hook(ctx, a); err != nil {
			return nil, nil, err
		}
	}
	body, whole := strings.CutSuffix(string(a.Wasm), " end")
	if !whole {
		return nil, nil, host.Errorf("fake.Load", abi.CodeContract, "the module is cut off").WithHint("build it again")
	}
	m, err := abi.ParseManifest([]byte(body))
	if err != nil {
		return nil, nil, err
	}
	g := &fakeGuest{version: m.Version}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.guests = append(l.guests, g)
	return g, m, nil
}

func (l *fakeLoader) open() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.guests {
		if !g.closed.Load() {
			n++
		}
	}
	return n
}

var errClosed = errors.New("the guest is closed")

// fakeGuest answers with its version. It never waits in Close, so that a registry which closes too
// early is found out.
type fakeGuest struct {
	version string
	closed  atomic.Bool
	closes  atomic.Int64
	running atomic.Int64
	broken  atomic.Bool // closed while a call ran
}

func (g *fakeGuest) Call(ctx context.Context, c *host.GuestCall) (host.Output, host.Usage, error) {
	if g.closed.Load() {
		return host.Output{}, host.Usage{}, errClosed
	}
	g.running.Add(1)
	defer g.running.Add(-1)
	if string(c.Input) == "wait" {
		<-ctx.Done()
	}
	if g.closed.Load() {
		return host.Output{}, host.Usage{}, errClosed
	}
	return host.Output{Data: []byte(g.version)}, host.Usage{}, nil
}

func (g *fakeGuest) Close(context.Context) error {
	g.closes.Add(1)
	if g.running.Load() > 0 {
		g.broken.Store(true)
	}
	g.closed.Store(true)
	return nil
}

// house is a registry in folders of its own.
type house struct {
	*registry.Registry
	t      *testing.T
	loader *fakeLoader
	cfg    registry.Config
}

// open starts a registry that looks at its folder only when told to, unless c says otherwise.
func open(t *testing.T, c registry.Config) *house {
	t.Helper()
	l, _ := c.Loader.(*fakeLoader)
	if l == nil {
		l = &fakeLoader{}
		c.Loader = l
	}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.HistoryDir == "" {
		c.HistoryDir = t.TempDir()
	}
	if c.Debounce == 0 {
		c.Debounce = time.Hour
	}
	if c.Poll == 0 {
		c.Poll = time.Hour
	}
	c.Logger = quiet()
	r, err := registry.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{Registry: r, t: t, loader: l, cfg: c}
	t.Cleanup(h.close)
	return h
}

func (h *house) close() {
	h.t.Helper()
	if err := h.Close(context.Background()); err != nil {
		h.t.Errorf("close: %v", err)
	}
	if n := h.loader.open(); n != 0 {
		h.t.Errorf("%d guests are open after Close", n)
	}
	for _, g := range h.loader.guests {
		if n := g.closes.Load(); n != 1 || g.broken.Load() {
			h.t.Errorf("guest %s was closed %d times, while a call ran: %v", g.version, n, g.broken.Load())
		}
	}
}

// reopen ends the host and starts it again on the same folders.
func (h *house) reopen() *house {
	h.t.Helper()
	h.close()
	c := h.cfg
	c.Loader = &fakeLoader{hook: h.loader.hook}
	return open(h.t, c)
}

func (h *house) write(file string, data []byte) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.cfg.Dir, file), data, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) remove(file string) {
	h.t.Helper()
	if err := os.Remove(filepath.Join(h.cfg.Dir, file)); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) rescan() {
	h.t.Helper()
	if err := h.Rescan(context.Background()); err != nil {
		h.t.Fatal(err)
	}
}

// put writes files, by turns name and content, and lets them be served.
func (h *house) put(files ...string) {
	h.t.Helper()
	for i := 0; i < len(files); i += 2 {
		h.write(files[i], []byte(files[i+1]))
	}
	h.rescan()
}

// answer is what a tool says to the default tenant: its plugin's version, or "" where there is none.
func (h *house) answer(tool string) string {
	h.t.Helper()
	_, g, release, ok := h.Acquire(host.DefaultTenant, tool)
	if !ok {
		return ""
	}
	defer release()
	out, _, err := g.Call(context.Background(), &host.GuestCall{})
	if err != nil {
		h.t.Errorf("%s: %v", tool, err)
	}
	return string(out.Data)
}

func (h *house) want(tool, version string) {
	h.t.Helper()
	if got := h.answer(tool); got != version {
		h.t.Errorf("%s answers %q, want %q", tool, got, version)
	}
}

func (h *house) status(name string) registry.Status {
	h.t.Helper()
	s, ok := h.Status(name)
	if !ok {
		h.t.Fatalf("no status of %s", name)
	}
	return s
}

func (h *house) wantState(name string, state registry.State, reason string) {
	h.t.Helper()
	s := h.status(name)
	if s.State != state || !strings.Contains(s.Reason, reason) || reason == "" && s.Reason != "" {
		h.t.Errorf("%s is %s (%s), want %s (%s)", name, s.State, s.Reason, state, reason)
	}
}

// eventually waits for what a watcher brings about. The bound is for a machine that hangs.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

func embedded(files ...string) fstest.MapFS {
	out := fstest.MapFS{}
	for i := 0; i < len(files); i += 2 {
		out[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return out
}
