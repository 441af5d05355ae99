// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/wasmbin"
)

func TestRunawayCallsEnd(t *testing.T) {
	p := sharedGuest(t)
	for _, tool := range []string{"loop", "recurse", "hostloop", "sleep"} {
		t.Run(tool+" at its limit", func(t *testing.T) {
			c := &host.GuestCall{Tenant: "acme", Border: &border{}, Limits: host.Limits{Wall: 150 * time.Millisecond}}
			start := time.Now()
			_, u, err := p.with(t.Context(), c, tool, "10h")
			wantCode(t, err, abi.CodeDeadline, "limits: wall")
			if took := time.Since(start); took > 20*time.Second || u.Wall < 100*time.Millisecond {
				t.Errorf("it took %v, and says %v", took, u.Wall)
			}
		})
		t.Run(tool+" with its caller", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
			_, _, err := p.do(ctx, tool, "10h")
			wantCode(t, err, abi.CodeCancelled, "")
		})
	}
	t.Run("at the caller's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, _, err := p.do(ctx, "loop", "")
		wantCode(t, err, abi.CodeDeadline, "caller's deadline")
	})
	t.Run("the collector is not held up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, _, err := p.do(ctx, "recurse", "")
			done <- err
		}()
		for range 10 {
			runtime.GC()
		}
		cancel()
		wantCode(t, <-done, abi.CodeCancelled, "")
	})
	t.Run("the time that Extism's manifest gives", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{}, `"timeout_ms":100`)
		_, _, err := q.do(t.Context(), "loop", "")
		wantCode(t, err, abi.CodeDeadline, "time limit of 100ms")
	})
	if got := p.text(t, "echo", "still here"); got != "still here" {
		t.Errorf("got %q", got)
	}
}

func TestLimits(t *testing.T) {
	p := loadGuest(t, Config{}, host.Limits{MemoryBytes: 8 << 20, OutputBytes: 100_000, InputBytes: 9 << 20}, "")
	t.Run("memory", func(t *testing.T) {
		_, u, err := p.do(t.Context(), "grow", "")
		wantCode(t, err, abi.CodeLimit, "limits: memory")
		if u.PeakBytes > 8<<20 {
			t.Errorf("it had %d bytes", u.PeakBytes)
		}
	})
	t.Run("memory of Extism's manifest", func(t *testing.T) {
		q := loadGuest(t, Config{}, host.Limits{}, `"memory":{"max_pages":80}`)
		_, u, err := q.do(t.Context(), "grow", "")
		wantCode(t, err, abi.CodeLimit, "the limit is 5 MiB")
		if u.PeakBytes > 10<<20 {
			t.Errorf("it had %d bytes", u.PeakBytes)
		}
	})
	t.Run("memory of all instances", func(t *testing.T) {
		q := loadGuest(t, Config{MemoryBudget: 12 << 20}, host.Limits{}, "")
		_, _, err := q.do(t.Context(), "grow", "")
		wantCode(t, err, abi.CodeBusy, "budget of 12 MiB")
	})
	t.Run("input", func(t *testing.T) {
		c := &host.GuestCall{Border: &border{}, Limits: host.Limits{InputBytes: 100}}
		_, _, err := p.with(t.Context(), c, "echo", strings.Repeat("x", 100))
		wantCode(t, err, abi.CodeLimit, "limits: input")
	})
	t.Run("input that the memory cannot hold", func(t *testing.T) {
		for _, n := range []int{8<<20 - 100_000, 8 << 20, 8<<20 + 100_000} {
			_, _, err := p.do(t.Context(), "echo", strings.Repeat("x", n))
			wantCode(t, err, abi.CodeLimit, "limits: memory")
		}
	})
	t.Run("output", func(t *testing.T) {
		if got := len(p.text(t, "big", "100000")); got != 100_000 {
			t.Errorf("got %d bytes", got)
		}
		_, _, err := p.do(t.Context(), "big", "100001")
		wantCode(t, err, abi.CodeLimit, "limits: output")
	})
	t.Run("memory asked for at the start", func(t *testing.T) {
		_, _, err := newEngine(t, Config{}).Load(t.Context(), Artifact{
			Name: "plug", Wasm: goGuest(t), Config: declare("", "echo"), Limits: host.Limits{MemoryBytes: 64 << 10},
		})
		wantCode(t, err, abi.CodeLimit, "limits: memory")
	})
}

// TestFaults is what the plugins of Extism's SDK do silently, or what they leave behind.
func TestFaults(t *testing.T) {
	p := sharedGuest(t)
	for _, f := range []struct {
		does, tool, input string
		code              abi.Code
		says              string
	}{
		{"crashes", "crash", "oh no", abi.CodeTrap, "panic: oh no"},
		{"ends itself", "exit", "3", abi.CodeTrap, "exit_code(3)"},
		{"points behind its memory", "pointers", "4294967290 10", abi.CodeTrap, "memory that is not there"},
		{"answers 100 MiB it does not have", "pointers", "0 104857600", abi.CodeTrap, "memory that is not there"},
		{"answers 3 GB it does not have", "pointers", "1000 3221225472", abi.CodeTrap, "memory that is not there"},
		{"wraps a pointer round", "pointers", "18446744073709551615 2", abi.CodeTrap, "memory that is not there"},
		{"answers more than there is", "pointers", "2 18446744073709551615", abi.CodeLimit, "limits: output"},
		{"reads behind its memory", "reach", "4294967295", abi.CodeTrap, "load_u8 with memory that is not there"},
		{"writes far behind its memory", "reach", "18446744073709551615 1", abi.CodeTrap, "store_u8 with memory that is not there"},
		{"returns without an answer", "silent", "", abi.CodeContract, "without an answer"},
	} {
		t.Run("one that "+f.does, func(t *testing.T) {
			before := p.text(t, "count", "")
			c := &host.GuestCall{Tenant: "acme", Border: &border{}, Limits: host.Limits{OutputBytes: 1 << 40}}
			_, _, err := p.with(t.Context(), c, f.tool, f.input)
			wantCode(t, err, f.code, f.says)
			fresh := p.text(t, "count", "") == "1"
			if f.code == abi.CodeContract && fresh || f.code != abi.CodeContract && !fresh {
				t.Errorf("count was %s and begins anew: %v", before, fresh)
			}
		})
	}
	t.Run("one that ends itself well has answered", func(t *testing.T) {
		if got := p.text(t, "exit", "0"); got != "bye" {
			t.Errorf("got %q", got)
		}
		if got := p.text(t, "count", ""); got != "1" {
			t.Errorf("count is %s: the ended instance serves on", got)
		}
	})
}

// change makes another module of a small plugin of Extism's.
func change(t *testing.T, f func(m *wasmbin.Module)) []byte {
	t.Helper()
	m, err := wasmbin.Decode(sdkWasm(t, "fail"), wasmbin.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	m.Imports, m.Exports = slices.Clone(m.Imports), slices.Clone(m.Exports)
	f(m)
	return m.Append(nil)
}

func TestLoadRefuses(t *testing.T) {
	e := newEngine(t, Config{InitTimeout: 200 * time.Millisecond})
	rename := func(from, module, to string) func(m *wasmbin.Module) {
		return func(m *wasmbin.Module) {
			for i := range m.Imports {
				if m.Imports[i].Name == from {
					m.Imports[i].Module, m.Imports[i].Name = module, to
				}
			}
		}
	}
	for _, f := range []struct {
		what string
		wasm []byte
		code abi.Code
		says string
	}{
		{"what is no module", []byte("hello"), abi.CodeContract, "not a Wasm module"},
		{"a function of Extism's that is unknown", change(t, rename("error_set", envModule, "var_list")), abi.CodeContract, "extism:host/env.var_list"},
		{"a function of another application", change(t, rename("error_set", userModule, "lookup")), abi.CodeContract, "extism:host/user.lookup"},
		{"another module", change(t, rename("error_set", "env", "f")), abi.CodeContract, "imports env.f"},
		{"the runner's own names", change(t, rename("error_set", ownModule, "output_set")), abi.CodeContract, "gantry_extism.output_set"},
		{"the meter's names", change(t, rename("error_set", "gantry_meter", "tick")), abi.CodeContract, "gantry_meter.tick"},
		{"an unknown function of WASI", change(t, rename("error_set", wasiModule, "sched_magic")), abi.CodeContract, "sched_magic"},
		{"a function with another type", change(t, rename("error_set", envModule, "length")), abi.CodeContract, "length"},
		{"a memory that is not its own", change(t, func(m *wasmbin.Module) {
			m.Imports = append(m.Imports, wasmbin.Import{Module: envModule, Name: "memory", Kind: wasmbin.ExternMemory, Memory: m.Memories[0]})
			m.Memories = nil
		}), abi.CodeContract, "not a function"},
		{"a start function without end", change(t, func(m *wasmbin.Module) {
			loop := uint32(len(m.Funcs)) + m.ImportedFuncs()
			m.Types = append(m.Types, wasmbin.FuncType{})
			m.Funcs = append(m.Funcs, uint32(len(m.Types)-1))
			m.Codes = append(m.Codes, wasmbin.Code{Body: []byte{0x03, 0x40, 0x0c, 0, 0x0b, 0x0b}})
			m.Start = &loop
		}), abi.CodeContract, "did not finish starting"},
	} {
		t.Run(f.what, func(t *testing.T) {
			_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Digest: digest(f.wasm), Wasm: f.wasm, Config: declare("", "run_test")})
			wantCode(t, err, f.code, f.says)
		})
	}
	t.Run("a module whose tools nobody has named, and names what there is", func(t *testing.T) {
		wasm := sdkWasm(t, "fail")
		_, _, err := e.Load(t.Context(), Artifact{Name: "vowels", Digest: digest(wasm), Wasm: wasm})
		wantCode(t, err, abi.CodeContract, "it has run_test")
		wantCode(t, err, abi.CodeContract, "vowels.yaml")
	})
	t.Run("a tool that is no function of the module", func(t *testing.T) {
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Wasm: goGuest(t), Config: declare("", "nothing")})
		wantCode(t, err, abi.CodeInvalidArg, `no function "nothing"`)
	})
	t.Run("a tool whose name is none", func(t *testing.T) {
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Wasm: goGuest(t), Config: []byte(`{"extism":{"tools":[{"name":"a b","export":"echo"}]}}`)})
		wantCode(t, err, abi.CodeContract, `"a b"`)
	})
	t.Run("limits that are none", func(t *testing.T) {
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Wasm: goGuest(t), Limits: host.Limits{Wall: -1}})
		wantCode(t, err, abi.CodeInvalidArg, "wall")
		for _, cfg := range []Config{{MaxInstances: -1}, {Defaults: host.Limits{MemoryBytes: 5 << 30}}} {
			_, err := New(cfg)
			wantCode(t, err, abi.CodeInvalidArg, "")
		}
	})
	t.Run("a call that is cancelled while it loads", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := e.Load(ctx, Artifact{Name: "plug", Wasm: goGuest(t), Config: declare("", "echo")})
		if err == nil {
			t.Error("it loaded")
		}
	})
	if used := e.budget.Used(); used != 0 {
		t.Errorf("what was refused still holds %d bytes", used)
	}
	if n := len(e.all()); n != 0 {
		t.Errorf("%d guests of what was refused", n)
	}
}

func TestDetect(t *testing.T) {
	for name, want := range map[string]bool{"count_vowels": true, "http": true, "config": true} {
		if got := Detect(sdkWasm(t, name)); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	if !Detect(goGuest(t)) {
		t.Error("the Go guest is not seen")
	}
	for _, other := range []string{"", "\x00asm", "\x00asm\x01\x00\x00\x00", "\x00asm\x01\x00\x00\x00\x02\xff", "hello, world"} {
		if Detect([]byte(other)) {
			t.Errorf("%q is seen as a plugin", other)
		}
	}
}

// FuzzPrepare: whatever the bytes are, there is a module or an error, and Detect agrees with it.
func FuzzPrepare(f *testing.F) {
	f.Add([]byte("\x00asm\x01\x00\x00\x00"))
	for _, name := range []string{"fail", "alloc", "hello", "input_offset"} {
		f.Add(sdkWasm(f, name))
	}
	f.Fuzz(func(t *testing.T, wasm []byte) {
		found := Detect(wasm)
		p, err := prepare(wasm)
		if (p == nil || err != nil) && host.CodeOf(err) == abi.CodeInternal {
			t.Errorf("internal error: %v", err)
		}
		if err == nil && found != Detect(wasm) {
			t.Error("preparing changed the module it was given")
		}
	})
}

// FuzzSettings: an operator's configuration is read or refused with a name.
func FuzzSettings(f *testing.F) {
	for _, s := range []string{`{}`, `{"extism":{"tools":[{"name":"a"}],"allowed_hosts":["[a-"],"timeout_ms":1}}`, `{"extism":null,"a":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, config []byte) {
		s, err := parseSettings(config)
		if err != nil {
			wantCode(t, err, abi.CodeInvalidArg, "config")
			return
		}
		_, _, _ = s.manifest("plug", []string{"a"})
		_ = s.allows("example.com")
	})
}

// FuzzAnswers: what a plugin answers is a result or a broken contract.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte(`{"content":[{"type":"image","data":"AQI=","mimeType":"a/b"}],"isError":true,"structuredContent":{}}`))
	f.Add([]byte(`{"tools":[{"name":"a","inputSchema":{"type":"object"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := described{"a"}.output(data, true)
		if err != nil && host.CodeOf(err) != abi.CodeContract || err == nil && len(out.Data) == 0 {
			t.Errorf("got %v, %v", out, err)
		}
		m, forms, err := (&settings{}).describedManifest("plug", data)
		if err == nil && len(forms) != len(m.Tools) {
			t.Errorf("%d forms for %d tools", len(forms), len(m.Tools))
		}
		if err != nil && host.CodeOf(err) != abi.CodeContract {
			t.Error(err)
		}
	})
}

func BenchmarkEcho(b *testing.B) {
	p := loadGuest(b, Config{}, host.Limits{}, "")
	for _, n := range []int{0, 1_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			text := strings.Repeat("x", n)
			for b.Loop() {
				p.text(b, "echo", text)
			}
		})
	}
}
