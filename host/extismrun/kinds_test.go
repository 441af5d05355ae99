// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// TestSDKPlugins calls the plugins that come with Extism's SDK: built by other people, from C, Go,
// Rust, Haskell and Zig, with the kits of their languages. Those that are missing here import what no
// host but theirs has; TestEverySDKPluginIsServedOrRefused refuses them.
func TestSDKPlugins(t *testing.T) {
	e := newEngine(t, Config{})
	b := web(func(_ context.Context, r *abi.FetchRequest) (*abi.FetchResponse, error) {
		return &abi.FetchResponse{Status: 200, URL: r.URL, Headers: []abi.Header{{Name: "X-Powered-By", Value: "rain"}}}, nil
	})
	for _, c := range []struct {
		wasm, export, config, input, want string
		code                              abi.Code
	}{
		{wasm: "count_vowels", export: "count_vowels", input: "hello world", want: `"count":3`},
		{wasm: "config", export: "run_test", config: `"config":{"thing":"hello"}`, want: "hello"},
		{wasm: "var", export: "run_test", want: ""},
		{wasm: "input_offset", export: "input_offset_length", input: "hello", want: ""},
		{wasm: "hello", export: "run_test", want: "Hello"},
		{wasm: "fail", export: "run_test", code: codePlugin, want: "Some error message"},
		{wasm: "exit", export: "_start", config: `"config":{"code":"2"}`, code: abi.CodeTrap, want: "exit_code(2)"},
		{wasm: "sleep", export: "run_test", config: `"timeout_ms":100,"config":{"duration":"100000"}`, code: abi.CodeDeadline, want: "100ms"},
		{wasm: "http", export: "run_test", code: abi.CodeForbidden, config: `"allowed_hosts":[]`, want: "may not reach"},
		{wasm: "hello_haskell", export: "testing", config: `"config":{"greeting":"Howdy"}`, input: "John", want: "Howdy, John"},
		{wasm: "fs", export: "run_test", code: codePlugin, want: "returned 1"},
		{wasm: "log", export: "run_test", want: ""},
		{wasm: "alloc", export: "run_test", want: ""},
		{wasm: "count_vowels_std", export: "_start", input: "hello world", want: `"count": 3`},
		{wasm: "std_command", export: "_start", input: "ben", want: "hello ben"},
		{wasm: "fs_std", export: "run_test", code: codePlugin, want: "returned 1"},
		{wasm: "read_write", export: "try_read", code: codePlugin, want: "Path not found"},
		{wasm: "http_headers", export: "http_get", input: `{"url":"https://api.example.com/"}`, want: `"x-powered-by":"rain"`},
		{wasm: "println", export: "run_test", want: ""},
		{wasm: "noop", export: "run_test", want: ""},
		{wasm: "replace", export: "run_test", input: "a.b.c", want: "a.b.c"},
		{wasm: "lib", export: "asyncify_get_state", want: ""},
	} {
		t.Run(c.wasm, func(t *testing.T) {
			if raceDetector && slices.Contains([]string{"hello_haskell", "count_vowels_std", "std_command", "fs_std"}, c.wasm) {
				t.Skip("compiling it takes many seconds under the race detector")
			}
			wasm := sdkWasm(t, c.wasm)
			shape, err := prepare(wasm)
			if err != nil {
				t.Fatal(err)
			}
			config := `{"extism":{"tools":[{"name":"tool","silent":true,"export":"` + c.export + `"}]` + strings.TrimSuffix(","+c.config, ",") + `}}`
			g, m, err := e.Load(t.Context(), Artifact{Name: "plug", Digest: digest(wasm), Wasm: wasm, Config: json.RawMessage(config)})
			if err != nil {
				t.Fatalf("Load: %v; it has %v", err, shape.exports)
			}
			p := &plugin{g.(*guest), m}
			out, _, err := p.with(t.Context(), &host.GuestCall{Tenant: "acme", Border: b}, "tool", c.input)
			switch {
			case c.code != "":
				wantCode(t, err, c.code, c.want)
			case err != nil:
				t.Fatal(err)
			case !strings.Contains(string(out.Data), c.want):
				t.Errorf("got %q, want %q", out.Data, c.want)
			default:
				t.Logf("%q", out.Data)
			}
		})
	}
}

// TestEverySDKPluginIsServedOrRefused: whatever Extism's own tests use, loading says yes or says why.
func TestEverySDKPluginIsServedOrRefused(t *testing.T) {
	dir, err := sdkDir()
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	served := 0
	for _, f := range files {
		wasm, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := prepare(wasm)
		if err != nil {
			wantCode(t, err, abi.CodeContract, "imports")
			t.Logf("%s: %v", f.Name(), err)
			continue
		}
		served++
		if len(p.exports) == 0 {
			t.Errorf("%s has no export to call", f.Name())
		}
	}
	if served < 18 {
		t.Errorf("only %d of %d can be served", served, len(files))
	}
}

func TestDescribedTools(t *testing.T) {
	e := newEngine(t, Config{})
	p, m := load(t, e, Artifact{Name: "servlet", Wasm: goGuest(t), Config: []byte(`{"extism":{"summary":"Shouts"}}`)})
	t.Run("the manifest is what describe says", func(t *testing.T) {
		if m.Name != "servlet" || m.Summary != "Shouts" || len(m.Tools) != 3 {
			t.Fatalf("got %+v", m)
		}
		shout := m.Tools[0]
		if shout.Name != "shout" || !shout.Annotations.ReadOnly || !strings.Contains(string(shout.InputSchema), "required") {
			t.Errorf("got %+v", shout)
		}
	})
	t.Run("arguments go in, content comes out", func(t *testing.T) {
		out, _, err := p.do(t.Context(), "shout", map[string]string{"text": "hey"})
		if want := `{"content":[{"type":"text","text":"HEY"}]}`; err != nil || out.Kind != abi.OutputResult || string(out.Data) != want {
			t.Errorf("got %d %s, %v, want %s", out.Kind, out.Data, err, want)
		}
	})
	t.Run("every kind of content", func(t *testing.T) {
		out, _, err := p.do(t.Context(), "mixed", struct{}{})
		if err != nil {
			t.Fatal(err)
		}
		var got abi.Result
		if err := json.Unmarshal(out.Data, &got); err != nil {
			t.Fatal(err)
		}
		if !got.IsError || string(got.Structured) != `{"n":1}` || len(got.Content) != 4 || string(got.Content[1].Data) != "\x01\x02" ||
			got.Content[2].URI != "note://1" || got.Content[2].Text != "body" || got.Content[3].Name != "two" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("content of no kind is a broken contract", func(t *testing.T) {
		_, _, err := p.do(t.Context(), "broken", struct{}{})
		wantCode(t, err, abi.CodeContract, "strange")
	})
	t.Run("tools that the operator declares take the place of describe", func(t *testing.T) {
		_, m := load(t, e, Artifact{Wasm: goGuest(t), Config: declare("", "echo")})
		if len(m.Tools) != 1 || m.Tools[0].Name != "echo" {
			t.Errorf("got %+v", m.Tools)
		}
	})
}

func TestSettings(t *testing.T) {
	for _, c := range []struct{ config, says string }{
		{`[]`, "config: it is not a JSON object"},
		{`{"extism":{"tool":[]}}`, `unknown field "tool"`},
		{`{"extism":{"tools":{}}}`, "config: extism"},
		{`{"extism":{"allowed_paths":{"/tmp":"/"}}}`, "allowed_paths"},
		{`{"extism":{"allowed_hosts":["[a-"]}}`, "allowed_hosts[0]"},
		{`{"extism":{"allowed_hosts":["a","[z-a]"]}}`, "allowed_hosts[1]"},
		{`{"extism":{"allowed_hosts":[""]}}`, "allowed_hosts[0]"},
		{`{"extism":{"timeout_ms":-1}}`, "timeout_ms"},
		{`{"extism":{"memory":{"max_pages":70000}}}`, "max_pages"},
		{`{"extism":{"memory":{"max_var_bytes":-1}}}`, "max_var_bytes"},
		{`{"extism":{"memory":{"max_http_response_bytes":-1}}}`, "max_http_response_bytes"},
		{`{"extism":{"wasm":[{"path":"a"},{"path":"b"}]}}`, "links none"},
		{`{"extism":{"tools":[{"name":"a","input":"xml"}]}}`, `tools[0] "a": input: "xml"`},
		{`{"extism":{"tools":[{"name":"a","input_schema":{}}]}}`, "input: json"},
		{`{"extism":{"summary":"` + strings.Repeat("x", 300) + `"}}`, "summary"},
	} {
		_, err := parseSettings([]byte(c.config))
		if err == nil {
			t.Errorf("%s is taken", c.config)
			continue
		}
		wantCode(t, err, abi.CodeInvalidArg, c.says)
	}
	t.Run("the hash of the manifest is the file's", func(t *testing.T) {
		e, wasm := newEngine(t, Config{}), sdkWasm(t, "hello")
		right := strings.TrimPrefix(digest(wasm), "sha256:")
		load(t, e, Artifact{Wasm: wasm, Config: declare(`"wasm":[{"path":"x.wasm","hash":"`+right+`"}]`, "run_test")})
		_, _, err := e.Load(t.Context(), Artifact{Name: "plug", Digest: digest(wasm), Wasm: wasm,
			Config: declare(`"wasm":[{"hash":"1234"}]`, "run_test")})
		wantCode(t, err, abi.CodeInvalidArg, "wasm[0].hash")
	})
}
