// Copyright 2026 The Gantry Authors.

package abi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

// TestARefusalNamesTheField breaks one rule of a good manifest at a time.
func TestARefusalNamesTheField(t *testing.T) {
	tests := map[string]struct {
		spoil func(m *abi.Manifest)
		says  string
	}{
		"no contract version":     {func(m *abi.Manifest) { m.ABI = 0 }, "no field abi"},
		"a newer contract":        {func(m *abi.Manifest) { m.ABI = 2 }, "newer than this host"},
		"an older contract":       {func(m *abi.Manifest) { m.ABI = -1 }, "older than this host"},
		"no name":                 {func(m *abi.Manifest) { m.Name = "" }, "name"},
		"a name with capitals":    {func(m *abi.Manifest) { m.Name = "Text" }, "name"},
		"a name of 65":            {func(m *abi.Manifest) { m.Name = strings.Repeat("a", 65) }, "name"},
		"a long version":          {func(m *abi.Manifest) { m.Version = strings.Repeat("1", 65) }, "version"},
		"a long summary":          {func(m *abi.Manifest) { m.Summary = strings.Repeat("s", 201) }, "summary"},
		"513 tools":               {func(m *abi.Manifest) { m.Tools = make([]abi.Tool, 513) }, "at most 512"},
		"a tool name with spaces": {func(m *abi.Manifest) { m.Tools[0].Name = "a b" }, "tools[0]"},
		"a tool twice":            {func(m *abi.Manifest) { m.Tools = append(m.Tools, m.Tools[0]) }, "used twice"},
		"a long description":      {func(m *abi.Manifest) { m.Tools[0].Description = strings.Repeat("d", 16<<10+1) }, "description"},
		"a long title":            {func(m *abi.Manifest) { m.Tools[0].Title = strings.Repeat("d", 201) }, "title"},
		"a wrong error code":      {func(m *abi.Manifest) { m.Tools[0].ErrorCode = "oops" }, "error_code"},
		"an icon of a file":       {func(m *abi.Manifest) { m.Tools[0].Icons[0].Src = "file:///etc/passwd" }, "icons[0]: src"},
		"an icon of a script":     {func(m *abi.Manifest) { m.Tools[0].Icons[0].Src = "data:text/html,x" }, "icons[0]: src"},
		"a large icon":            {func(m *abi.Manifest) { m.Tools[0].Icons[0].Src += strings.Repeat("A", 64<<10) }, "icons[0]: src has"},
		"an icon of no theme":     {func(m *abi.Manifest) { m.Tools[0].Icons[0].Theme = "pink" }, "theme"},
		"nine icons":              {func(m *abi.Manifest) { m.Tools[0].Icons = make([]abi.Icon, 9) }, "9 icons"},
		"input of type array":     {func(m *abi.Manifest) { m.Tools[0].InputSchema = json.RawMessage(`{"type":"array"}`) }, "input_schema"},
		"output that is no object": {func(m *abi.Manifest) { m.Tools[0].OutputSchema = json.RawMessage(`[]`) },
			"output_schema"},
		"a schema of 257 KiB":     {func(m *abi.Manifest) { m.Config = json.RawMessage(`{"a":"` + strings.Repeat("x", 257<<10) + `"}`) }, "config"},
		"an unknown need":         {func(m *abi.Manifest) { m.Tools[0].Needs = []string{"telepathy"} }, "telepathy"},
		"a prompt twice":          {func(m *abi.Manifest) { m.Prompts = append(m.Prompts, m.Prompts[0]) }, "prompts[1]"},
		"an argument of no name":  {func(m *abi.Manifest) { m.Prompts[0].Arguments[0].Name = "" }, "prompts[0].arguments[0]"},
		"a relative resource":     {func(m *abi.Manifest) { m.Resources[0].URI = "note" }, "resources[0]"},
		"a nameless resource":     {func(m *abi.Manifest) { m.Resources[0].Name = "" }, "resources[0]"},
		"a template twice":        {func(m *abi.Manifest) { m.Templates = append(m.Templates, m.Templates[0]) }, "templates[1]"},
		"a nameless template":     {func(m *abi.Manifest) { m.Templates[0].Name = "" }, "templates[0]"},
		"unknown file rights":     {func(m *abi.Manifest) { m.Wants.Files = "all" }, "files"},
		"a credential for a star": {func(m *abi.Manifest) { m.Wants.Credentials[0].Host = "*.example.com" }, "credentials[0]"},
		"a credential nowhere":    {func(m *abi.Manifest) { m.Wants.Credentials[0].Header = "" }, "header or query"},
		"a template of no value":  {func(m *abi.Manifest) { m.Wants.Credentials[0].Template = "Bearer" }, "${value}"},
		"a nameless credential":   {func(m *abi.Manifest) { m.Wants.Credentials[0].Name = "" }, "name is missing"},
		"nothing": {func(m *abi.Manifest) { m.Tools, m.Prompts, m.Resources, m.Templates = nil, nil, nil, nil },
			"offers nothing"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := fullManifest()
			tt.spoil(m)
			err := m.Validate()
			var e *abi.Error
			if !errors.As(err, &e) || e.Code != abi.CodeContract || !strings.Contains(e.Message, tt.says) {
				t.Errorf("got %v, want CodeContract with %q", err, tt.says)
			}
		})
	}
	if err := fullManifest().Validate(); err != nil {
		t.Errorf("the good manifest is refused: %v", err)
	}
}

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "text-2_x": true, "": false, "2a": false, "-a": false, "a.b": false, "ä": false, "a\n": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false,
	} {
		if got := abi.ValidPluginName(s); got != want {
			t.Errorf("ValidPluginName(%q) = %v, want %v", s, got, want)
		}
	}
	for s, want := range map[string]bool{"A.b-c_9": true, ".": true, "": false, "a b": false, "a/b": false, "a\n": false} {
		if got := abi.ValidToolName(s); got != want {
			t.Errorf("ValidToolName(%q) = %v, want %v", s, got, want)
		}
	}
	for s, want := range map[abi.Code]bool{"OPENAI_ERROR": true, "A1": true, "": false, "1A": false, "_A": false, "a": false, "A-B": false} {
		if got := abi.ValidCode(s); got != want {
			t.Errorf("ValidCode(%q) = %v, want %v", s, got, want)
		}
	}
}

func TestParseManifestLetsNewerHintsThrough(t *testing.T) {
	m, err := abi.ParseManifest([]byte(`{"abi":1,"name":"x","icon":"y","tools":[{"name":"t","colour":"red"}]}`))
	if err != nil || m.Tools[0].Name != "t" {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestParseManifestBoundsItsSize(t *testing.T) {
	_, err := abi.ParseManifest([]byte(strings.Repeat(" ", abi.MaxManifestBytes+1)))
	if err == nil || !strings.Contains(err.Error(), "at most 1048576") {
		t.Errorf("got %v", err)
	}
}

// FuzzParseManifest holds ParseManifest to its word: whatever a guest answers, it is refused with
// CodeContract, or it is valid and stays valid when it is written and read again.
func FuzzParseManifest(f *testing.F) {
	good, err := json.Marshal(fullManifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"abi":1,"name":"x","tools":[{"name":"t","input_schema":null}]}`))
	f.Add([]byte(`{"abi":1,"name":"x","tools":null}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := abi.ParseManifest(data)
		if err != nil {
			var e *abi.Error
			if !errors.As(err, &e) || e.Code != abi.CodeContract || e.Message == "" {
				t.Fatalf("got %v, want an *Error with CodeContract", err)
			}
			return
		}
		again, err := json.Marshal(m)
		if err != nil {
			t.Fatalf("a valid manifest does not encode: %v", err)
		}
		if len(again) > abi.MaxManifestBytes {
			return // escapes grew it
		}
		if _, err := abi.ParseManifest(again); err != nil {
			t.Fatalf("read again: %v\n%s", err, again)
		}
	})
}
