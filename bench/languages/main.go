// Copyright 2026 The Gantry Authors.

// Command languages measures the echo of one plugin in each language: what the host needs to compile
// it for the first time and again from its cache, and what a call costs.
//
//	make languages && go run ./bench/languages [-dir .gantry/languages] [-d 1s] [-json]
//
// A call goes through the sandbox alone: no pipeline, no HTTP. The plugin in Go is examples/echo,
// built by this program. It is a program, not a test: it asserts nothing.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
)

// row is what one plugin showed.
type row struct {
	Language  string  `json:"language"`
	Bytes     int     `json:"bytes"`
	CompileMS float64 `json:"compile_ms"`
	CachedMS  float64 `json:"cached_ms"`
	SmallUS   float64 `json:"call_1kb_us"`
	LargeUS   float64 `json:"call_64kb_us"`
}

func main() {
	dir := flag.String("dir", filepath.Join(".gantry", "languages"), "folder of the plugins that make languages built")
	window := flag.Duration("d", time.Second, "how long each call is repeated; the fastest tenth counts")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	rows, err := run(*dir, *window)
	if err == nil {
		err = report(rows, *asJSON)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func run(dir string, window time.Duration) ([]row, error) {
	tmp, err := os.MkdirTemp("", "gantry-languages-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	echo, err := buildGo(tmp)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, p := range []struct{ language, file string }{
		{"C", filepath.Join(dir, "c.wasm")},
		{"Rust", filepath.Join(dir, "rust.wasm")},
		{"AssemblyScript", filepath.Join(dir, "assemblyscript.wasm")},
		{"Go", echo},
	} {
		wasm, err := os.ReadFile(p.file)
		if err != nil {
			return nil, fmt.Errorf("%w; run make languages", err)
		}
		r := row{Language: p.language, Bytes: len(wasm)}
		if err := r.measure(wasm, filepath.Join(tmp, "cache-"+p.language), window); err != nil {
			return nil, fmt.Errorf("%s: %w", p.language, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func buildGo(tmp string) (string, error) {
	out := filepath.Join(tmp, "echo.wasm")
	cmd := exec.Command("go", "build", "-trimpath", "-buildmode=c-shared", "-o", out, "./examples/echo")
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building examples/echo: %w\n%s", err, msg)
	}
	return out, nil
}

// measure times the first call with an empty cache and with a filled one, and then calls that are warm.
func (r *row) measure(wasm []byte, cache string, window time.Duration) error {
	first := func(into *float64) error {
		return withPlugin(wasm, cache, func(p *plugin, took time.Duration) error {
			*into = ms(took)
			return nil
		})
	}
	if err := errors.Join(first(&r.CompileMS), first(&r.CachedMS)); err != nil {
		return err
	}
	return withPlugin(wasm, cache, func(p *plugin, _ time.Duration) (err error) {
		if r.SmallUS, err = p.repeat(1_000, window); err != nil {
			return err
		}
		r.LargeUS, err = p.repeat(64_000, window)
		return err
	})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// plugin is a loaded echo.
type plugin struct{ guest host.Guest }

// withPlugin loads wasm in an engine of its own, calls it once, and hands it on with what both took.
func withPlugin(wasm []byte, cache string, use func(*plugin, time.Duration) error) (err error) {
	e, err := sandbox.New(sandbox.Config{CacheDir: cache})
	if err != nil {
		return err
	}
	ctx := context.Background()
	defer func() { err = errors.Join(err, e.Close(ctx)) }()
	sum := sha256.Sum256(wasm)
	start := time.Now()
	g, m, err := e.Load(ctx, sandbox.Artifact{Name: "echo", Digest: "sha256:" + hex.EncodeToString(sum[:]), Wasm: wasm})
	if err != nil {
		return err
	}
	if !strings.HasSuffix(m.Tools[0].Name, "echo") {
		return fmt.Errorf("the first tool is %s and not an echo", m.Tools[0].Name)
	}
	p := &plugin{g}
	if err := p.call([]byte(`{"text":"hello"}`)); err != nil {
		return err
	}
	return use(p, time.Since(start))
}

func (p *plugin) call(input []byte) error {
	out, _, err := p.guest.Call(context.Background(), &host.GuestCall{Entry: host.EntryTool, Tenant: host.DefaultTenant, Input: input, Border: noBorder{}})
	if err == nil && !bytes.Equal(out.Data, input) {
		err = fmt.Errorf("the echo of %.60s is %.60s", input, out.Data)
	}
	return err
}

// slices is how many parts a window has: the fastest counts, as the one that was disturbed least.
const slices = 10

// repeat calls for the window with a text of so many bytes and returns microseconds per call.
func (p *plugin) repeat(size int, window time.Duration) (float64, error) {
	input := []byte(`{"text":"` + strings.Repeat("a", size) + `"}`)
	for range 100 { // warm-up
		if err := p.call(input); err != nil {
			return 0, err
		}
	}
	best := math.Inf(1)
	for range slices {
		start, n := time.Now(), 0
		for n == 0 || time.Since(start) < window/slices {
			if err := p.call(input); err != nil {
				return 0, err
			}
			n++
		}
		best = min(best, float64(time.Since(start).Nanoseconds())/1000/float64(n))
	}
	return best, nil
}

// noBorder is for plugins that ask for nothing.
type noBorder struct{}

func (noBorder) Emit(context.Context, abi.EventKind, []byte) error { return nil }
func (noBorder) Log(context.Context, abi.LogLevel, []byte)         {}
func (noBorder) Op(_ context.Context, name string, _ []byte) ([]byte, error) {
	return nil, host.Errorf("bench", abi.CodeForbidden, "no operation is there, %s neither", name)
}

func report(rows []row, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "language\tbytes\tfirst call ms\tfrom cache ms\t1 kB echo µs\t64 kB echo µs\t")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%d\t%.1f\t%.1f\t%.1f\t%.0f\t\n", r.Language, r.Bytes, r.CompileMS, r.CachedMS, r.SmallUS, r.LargeUS)
	}
	return tw.Flush()
}
