// Copyright 2026 The Gantry Authors.

//go:build languages

package languages

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// kits are the languages whose Extism kit an example is built with; the plugin extism-KIT has the
// tools extism_KIT_greet and extism_KIT_fetch.
var kits = []string{"rust", "as", "go"}

// extismHost is a running host with one of the plugins, twice: as it describes itself, and as plain
// functions that the settings make tools of.
type extismHost struct {
	*gantrytest.Host
	*gantrytest.Caller
	kit string
	t   *testing.T
}

func startExtism(t *testing.T, kit string) *extismHost {
	dir := os.Getenv("GANTRY_LANGUAGES")
	if dir == "" {
		t.Fatal("GANTRY_LANGUAGES names no folder; run make languages")
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "extism-"+kit+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	h := &extismHost{Host: gantrytest.New(t), kit: kit, t: t}
	h.Put("extism-"+kit+".wasm", wasm)
	h.plain("")
	h.Put("plain.wasm", wasm)
	h.Start()
	key := h.Token("--kind", "org", "--tenant", "acme", "--user", "ann", "--scopes", "read:tools,write:tools", "--name", "extism")
	h.Caller = gantrytest.NewCaller(h.Host.URL, key)
	for _, tool := range []string{"extism_" + kit + "_greet", "shout"} {
		waitFor(t, tool+" is served", func() bool {
			_, body, err := h.Do(http.MethodGet, "/mcp/manifest", nil)
			return err == nil && strings.Contains(string(body), `"`+tool+`"`)
		})
	}
	return h
}

// plain writes the settings of the plain functions, with more of Extism's manifest.
func (h *extismHost) plain(more string) {
	h.Put("plain.yaml", []byte("config:\n  extism:\n    tools: [{name: shout}, {name: fail}]\n"+more))
}

// plainNow writes them and waits until they hold.
func (h *extismHost) plainNow(summary, more string) {
	h.t.Helper()
	h.plain("    summary: " + summary + "\n" + more)
	waitFor(h.t, summary+" holds", func() bool {
		info, err := h.CLI("plugin", "info", "plain")
		return err == nil && strings.Contains(info, "\n"+summary+"\n")
	})
}

// described writes the settings of the plugin that describes itself.
func (h *extismHost) described(settings string) {
	h.Put("extism-"+h.kit+".yaml", []byte(settings))
}

// call calls one of the described tools, or a plain one.
func (h *extismHost) call(tool, argument, value string) (string, bool) {
	h.t.Helper()
	text, isError, err := h.CallTool(tool, map[string]string{argument: value})
	if err != nil {
		h.t.Fatal(err)
	}
	return text, isError
}

func (h *extismHost) greet() string {
	text, isError := h.call("extism_"+h.kit+"_greet", "name", "Änn <&>")
	if isError {
		return "error: " + text
	}
	return text
}

func (h *extismHost) fetch(url string) (string, bool) {
	return h.call("extism_"+h.kit+"_fetch", "url", url)
}

// refused waits until a fetch is refused with the code and these words.
func (h *extismHost) refused(url, code, says string) {
	h.t.Helper()
	var text string
	waitFor(h.t, fmt.Sprintf("%s: %s … %s", url, code, says), func() bool {
		var isError bool
		text, isError = h.fetch(url)
		return isError && strings.Contains(text, code) && strings.Contains(text, says)
	})
}

func TestPluginsOfExtismsKits(t *testing.T) {
	for _, kit := range kits {
		t.Run(kit, func(t *testing.T) {
			h := startExtism(t, kit)
			t.Run("describes its tools", func(t *testing.T) { isListed(t, h) })
			t.Run("a plain function is a tool by the settings", func(t *testing.T) { shouts(t, h) })
			t.Run("goes wrong in its own ways", func(t *testing.T) { failsCleanly(t, h) })
			t.Run("is held to Extism's manifest", func(t *testing.T) { keepsToManifest(t, h) })
			t.Run("reads its configuration", func(t *testing.T) { isConfigured(t, h) })
			t.Run("has variables as far as its isolation goes", func(t *testing.T) { remembers(t, h) })
			t.Run("makes requests under the egress guard", func(t *testing.T) { fetches(t, h) })
			t.Run("its fuel is counted", func(t *testing.T) { isMetered(t, h) })
		})
	}
}

func isListed(t *testing.T, h *extismHost) {
	answer, err := h.Modern("tools/list", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"extism_" + h.kit + "_greet", "Greet somebody", "extism_" + h.kit + "_fetch", `"openWorldHint":true`} {
		if !strings.Contains(string(answer.Result), want) {
			t.Errorf("%s is not in the list: %.500s", want, answer.Result)
		}
	}
	if text, isError, err := h.CallTool("extism_"+h.kit+"_greet", map[string]int{"name": 1}); err == nil && (!isError || !strings.Contains(text, "INVALID_ARG")) {
		t.Errorf("arguments that do not fit were answered with %s", text)
	}
	if text, err := h.Run("extism_"+h.kit+"_greet", map[string]string{"name": "REST"}); err != nil || !strings.Contains(text, "Hello, REST!") {
		t.Errorf("over REST: %q (%v)", text, err)
	}
}

func shouts(t *testing.T, h *extismHost) {
	for in, want := range map[string]string{
		"hey": "HEY", "": "", "äöü €": "ÄÖÜ €", "\"quotes\"\n": "\"QUOTES\"\n", strings.Repeat("ab", 50_000): strings.Repeat("AB", 50_000),
	} {
		if got, isError := h.call("shout", "input", in); isError || got != want {
			t.Errorf("%.40q became %.80q (%v)", in, got, isError)
		}
	}
}

func failsCleanly(t *testing.T, h *extismHost) {
	for how, want := range map[string]string{
		"so": "it was told: so", "panic": "PLUGIN_CRASHED", "memory": "LIMIT_EXCEEDED",
	} {
		if got, isError := h.call("fail", "input", how); !isError || !strings.Contains(got, want) {
			t.Errorf("%s: %q (%v), want %s", how, got, isError, want)
		}
		if got, isError := h.call("shout", "input", "after"); isError || got != "AFTER" {
			t.Errorf("after %s: %q", how, got)
		}
	}
}

func keepsToManifest(t *testing.T, h *extismHost) {
	fails := func(how, says string) {
		t.Helper()
		if got, isError := h.call("fail", "input", how); !isError || !strings.Contains(got, says) {
			t.Errorf("%s: got %q, want %q", how, got, says)
		}
	}
	h.plainNow("short", "    timeout_ms: 300\n")
	began := time.Now()
	fails("loop", "time limit of 300ms")
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("a loop of 300 ms took %s to end", took)
	}
	h.plainNow("small", "    memory: {max_pages: 200}\n")
	fails("memory", "the limit is 12800 KiB")
	h.plain("    wasm: [{hash: 12ab34}]\n")
	waitFor(t, "a wrong hash", func() bool {
		list, err := h.CLI("plugin", "list")
		return err == nil && strings.Contains(list, "wasm[0].hash: the manifest is for the module 12ab34")
	})
	h.plain("")
	waitFor(t, "the settings are right again", func() bool {
		list, err := h.CLI("plugin", "list")
		return err == nil && !strings.Contains(list, "wasm[0].hash")
	})
}

func isConfigured(t *testing.T, h *extismHost) {
	if got := h.greet(); got != "Hello, Änn <&>! (1)" {
		t.Errorf("got %q", got)
	}
	h.described("config:\n  greeting: Grüß Gott\n")
	waitFor(t, "the configuration", func() bool { return h.greet() == "Grüß Gott, Änn <&>! (1)" })
	h.described("config:\n  greeting: outer\n  extism: {config: {greeting: inner}}\n")
	waitFor(t, "the configuration of Extism's manifest", func() bool { return h.greet() == "inner, Änn <&>! (1)" })
}

func remembers(t *testing.T, h *extismHost) {
	for range 3 {
		if got := h.greet(); !strings.HasSuffix(got, "(1)") {
			t.Errorf("a call met what another has left: %s", got)
		}
	}
	h.described("isolation: tenant\n")
	waitFor(t, "isolation: tenant", func() bool { return strings.HasSuffix(h.greet(), "(4)") })
	other := gantrytest.NewCaller(h.Host.URL, h.Token("--kind", "org", "--tenant", "globex", "--user", "bob", "--scopes", "read:tools,write:tools", "--name", "other"))
	text, isError, err := other.CallTool("extism_"+h.kit+"_greet", map[string]string{"name": "Bob"})
	if err != nil || isError || !strings.HasSuffix(text, "(1)") {
		t.Errorf("another tenant: %q (%v)", text, err)
	}
	h.described("")
	waitFor(t, "isolation: call", func() bool { return strings.HasSuffix(h.greet(), "(1)") && strings.HasSuffix(h.greet(), "(1)") })
}

func fetches(t *testing.T, h *extismHost) {
	secret := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secret") }))
	defer secret.Close()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, secret.URL, http.StatusFound)
		case "/missing":
			http.Error(w, "ä: not here", http.StatusNotFound)
		default:
			fmt.Fprintf(w, "a page for %s", r.Header.Get("Accept"))
		}
	}))
	defer site.Close()
	h.refused(site.URL, "FORBIDDEN", "127.0.0.1")
	granted := "grants:\n  hosts: [" + strings.TrimPrefix(site.URL, "http://") + "]\n"
	h.described(granted)
	h.refused(site.URL, "FORBIDDEN", "private")
	granted += "  private: [127.0.0.0/8]\n"
	h.described(granted)
	waitFor(t, "a page", func() bool {
		text, isError := h.fetch(site.URL)
		return !isError && text == "200 a page for text/plain"
	})
	if text, isError := h.fetch(site.URL + "/missing"); isError || strings.TrimSpace(text) != "404 ä: not here" {
		t.Errorf("a page that is not there: %q", text)
	}
	if text, isError := h.fetch(site.URL + "/away"); !isError || !strings.Contains(text, "FORBIDDEN") || strings.Contains(text, "secret") {
		t.Errorf("a redirect to a place without a grant: %q", text)
	}
	if text, isError := h.fetch("http://[::1"); !isError {
		t.Errorf("a URL that is none: %q", text)
	}
	h.described(granted + "config:\n  extism: {allowed_hosts: [api.example.com]}\n")
	h.refused(site.URL, "FORBIDDEN", "allowed_hosts")
}

func isMetered(t *testing.T, h *extismHost) {
	key := h.Token("--kind", "admin", "--name", "metrics")
	_, body, err := gantrytest.NewCaller(h.Host.URL, key).Do(http.MethodGet, "/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, fuel, ok := strings.Cut(string(body), `gantry_fuel_total{plugin="plain",tenant="acme"} `); !ok || fuel[0] == '0' {
		t.Errorf("none is counted for the plain functions (%v)", ok)
	}
	h.plainNow("frugal", "limits:\n  fuel: 50000000\n")
	if got, isError := h.call("fail", "input", "loop"); !isError || !strings.Contains(got, "used up the fuel") || !strings.Contains(got, "LIMIT_EXCEEDED") {
		t.Errorf("a loop with little fuel: %q", got)
	}
}
