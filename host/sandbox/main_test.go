// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// scratch is a folder of this test run: the built guest and its compiled code.
var scratch = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "sandbox")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch()); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

var goGuest = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(scratch(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/src/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

// The tools of testdata/src/guest, in its order.
const (
	toolEcho = iota
	toolPanic
	toolTalk
	toolOp
	toolEmit
	toolSleep
	toolLoop
	toolHoard
	toolExit
	toolCount
	toolClock
	toolFiles
	toolFail
	toolSilent
	toolStrange
)

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Errorf("closing the engine: %v", err)
		}
		if used := e.budget.Used(); used != 0 {
			t.Errorf("%d bytes of guest memory were not given back", used)
		}
	})
	return e
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func load(t testing.TB, e *Engine, wasm []byte, lim host.Limits) *guest {
	t.Helper()
	return loadAs(t, e, wasm, lim, host.IsolationCall)
}

func loadAs(t testing.TB, e *Engine, wasm []byte, lim host.Limits, i host.Isolation) *guest {
	t.Helper()
	g, _, err := e.Load(t.Context(), Artifact{Name: "guest", Digest: digestOf(wasm), Wasm: wasm, Limits: lim, Isolation: i})
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return g.(*guest)
}

// loadGo loads the Go guest into an engine of its own that shares compiled code with the other tests.
func loadGo(t testing.TB, cfg Config, lim host.Limits) *guest {
	t.Helper()
	return loadGoAs(t, cfg, lim, host.IsolationCall)
}

func loadGoAs(t testing.TB, cfg Config, lim host.Limits, i host.Isolation) *guest {
	t.Helper()
	wasm, err := goGuest()
	if err != nil {
		t.Fatal(err)
	}
	cfg.CacheDir = filepath.Join(scratch(), "cache")
	return loadAs(t, newEngine(t, cfg), wasm, lim, i)
}

// border is a host.Border that notes what it hears.
type border struct {
	mu     sync.Mutex
	events []string
	lines  []string
	op     func(ctx context.Context, name string, req []byte) ([]byte, error)
	emit   func() error
}

func (b *border) Emit(_ context.Context, kind abi.EventKind, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, fmt.Sprintf("%d %s", kind, data))
	if b.emit != nil {
		return b.emit()
	}
	return nil
}

func (b *border) Log(_ context.Context, level abi.LogLevel, line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf("%d %s", level, line))
}

func (b *border) Op(ctx context.Context, name string, req []byte) ([]byte, error) {
	if b.op == nil {
		return nil, host.Errorf("test.Op", abi.CodeForbidden, "no right to %s", name)
	}
	return b.op(ctx, name, req)
}

// callTool calls a tool as the tenant "a".
func callTool(ctx context.Context, g *guest, tool int, input string, b *border) (string, error) {
	if b == nil {
		b = &border{}
	}
	out, _, err := g.Call(ctx, &host.GuestCall{Index: tool, Tenant: "a", Input: []byte(input), Border: b})
	return string(out.Data), err
}

func wantCode(t testing.TB, err error, code abi.Code) {
	t.Helper()
	if got := host.CodeOf(err); got != code {
		t.Fatalf("got code %q (%v), want %q", got, err, code)
	}
}
