// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/gobwas/glob"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// settings is what an operator wrote under config: extism: a manifest as Extism writes them, with
// the tools added.
type settings struct {
	Summary string         `json:"summary"`
	Tools   []toolSettings `json:"tools"`

	Config map[string]string `json:"config"`
	// AllowedHosts narrow the grants; nil does not, an empty list leaves none.
	AllowedHosts []string          `json:"allowed_hosts"`
	AllowedPaths map[string]string `json:"allowed_paths"`
	Memory       memorySettings    `json:"memory"`
	TimeoutMS    int64             `json:"timeout_ms"`
	Wasm         []wasmSettings    `json:"wasm"`

	hosts []glob.Glob
}

// toolSettings declare one export as a tool.
type toolSettings struct {
	Name        string          `json:"name"`
	Export      string          `json:"export"`
	Title       string          `json:"title"`
	Description string          `json:"description"`
	Input       string          `json:"input"`
	Output      string          `json:"output"`
	InputSchema json.RawMessage `json:"input_schema"`
	ReadOnly    bool            `json:"read_only"`
	Silent      bool            `json:"silent"`
}

// The forms of a tool's input and output.
const (
	formText = "text"
	formJSON = "json"
)

type memorySettings struct {
	MaxPages     int64  `json:"max_pages"`
	MaxHTTPBytes *int64 `json:"max_http_response_bytes"`
	MaxVarBytes  *int64 `json:"max_var_bytes"`
}

// wasmSettings is an entry of the manifest's wasm. The module is the file beside the settings,
// wherever the manifest says it came from; its hash is checked.
type wasmSettings struct {
	Name    string            `json:"name"`
	Hash    string            `json:"hash"`
	Path    string            `json:"path"`
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers"`
}

const settingsKey = "extism"

// parseSettings reads a plugin's configuration: the key extism is for the runner, the others are
// for the plugin, as texts. The error is of CodeInvalidArg and names the field.
func parseSettings(config json.RawMessage) (*settings, error) {
	s := &settings{}
	all := map[string]json.RawMessage{}
	if len(config) > 0 {
		if err := json.Unmarshal(config, &all); err != nil {
			return nil, host.Errorf(opLoad, abi.CodeInvalidArg, "config: it is not a JSON object: %w", err)
		}
	}
	if raw := all[settingsKey]; raw != nil {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(s); err != nil {
			return nil, invalidf("%w", err)
		}
	}
	own := s.Config
	s.Config = map[string]string{}
	for key, value := range all {
		if key != settingsKey {
			s.Config[key] = asText(value)
		}
	}
	for key, value := range own {
		s.Config[key] = value
	}
	return s, s.check()
}

// asText is a setting as Extism hands it out: Extism knows texts alone.
func asText(value json.RawMessage) string {
	var text string
	if json.Unmarshal(value, &text) == nil && string(value) != "null" {
		return text
	}
	return string(value)
}

func (s *settings) check() error {
	switch {
	case len(s.Summary) > abi.MaxSummaryBytes:
		return invalidf("summary: at most %d bytes are allowed", abi.MaxSummaryBytes)
	case len(s.AllowedPaths) > 0:
		return invalidf("allowed_paths: this host mounts no folders into a plugin; leave it out")
	case s.TimeoutMS < 0 || s.TimeoutMS > int64(24*time.Hour/time.Millisecond):
		return invalidf("timeout_ms: %d is not between 0 and a day", s.TimeoutMS)
	case s.Memory.MaxPages < 0 || s.Memory.MaxPages > 65_536:
		return invalidf("memory.max_pages: %d is not between 0 and 65536", s.Memory.MaxPages)
	case negative(s.Memory.MaxHTTPBytes):
		return invalidf("memory.max_http_response_bytes: is negative; leave it out for the host's limit")
	case negative(s.Memory.MaxVarBytes):
		return invalidf("memory.max_var_bytes: is negative; leave it out for 1 MiB")
	case len(s.Wasm) > 1:
		return invalidf("wasm: this host runs one module and links none; the manifest has %d", len(s.Wasm))
	}
	for i, pattern := range s.AllowedHosts {
		g, err := glob.Compile(pattern)
		if err != nil || pattern == "" {
			return invalidf("allowed_hosts[%d]: %q is not a pattern; write a host, such as api.example.com or *.example.com", i, clip(pattern))
		}
		s.hosts = append(s.hosts, g)
	}
	for i := range s.Tools {
		if err := s.Tools[i].check(); err != nil {
			return invalidf("tools[%d] %q: %w", i, clip(s.Tools[i].Name), err)
		}
	}
	return nil
}

func negative(n *int64) bool { return n != nil && *n < 0 }

// check fills in what is left out.
func (t *toolSettings) check() error {
	for _, f := range []struct {
		name  string
		value *string
		zero  string
	}{{"export", &t.Export, t.Name}, {"input", &t.Input, formText}, {"output", &t.Output, formText}} {
		if *f.value == "" {
			*f.value = f.zero
		}
		if f.name != "export" && *f.value != formText && *f.value != formJSON {
			return fmt.Errorf("%s: %q is not one of text, json", f.name, clip(*f.value))
		}
	}
	if t.Input == formText && len(t.InputSchema) > 0 {
		return fmt.Errorf("input_schema: a tool with input: text takes one text; say input: json")
	}
	return nil
}

// checkHash compares what the manifest says of the module with its digest, "sha256:" and hex.
func (s *settings) checkHash(digest string) error {
	if len(s.Wasm) == 0 || s.Wasm[0].Hash == "" {
		return nil
	}
	if want, got := s.Wasm[0].Hash, strings.TrimPrefix(digest, "sha256:"); !strings.EqualFold(want, got) {
		return invalidf("wasm[0].hash: the manifest is for the module %s and the file is %s", clip(want), got)
	}
	return nil
}

// allows tells whether a request may go to the host. The grants decide beside it.
func (s *settings) allows(name string) bool {
	return s.AllowedHosts == nil || slices.Contains(s.AllowedHosts, name) ||
		slices.ContainsFunc(s.hosts, func(g glob.Glob) bool { return g.Match(name) })
}

// wall is the time of one call: Extism's where it is less.
func (s *settings) wall(d time.Duration) time.Duration {
	if t := time.Duration(s.TimeoutMS) * time.Millisecond; t > 0 && t < d {
		return t
	}
	return d
}

// pageLimit is what each of an instance's memories may have, or 0.
func (s *settings) pageLimit() int64 { return s.Memory.MaxPages * pageBytes }

// httpBytes bounds one response; 0 leaves it to the host.
func (s *settings) httpBytes() int64 {
	if s.Memory.MaxHTTPBytes == nil {
		return 0
	}
	return max(1, *s.Memory.MaxHTTPBytes)
}

// varBytes bounds what an instance keeps in variables.
func (s *settings) varBytes() int64 {
	if s.Memory.MaxVarBytes == nil {
		return 1 << 20
	}
	return min(*s.Memory.MaxVarBytes, math.MaxInt32)
}

func invalidf(format string, args ...any) *host.Error {
	return host.Errorf(opLoad, abi.CodeInvalidArg, "config: extism: %w", fmt.Errorf(format, args...))
}
