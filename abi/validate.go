// Copyright 2026 The Gantry Authors.

package abi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// The bounds of a manifest. A manifest over one is refused at load.
const (
	MaxManifestBytes    = 1 << 20
	MaxTools            = 512
	MaxNameBytes        = 64
	MaxSummaryBytes     = 200
	MaxDescriptionBytes = 16 << 10
	MaxSchemaBytes      = 256 << 10
	MaxIcons            = 8
	MaxIconBytes        = 64 << 10
)

// The letters of names. They are matched by hand because every guest carries this package, and a
// regexp engine would add a tenth to its size and to the start of each instance.
const (
	small  = "abcdefghijklmnopqrstuvwxyz"
	large  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

// ValidPluginName tells whether s may name a plugin: [a-z][a-z0-9_-]{0,63}.
func ValidPluginName(s string) bool { return named(s, small, small+digits+"_-") }

// ValidToolName tells whether s may name a tool or a prompt: [A-Za-z0-9_.-]{1,64}.
func ValidToolName(s string) bool {
	return named(s, small+large+digits+"_.-", small+large+digits+"_.-")
}

// ValidCode tells whether c has the form of an error code: [A-Z][A-Z0-9_]{0,63}.
func ValidCode(c Code) bool { return named(string(c), large, large+digits+"_") }

// named tells whether s is 1 to MaxNameBytes long, begins with a byte of first and goes on with bytes of rest.
func named(s, first, rest string) bool {
	return len(s) >= 1 && len(s) <= MaxNameBytes && strings.IndexByte(first, s[0]) >= 0 && strings.Trim(s[1:], rest) == ""
}

// ParseManifest reads and validates what a plugin answered to ExportDescribe. Unknown fields are
// let through, so that a plugin may carry hints for newer hosts. The error is an *Error with
// CodeContract that names the field and the mend.
func ParseManifest(data []byte) (*Manifest, error) {
	if len(data) > MaxManifestBytes {
		return nil, contractf("the manifest is %d bytes long; at most %d are allowed", len(data), MaxManifestBytes)
	}
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, contractf("the manifest is not the JSON this host expects: %v", err)
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	return &m, nil
}

// Validate checks every rule of a manifest but the meaning of its JSON Schemas. The error is an
// *Error with CodeContract.
func (m *Manifest) Validate() error {
	switch {
	case m.ABI == 0:
		return contractf("the manifest has no field abi; a plugin for this host says abi: %d", Version)
	case m.ABI > Version:
		return contractf("the plugin is newer than this host: it speaks contract version %d, the host %d; update the host or build the plugin with an older pdk", m.ABI, Version)
	case m.ABI < Version:
		return contractf("the plugin is older than this host: it speaks contract version %d, the host %d; build it again with the current pdk", m.ABI, Version)
	case !ValidPluginName(m.Name):
		return contractf("name %q is not a plugin name; use a small letter, then up to 63 of a-z, 0-9, _ and -", clip(m.Name))
	case len(m.Version) > MaxNameBytes:
		return contractf("version has %d bytes; at most %d are allowed", len(m.Version), MaxNameBytes)
	case len(m.Summary) > MaxSummaryBytes:
		return contractf("summary has %d bytes; at most %d are allowed", len(m.Summary), MaxSummaryBytes)
	case len(m.Tools) > MaxTools || len(m.Prompts) > MaxTools || len(m.Resources) > MaxTools || len(m.Templates) > MaxTools:
		return contractf("a plugin may have at most %d tools, prompts, resources and templates each", MaxTools)
	case len(m.Tools)+len(m.Prompts)+len(m.Resources)+len(m.Templates) == 0:
		return contractf("the manifest offers nothing; it needs at least one tool, prompt, resource or template")
	}
	for _, check := range []func() error{m.validateTools, m.validatePrompts, m.validateResources} {
		if err := check(); err != nil {
			return err
		}
	}
	if err := validSchema("config", m.Config, false); err != nil {
		return err
	}
	if err := m.Wants.Validate(); err != nil {
		return contractf("wants: %v", err)
	}
	return nil
}

func (m *Manifest) validateTools() error {
	seen := map[string]bool{}
	for i := range m.Tools {
		t := &m.Tools[i]
		at := fmt.Sprintf("tools[%d] %q", i, clip(t.Name))
		switch {
		case !ValidToolName(t.Name):
			return contractf("%s: name: use 1 to 64 of A-Z, a-z, 0-9, _ . and -", at)
		case seen[t.Name]:
			return contractf("%s: the name is used twice", at)
		case len(t.Description) > MaxDescriptionBytes:
			return contractf("%s: description has %d bytes; at most %d are allowed", at, len(t.Description), MaxDescriptionBytes)
		case len(t.Title) > MaxSummaryBytes:
			return contractf("%s: title has %d bytes; at most %d are allowed", at, len(t.Title), MaxSummaryBytes)
		case t.ErrorCode != "" && !ValidCode(t.ErrorCode):
			return contractf("%s: error_code %q: use capital letters, digits and _", at, clip(string(t.ErrorCode)))
		case t.Task != "" && t.Task != TaskOptional && t.Task != TaskRequired:
			return contractf("%s: task: %q is not one of optional, required", at, clip(t.Task))
		case t.AsksFirst && t.Task == "":
			return contractf("%s: asks_first is for tools with a task; say task: optional or required", at)
		}
		seen[t.Name] = true
		if err := validIcons(at, t.Icons); err != nil {
			return err
		}
		if err := validSchema(at+": input_schema", t.InputSchema, true); err != nil {
			return err
		}
		if err := validSchema(at+": output_schema", t.OutputSchema, false); err != nil {
			return err
		}
		for _, need := range t.Needs {
			if need != ClientElicitation && need != ClientSampling && need != ClientRoots {
				return contractf("%s: needs: %q is not one of elicitation, sampling, roots", at, clip(need))
			}
		}
		for _, s := range t.Scopes {
			if s != ScopeData && s != ScopeChat && s != ScopeAdmin {
				return contractf("%s: scopes: %q is not one of read:data, chat, admin", at, clip(s))
			}
		}
	}
	return nil
}

func validIcons(at string, icons []Icon) error {
	if len(icons) > MaxIcons {
		return contractf("%s: it has %d icons; at most %d are allowed", at, len(icons), MaxIcons)
	}
	for i, icon := range icons {
		switch {
		case !strings.HasPrefix(icon.Src, "data:image/") && !strings.HasPrefix(icon.Src, "https://"):
			return contractf("%s: icons[%d]: src %q is neither data:image/… nor https://…", at, i, clip(icon.Src))
		case len(icon.Src) > MaxIconBytes:
			return contractf("%s: icons[%d]: src has %d bytes; at most %d are allowed", at, i, len(icon.Src), MaxIconBytes)
		case icon.Theme != "" && icon.Theme != "light" && icon.Theme != "dark":
			return contractf("%s: icons[%d]: theme %q is not light or dark", at, i, clip(icon.Theme))
		case len(icon.Sizes) > MaxIcons || len(icon.MIMEType) > MaxNameBytes:
			return contractf("%s: icons[%d]: it has more than %d sizes, or a mime_type of more than %d bytes", at, i, MaxIcons, MaxNameBytes)
		}
	}
	return nil
}

func (m *Manifest) validatePrompts() error {
	seen := map[string]bool{}
	for i, p := range m.Prompts {
		if !ValidToolName(p.Name) || seen[p.Name] {
			return contractf("prompts[%d]: name %q is not valid or is used twice", i, clip(p.Name))
		}
		seen[p.Name] = true
		for j, a := range p.Arguments {
			if a.Name == "" || len(a.Name) > MaxNameBytes {
				return contractf("prompts[%d].arguments[%d]: name is missing or too long", i, j)
			}
		}
	}
	return nil
}

func (m *Manifest) validateResources() error {
	seen := map[string]bool{}
	for i, r := range m.Resources {
		if !strings.Contains(r.URI, ":") || len(r.URI) > 2048 || seen[r.URI] {
			return contractf("resources[%d]: uri %q is not an absolute URI or is used twice", i, clip(r.URI))
		}
		seen[r.URI] = true
		if r.Name == "" {
			return contractf("resources[%d]: name is missing", i)
		}
	}
	for i, t := range m.Templates {
		if !strings.Contains(t.URITemplate, ":") || len(t.URITemplate) > 2048 || seen[t.URITemplate] {
			return contractf("templates[%d]: uri_template %q is not an absolute URI template or is used twice", i, clip(t.URITemplate))
		}
		seen[t.URITemplate] = true
		if t.Name == "" {
			return contractf("templates[%d]: name is missing", i)
		}
	}
	return nil
}

// validSchema checks that raw is one JSON object (or, where it may be, absent), and with object
// that its type is "object", as MCP requires of a tool's input.
func validSchema(at string, raw json.RawMessage, object bool) error {
	if len(raw) == 0 {
		return nil
	}
	if len(raw) > MaxSchemaBytes {
		return contractf("%s has %d bytes; at most %d are allowed", at, len(raw), MaxSchemaBytes)
	}
	var head struct {
		Type any `json:"type"`
	}
	if !bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) || json.Unmarshal(raw, &head) != nil {
		return contractf("%s is not a JSON object", at)
	}
	if object && head.Type != "object" {
		return contractf(`%s: type has to be "object"`, at)
	}
	return nil
}

func contractf(format string, args ...any) *Error {
	return &Error{Code: CodeContract, Message: fmt.Sprintf(format, args...)}
}

func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "") + "…"
	}
	return s
}
