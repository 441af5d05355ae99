// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// scratch is a folder of this test run: the built guest and compiled code.
var scratch = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "extismrun")
	if err != nil {
		panic(err)
	}
	return dir
})

// shared is the guest with every export declared, the default limits, and instances that serve call
// after call: most tests need no other.
var shared = sync.OnceValues(func() (*plugin, error) {
	wasm, err := guestWasm()
	if err != nil {
		return nil, err
	}
	e, err := New(Config{CacheDir: filepath.Join(scratch(), "cache"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	g, m, err := e.Load(context.Background(), Artifact{
		Name: "plug", Digest: digest(wasm), Wasm: wasm, Config: declare("", exports...), Isolation: host.IsolationTenant,
	})
	if err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	return &plugin{g.(*guest), m}, nil
})

// isShared says that there is one to close.
var isShared atomic.Bool

func sharedGuest(t testing.TB) *plugin {
	t.Helper()
	isShared.Store(true)
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// tests runs the tests and ends what they share, before anybody looks for what is left.
type tests struct{ *testing.M }

func (m tests) Run() int {
	code := m.M.Run()
	if !isShared.Load() {
		return code
	}
	if p, err := shared(); err == nil {
		if err := p.engine.Close(context.Background()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(tests{m}, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(scratch()); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

var guestWasm = sync.OnceValues(func() ([]byte, error) {
	out := filepath.Join(scratch(), "guest.wasm")
	cmd := exec.Command("go", "build", "-buildmode=c-shared", "-ldflags=-s -w", "-o", out, "./testdata/src/guest")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	return os.ReadFile(out)
})

func goGuest(t testing.TB) []byte {
	t.Helper()
	wasm, err := guestWasm()
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

var sdkDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/extism/go-sdk").Output()
	return filepath.Join(strings.TrimSpace(string(out)), "wasm"), err
})

// sdkWasm is one of the plugins that come with Extism's SDK.
func sdkWasm(t testing.TB, name string) []byte {
	t.Helper()
	dir, err := sdkDir()
	if err != nil {
		t.Fatal(err)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func newEngine(t testing.TB, cfg Config) *Engine {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.CacheDir == "" {
		cfg.CacheDir = filepath.Join(scratch(), "cache")
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := e.Close(ctx); err != nil {
			t.Error(err)
		}
		if used := e.budget.Used(); used != 0 {
			t.Errorf("the closed engine still counts %d bytes of memory", used)
		}
	})
	return e
}

func digest(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// declare is a configuration that makes tools of exports, with more of the manifest where wanted.
func declare(more string, exports ...string) json.RawMessage {
	var tools []string
	for _, e := range exports {
		tools = append(tools, fmt.Sprintf(`{"name":%q}`, e))
	}
	if more != "" {
		more = "," + more
	}
	return json.RawMessage(`{"extism":{"tools":[` + strings.Join(tools, ",") + `]` + more + `}}`)
}

func load(t testing.TB, e *Engine, a Artifact) (*plugin, *abi.Manifest) {
	t.Helper()
	if a.Name == "" {
		a.Name = "plug"
	}
	a.Digest = digest(a.Wasm)
	g, m, err := e.Load(t.Context(), a)
	if err != nil {
		t.Fatalf("Load: %v (%+v)", err, host.Outward(err))
	}
	return &plugin{g.(*guest), m}, m
}

// plugin calls a guest's tools by name.
type plugin struct {
	*guest
	m *abi.Manifest
}

func (p *plugin) index(name string) int {
	return slices.IndexFunc(p.m.Tools, func(t abi.Tool) bool { return t.Name == name })
}

func (p *plugin) do(ctx context.Context, tool string, args any) (host.Output, host.Usage, error) {
	return p.doAs(ctx, "acme", tool, args)
}

func (p *plugin) doAs(ctx context.Context, tenant host.TenantID, tool string, args any) (host.Output, host.Usage, error) {
	return p.with(ctx, &host.GuestCall{Tenant: tenant, Border: &border{}}, tool, args)
}

func (p *plugin) with(ctx context.Context, c *host.GuestCall, tool string, args any) (host.Output, host.Usage, error) {
	if text, ok := args.(string); ok {
		args = map[string]string{"input": text}
	}
	raw, err := json.Marshal(args)
	if err != nil {
		panic(err)
	}
	c.Index, c.Input = p.index(tool), raw
	return p.Call(ctx, c)
}

// text is a call that has to answer text.
func (p *plugin) text(t testing.TB, tool, input string) string {
	t.Helper()
	out, _, err := p.do(t.Context(), tool, input)
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	return string(out.Data)
}

func wantCode(t testing.TB, err error, code abi.Code, says string) {
	t.Helper()
	if host.CodeOf(err) != code {
		t.Fatalf("got %v (%s), want the code %s", err, host.CodeOf(err), code)
	}
	if out := host.Outward(err); !strings.Contains(out.Message+" "+out.Hint, says) {
		t.Errorf("got %q (hint %q), want it to say %q", out.Message, out.Hint, says)
	}
}

// border answers a guest in the place of invoke.
type border struct {
	mu    sync.Mutex
	lines []string
	op    func(ctx context.Context, name string, req []byte) ([]byte, error)
	log   func()
}

func (b *border) Emit(context.Context, abi.EventKind, []byte) error { return nil }

func (b *border) Log(_ context.Context, level abi.LogLevel, line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf("%d %s", level, line))
	if b.log != nil {
		b.log()
	}
}

func (b *border) Op(ctx context.Context, name string, req []byte) ([]byte, error) {
	if b.op == nil {
		return nil, errors.New("no operation was expected")
	}
	return b.op(ctx, name, req)
}
