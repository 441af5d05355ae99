// Copyright 2026 The Gantry Authors.

//go:build languages

package languages

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// names are the plugins; each has the tools NAME_echo, NAME_sum and NAME_ask.
var names = []string{"c", "rust", "assemblyscript"}

// start serves what the compilers made, without rights.
func start(t *testing.T) (*gantrytest.Host, *gantrytest.Caller) {
	dir := os.Getenv("GANTRY_LANGUAGES")
	if dir == "" {
		t.Fatal("GANTRY_LANGUAGES names no folder; run make languages")
	}
	h := gantrytest.New(t)
	for _, name := range names {
		wasm, err := os.ReadFile(filepath.Join(dir, name+".wasm"))
		if err != nil {
			t.Fatal(err)
		}
		h.Put(name+".wasm", wasm)
	}
	h.Start()
	key := h.Token("--kind", "org", "--tenant", "acme", "--user", "ann", "--scopes", "read:tools", "--name", "languages")
	c := gantrytest.NewCaller(h.URL, key)
	for _, name := range names {
		waitFor(t, name+"_echo is served", func() bool {
			_, body, err := c.Do(http.MethodGet, "/mcp/manifest", nil)
			return err == nil && strings.Contains(string(body), `"`+name+`_echo"`)
		})
	}
	return h, c
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}

func TestPluginsInOtherLanguages(t *testing.T) {
	h, c := start(t)
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Run("says back every kind of text", func(t *testing.T) { echoes(t, c, name) })
			t.Run("reads every way to write a string", func(t *testing.T) { readsEscapes(t, c, name) })
			t.Run("adds whole numbers, up to 64 bits", func(t *testing.T) { adds(t, c, name) })
			t.Run("reports an error of its own", func(t *testing.T) { reports(t, c, name) })
			t.Run("is not called with arguments that do not fit", func(t *testing.T) { isChecked(t, c, name) })
			t.Run("asks the host, within its rights", func(t *testing.T) { asks(t, h, c, name) })
			t.Run("answers many calls at once, each its own", func(t *testing.T) { answersMany(t, c, name) })
			t.Run("says that its memory is full, and goes on", func(t *testing.T) { fills(t, h, c, name) })
		})
	}
}

// said calls an echo and returns the text that came back.
func said(c *gantrytest.Caller, name string, args any) (string, error) {
	text, isError, err := c.CallTool(name+"_echo", args)
	if err != nil || isError {
		return "", fmt.Errorf("%.300s (%v)", text, err)
	}
	var out struct{ Text *string }
	if err := json.Unmarshal([]byte(text), &out); err != nil || out.Text == nil {
		return "", fmt.Errorf("the answer is not {\"text\"}: %.300s (%v)", text, err)
	}
	return *out.Text, nil
}

func echoes(t *testing.T, c *gantrytest.Caller, name string) {
	for _, text := range []string{
		"hello", "", `"quotes" and \backslashes\`, "lines\r\n\tand tabs\n", "\x00\x01\x1f\x7f", "ä€𝄞 漢字", "[1,{\"a\":2}]",
		strings.Repeat("x", 300_000), strings.Repeat("\"\n€", 50_000),
	} {
		if got, err := said(c, name, map[string]any{"text": text}); err != nil || got != text {
			t.Errorf("%.40q came back as %.40q (%v)", text, got, err)
		}
	}
	got, err := c.Run(name+"_echo", map[string]any{"text": "over REST"})
	if err != nil || !strings.Contains(got, "over REST") {
		t.Errorf("over REST: %q (%v)", got, err)
	}
}

func readsEscapes(t *testing.T, c *gantrytest.Caller, name string) {
	for raw, want := range map[string]string{
		`{"text":"\u0041\u00e4\u20ac"}`:             "Aä€",
		`{"text":"\ud834\udd1e"}`:                   "𝄞",
		`{"text":"\uD834\uDD1E!"}`:                  "𝄞!",
		`{"text":"\ud834"}`:                         "\uFFFD",
		`{"text":"\udd1e\ud834x"}`:                  "\uFFFD\uFFFDx",
		`{"text":"\/\b\f\n\r\t\"\\"}`:               "/\b\f\n\r\t\"\\",
		`{"text":"\\u0041"}`:                        `\u0041`,
		`{"te\u0078t":"the name is written oddly"}`: "the name is written oddly",
		" {\n \"text\" :\t\"spaces\" \r\n} ":        "spaces",
	} {
		if got, err := said(c, name, json.RawMessage(raw)); err != nil || got != want {
			t.Errorf("%s was read as %q, want %q (%v)", raw, got, want, err)
		}
	}
}

func adds(t *testing.T, c *gantrytest.Caller, name string) {
	for numbers, want := range map[string]string{
		"[]": "0", "[1,2,3]": "6", "[-5]": "-5", "[ 1 , -1 ,\n10 ]": "10", "[-0]": "0",
		"[9223372036854775807]": "9223372036854775807", "[-9223372036854775808]": "-9223372036854775808",
	} {
		got, isError, err := c.CallTool(name+"_sum", json.RawMessage(`{"numbers":`+numbers+`}`))
		if err != nil || isError || got != want {
			t.Errorf("the sum of %s is %s, want %s (%v)", numbers, got, want, err)
		}
	}
}

func reports(t *testing.T, c *gantrytest.Caller, name string) {
	for _, numbers := range []string{"[1.0]", "[1e3]", "[9223372036854775807,1]", "[-9223372036854775808,-1]", "[9223372036854775808]", "[99999999999999999999]"} {
		got, isError, err := c.CallTool(name+"_sum", json.RawMessage(`{"numbers":`+numbers+`}`))
		if err != nil || !isError || !strings.Contains(got, "INVALID_ARG") || !strings.Contains(got, "64 bits") {
			t.Errorf("the sum of %s is %s (%v), want INVALID_ARG", numbers, got, err)
		}
	}
}

func isChecked(t *testing.T, c *gantrytest.Caller, name string) {
	for _, raw := range []string{`{}`, `{"text":1}`, `{"text":"x","more":1}`} {
		got, isError, err := c.CallTool(name+"_echo", json.RawMessage(raw))
		if err == nil && (!isError || !strings.Contains(got, "INVALID_ARG")) {
			t.Errorf("%s was answered with %s", raw, got)
		}
	}
}

func asks(t *testing.T, h *gantrytest.Host, c *gantrytest.Caller, name string) {
	ask := func(operation string) (text string, isError bool) {
		t.Helper()
		text, isError, err := c.CallTool(name+"_ask", map[string]any{"operation": operation})
		if err != nil {
			t.Fatal(err)
		}
		return text, isError
	}
	var call struct{ Tenant, User, Plugin, Tool string }
	text, isError := ask("context")
	if err := json.Unmarshal([]byte(text), &call); isError || err != nil || call.Tenant != "acme" || call.User != "ann" || call.Plugin != name || call.Tool != name+"_ask" {
		t.Errorf("context: %s (%v)", text, err)
	}
	if text, isError := ask("kv.list"); !isError || !strings.Contains(text, "FORBIDDEN") || !strings.Contains(text, "kv") {
		t.Errorf("without the right: %s", text)
	}
	if text, isError := ask("no.such.operation"); !isError {
		t.Errorf("an operation that is not there: %s", text)
	}
	h.Put(name+".yaml", []byte("grants:\n  kv: true\nconfig:\n  colour: blue\n"))
	waitFor(t, "the right is there", func() bool {
		text, isError := ask("kv.list")
		return !isError && strings.Contains(text, `"entries"`)
	})
	if text, isError := ask("config"); isError || !strings.Contains(text, "blue") {
		t.Errorf("config: %s", text)
	}
}

// answersMany holds each answer against its call: an instance serves one call after another, so a
// buffer that a call leaves behind would show here.
func answersMany(t *testing.T, c *gantrytest.Caller, name string) {
	var callers sync.WaitGroup
	for n := range 8 {
		callers.Go(func() {
			for i := range 100 {
				text := fmt.Sprintf("%d/%d %s", n, i, strings.Repeat("\"é", i*n))
				if got, err := said(c, name, map[string]any{"text": text}); err != nil || got != text {
					t.Errorf("%.40q came back as %.40q (%v)", text, got, err)
					return
				}
			}
		})
	}
	callers.Wait()
}

// fills gives the plugin a little memory and then too much to hold in it.
func fills(t *testing.T, h *gantrytest.Host, c *gantrytest.Caller, name string) {
	h.Put(name+".yaml", []byte("limits:\n  memory: 2MiB\n"))
	long := map[string]any{"text": strings.Repeat("x", 3<<19)}
	waitFor(t, "the limit holds", func() bool {
		text, isError, err := c.CallTool(name+"_echo", long)
		if err == nil && isError && (!strings.Contains(text, "LIMIT_EXCEEDED") || !strings.Contains(text, "ran out of memory")) {
			t.Fatalf("got %s", text)
		}
		return err == nil && isError
	})
	if got, err := said(c, name, map[string]any{"text": "still here"}); err != nil || got != "still here" {
		t.Errorf("after it: %q (%v)", got, err)
	}
}
