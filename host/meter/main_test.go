// Copyright 2026 The Gantry Authors.

package meter_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
	"go.uber.org/goleak"

	"github.com/gantryhost/gantry/host/meter"
	"github.com/gantryhost/gantry/host/wasmbin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runtimeDir is where the sources of the Wasm runtime lie.
var runtimeDir = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/tetratelabs/wazero").Output()
	return strings.TrimSpace(string(out)), err
})

// corpus calls f with every module of the runtime's own tests that is no duplicate of another.
func corpus(t testing.TB, f func(path string, data []byte)) {
	t.Helper()
	dir, err := runtimeDir()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".wasm" {
			return err
		}
		data, err := os.ReadFile(path)
		if err == nil && !seen[string(data)] {
			seen[string(data)] = true
			f(strings.TrimPrefix(path, dir), data)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) < 3_000 {
		t.Fatalf("found %d modules; the test would prove little", len(seen))
	}
}

const features = api.CoreFeaturesV2 | experimental.CoreFeaturesThreads | experimental.CoreFeaturesTailCall |
	experimental.CoreFeaturesExtendedConst | experimental.CoreFeaturesExceptionHandling | experimental.CoreFeaturesTypedFunctionReferences

// everything lets every proposal in that the runtime knows.
var everything = meter.Options{Fuel: true, ExportState: true, Touch: true, Settings: wasmbin.Settings{Features: wasmbin.AllFeatures}}

func rewrite(data []byte, opts meter.Options) ([]byte, meter.Report, error) {
	m, err := wasmbin.Decode(data, opts.Settings)
	if err != nil {
		return nil, meter.Report{}, err
	}
	return meter.Rewrite(m, opts)
}

var errStopped = errors.New("stopped")

// machine is a runtime whose guests' ticks count, and stop the guest when ctx is over.
type machine struct {
	wazero.Runtime
	counter meter.Counter
	ticks   int
	// out says that the fuel ran out.
	out bool
	ctx context.Context
}

func newMachine(t testing.TB, ctx context.Context) *machine {
	t.Helper()
	return newMachineWith(t, ctx, wazero.NewRuntimeConfig().WithCoreFeatures(features))
}

func newMachineWith(t testing.TB, ctx context.Context, cfg wazero.RuntimeConfig) *machine {
	t.Helper()
	m := &machine{ctx: ctx}
	m.Runtime = wazero.NewRuntimeWithConfig(t.Context(), cfg)
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	i32 := []api.ValueType{api.ValueTypeI32}
	_, err := m.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(m.tick), i32, i32).Export(meter.ImportTick).Instantiate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) tick(_ context.Context, _ api.Module, stack []uint64) {
	m.ticks++
	next, ok := m.counter.Tick(int32(uint32(stack[0])))
	if !ok {
		m.out = true
		panic(errStopped)
	}
	if m.ctx.Err() != nil {
		panic(errStopped)
	}
	stack[0] = uint64(uint32(next))
	runtime.Gosched()
}

// metered calls an export with a full count and returns what it used.
func (m *machine) metered(mod api.Module, name string, limit uint64, args ...uint64) (fuel uint64, results []uint64, err error) {
	left := mod.ExportedGlobal(meter.ExportLeft).(api.MutableGlobal)
	left.Set(uint64(uint32(m.counter.Begin(limit))))
	results, err = mod.ExportedFunction(name).Call(context.Background(), args...)
	return m.counter.End(int32(uint32(left.Get()))), results, err
}
