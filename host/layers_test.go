// Copyright 2026 The Gantry Authors.

package host_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/gantryhost/gantry"

// layer is one row of the house's law: the packages at or below Prefix may import, of this module,
// only what May lists. A longer prefix wins over a shorter one.
type layer struct {
	Prefix string
	May    []string
	Why    string
}

// services are tier 3: they never import each other. Who needs another declares a small interface
// and cmd/host joins them.
var services = []string{
	"host/tenants",
	"host/keys", "host/kv", "host/files", "host/egress", "host/journal", "host/sandbox",
	"host/metrics", "host/quota",
	"host/memory",
	"host/extismrun", "host/skills",
	"host/drive", "host/bearer",
	"host/runlog",
}

var words = []string{"abi", "host"}

var layers = append([]layer{
	{"abi", nil, "the contract is for both sides of the border, so it knows neither"},
	{"pdk", []string{"abi", "pdk"}, "authors get the contract and nothing of the host"},
	{"plugins", nil, "the folder only embeds what the Makefile built"},
	{"plugins/", []string{"abi", "pdk"}, "built-in plugins use the strangers' door"},
	{"examples/", []string{"abi", "pdk"}, "examples show what a stranger can do"},
	{"host", []string{"abi"}, "the words everybody needs have no logic to bring along"},
	{"host/yamlfile", words, "a decoder"},
	{"host/jsonc", words, "an editor of a file format"},
	{"host/fair", words, "it lets in and knows nobody"},
	{"host/crew", nil, "it does what it is given"},
	{"host/wasmbin", words, "a decoder"},
	{"host/runner", words, "what runners do alike knows none of them"},
	{"host/meter", append([]string{"host/wasmbin"}, words...), "it rewrites modules and runs none"},
	{"host/sandbox", append([]string{"host/wasmbin", "host/meter", "host/fair", "host/runner"}, words...), "the runner reads and rewrites what it runs"},
	{"registry", []string{"abi", "host", "host/yamlfile"}, "it knows which plugins exist, not how they run"},
	{"host/store", []string{"abi", "host", "host/store"}, "a store knows nothing of what it keeps"},
	{"host/schema", words, "a checker"},
	{"host/wasmbin", words, "a parser and writer of a file format"},
	{"host/meter", []string{"abi", "host", "host/wasmbin"}, "it rewrites modules and runs none"},
	{"host/invoke", []string{"abi", "host", "registry", "host/store", "host/schema", "host/journal", "host/crew"},
		"nothing below the pipeline knows HTTP, nothing above it knows Wasm"},
	{"host/mcp", []string{"abi", "host", "registry", "host/invoke", "host/schema", "host/crew"}, "the protocol over the pipeline"},
	{"host/web", words, "the kit serves every surface, so it knows none"},
	{"host/web/", []string{"abi", "host", "registry", "host/web", "host/invoke", "host/mcp", "host/keys", "host/tenants", "host/journal", "host/quota", "host/skills", "host/drive"},
		"a surface speaks for services, never for a runner"},
	{"cmd/host", []string{"abi", "host", "pdk", "registry", "plugins"}, "the one page where everything is joined"},
	{"bench", []string{"abi", "host", "pdk", "registry", "plugins"}, "measures any part"},
	{"e2e", []string{"abi"}, "sees the program from outside"},
}, serviceLayers()...)

func serviceLayers() []layer {
	var out []layer
	for _, s := range services {
		out = append(out, layer{s, []string{"abi", "host", "host/store", s}, "a service stands alone on the store"})
		if s == "host/sandbox" || s == "host/extismrun" {
			out[len(out)-1].May = append(out[len(out)-1].May, "host/wasmbin", "host/meter", "host/fair", "host/runner")
		}
		if s == "host/skills" {
			out[len(out)-1].May = append(out[len(out)-1].May, "host/yamlfile") // the head of a SKILL.md
		}
	}
	return out
}

// everything may be imported by the packages that join the parts.
var joiners = map[string]bool{"cmd/host": true, "bench": true}

// homes says which package may import a third-party module; a test may import any.
var homes = []struct {
	Module string
	Home   []string
}{
	{"go.uber.org/goleak", []string{"host/web/webtest"}},
	{"github.com/getkin/kin-openapi", []string{"host/web/webtest"}},
	{"github.com/tetratelabs/wazero", []string{"host/sandbox", "host/extismrun", "bench"}},
	{"github.com/extism/go-sdk", []string{"host/extismrun", "bench"}},
	{"github.com/gobwas/glob", []string{"host/extismrun"}},
	{"github.com/klauspost/compress", []string{"host/journal", "host/runlog"}},
	{"github.com/dgraph-io/badger", []string{"host/store/badgerstore"}},
	{"github.com/gofiber/fiber", []string{"host/web", "bench"}},
	{"github.com/valyala/fasthttp", []string{"host/web", "bench"}},
	{"github.com/modelcontextprotocol/go-sdk", []string{"host/mcp", "bench"}},
	{"github.com/google/jsonschema-go", []string{"host/schema", "host/mcp"}},
	{"github.com/yosida95/uritemplate", []string{"host/invoke"}},
	{"github.com/fsnotify/fsnotify", []string{"registry"}},
	{"gopkg.in/yaml.v3", []string{"host/yamlfile"}},
	{"github.com/prometheus/client_golang", []string{"host/metrics"}},
	{"github.com/spf13/cobra", []string{"cmd/host"}},
	{"github.com/blevesearch", []string{"host/drive"}},
	{"github.com/go-jose/go-jose", []string{"host/bearer"}},
	{"golang.org/x/net", []string{"host/egress", "host/drive"}},
	{"golang.org/x/text", []string{"host/memory", "host/drive"}},
}

type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Imports    []string
	GoFiles    []string
	Doc        string
}

func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Imports,GoFiles,Doc", "./...")
	cmd.Dir = ".."
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages; the test would prove nothing", len(all))
	}
	return all
}

func within(path, prefix string) bool {
	if strings.HasSuffix(prefix, "/") {
		return strings.HasPrefix(path, prefix)
	}
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func lawFor(path string) *layer {
	var best *layer
	for i := range layers {
		l := &layers[i]
		if within(path, l.Prefix) && (best == nil || len(l.Prefix) > len(best.Prefix)) {
			best = l
		}
	}
	return best
}

func allowed(l *layer, imported string) bool {
	if joiners[l.Prefix] {
		return !within(imported, "cmd")
	}
	if within(imported, strings.TrimSuffix(l.Prefix, "/")) && l.Prefix != "host" && l.Prefix != "plugins/" && l.Prefix != "examples/" {
		return true
	}
	for _, may := range l.May {
		if imported == may || may != "host" && may != "host/web" && within(imported, may) {
			return true
		}
	}
	return false
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		law := lawFor(path)
		if law == nil {
			t.Errorf("%s has no row in the table of layers", path)
			continue
		}
		for _, imp := range p.Imports {
			if rest, ours := strings.CutPrefix(imp, module+"/"); ours && !allowed(law, rest) {
				t.Errorf("%s imports %s, which %q may not: %s", path, rest, law.Prefix, law.Why)
			}
		}
	}
}

func TestThirdPartyPackagesHaveOneHome(t *testing.T) {
	for _, p := range list(t) {
		path := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			for _, h := range homes {
				if within(imp, h.Module) && !anyWithin(path, h.Home) {
					t.Errorf("%s imports %s, whose home is %v", path, imp, h.Home)
				}
			}
		}
	}
}

func anyWithin(path string, prefixes []string) bool {
	for _, p := range prefixes {
		if within(path, p) {
			return true
		}
	}
	return false
}

func TestEveryPackageOpensWithASentence(t *testing.T) {
	for _, p := range list(t) {
		if p.Doc == "" && len(p.GoFiles) > 0 {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

func TestEveryFileHasTheHeader(t *testing.T) {
	const header = "// Copyright 2026 The Gantry Authors.\n\n"
	n := 0
	err := filepath.WalkDir("..", func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".gantry" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		n++
		data, err := os.ReadFile(path)
		if err == nil && !strings.HasPrefix(string(data), header) && !strings.HasPrefix(string(data), "//go:build") {
			t.Errorf("%s does not begin with the header line", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if n < 10 {
		t.Fatalf("found %d files; the test would prove nothing", n)
	}
}
