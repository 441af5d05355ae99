// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// codePlugin is the code of a failure that the plugin reported: Extism's errors are texts alone.
const codePlugin abi.Code = "PLUGIN_ERROR"

// form is how a tool's arguments become an export's input, and its output an answer.
type form interface {
	// export is the function that is called.
	export() string
	// input makes the export's input of a tool's arguments.
	input(args []byte) ([]byte, error)
	// output reads the answer. Set is false where the plugin set none.
	output(data []byte, set bool) (host.Output, error)
}

// manifestOf makes the contract's manifest of the tools that the operator declared.
func (s *settings) manifest(name string, exports []string) (*abi.Manifest, []form, error) {
	m := s.emptyManifest(name)
	var forms []form
	for i := range s.Tools {
		t := &s.Tools[i]
		if !slices.Contains(exports, t.Export) {
			return nil, nil, invalidf("tools[%d]: the module has no function %q that takes nothing and returns at most a number; it has %s", i, clip(t.Export), listed(exports))
		}
		tool := abi.Tool{
			Name: t.Name, Title: t.Title, Description: t.Description, InputSchema: t.InputSchema,
			Annotations: abi.Annotations{ReadOnly: t.ReadOnly},
		}
		switch {
		case t.Input == formText:
			tool.InputSchema = json.RawMessage(textSchema)
		case len(tool.InputSchema) == 0:
			tool.InputSchema = json.RawMessage(`{"type":"object"}`)
		}
		m.Tools = append(m.Tools, tool)
		forms = append(forms, t)
	}
	if len(m.Tools) == 0 {
		return nil, nil, contractf("no function of the module is declared to be a tool; it has %s", listed(exports)).
			WithHint("name tools in %s.yaml: config: {extism: {tools: [{name: …}]}}", name)
	}
	return m, forms, validate(m)
}

func (s *settings) emptyManifest(name string) *abi.Manifest {
	return &abi.Manifest{ABI: abi.Version, Name: name, Summary: s.Summary, Wants: abi.Rights{Hosts: s.AllowedHosts}}
}

func validate(m *abi.Manifest) error {
	if err := m.Validate(); err != nil {
		return host.Errorf(opLoad, abi.CodeContract, "%w", err)
	}
	return nil
}

// listed names exports for a message, without those that are a language's own.
func listed(exports []string) string {
	var out []string
	for _, e := range exports {
		if !strings.HasPrefix(e, "_") && len(out) < 20 {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return "none"
	}
	return clip(strings.Join(out, ", "))
}

const textSchema = `{"type":"object","properties":{"input":{"type":"string","description":"The text to work on."}},"required":["input"],"additionalProperties":false}`

var _ form = (*toolSettings)(nil)

func (t *toolSettings) export() string { return t.Export }

// input implements form. Arguments that do not fit the schema do not come this far; they are read
// with care all the same.
func (t *toolSettings) input(args []byte) ([]byte, error) {
	if t.Input == formJSON {
		return args, nil
	}
	var in struct {
		Input *string `json:"input"`
	}
	if err := json.Unmarshal(args, &in); err != nil || in.Input == nil {
		return nil, host.Errorf(opCall, abi.CodeInvalidArg, "input: the tool takes one text under this name")
	}
	return []byte(*in.Input), nil
}

// output implements form.
func (t *toolSettings) output(data []byte, set bool) (host.Output, error) {
	switch {
	case !set && !t.Silent:
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin returned from %s without an answer", t.Export).
			WithHint("where it need not answer, say so: silent: true")
	case t.Output == formText && !utf8.Valid(data):
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin answered %d bytes that are not UTF-8 text", len(data))
	case t.Output == formText:
		return host.Output{Kind: abi.OutputText, Data: data}, nil
	case !set:
		return host.Output{Kind: abi.OutputStructured, Data: []byte("null")}, nil
	case !json.Valid(data):
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin answered %d bytes that are not one JSON value", len(data))
	}
	return host.Output{Kind: abi.OutputStructured, Data: data}, nil
}

// The exports of a module that describes its tools itself.
const (
	exportDescribe = "describe"
	exportCall     = "call"
)

func describesItself(exports []string) bool {
	return slices.Contains(exports, exportDescribe) && slices.Contains(exports, exportCall)
}

// described is a tool of a module that describes its tools itself.
type described struct{ name string }

var _ form = described{}

// describedManifest makes the contract's manifest of what describe answered.
func (s *settings) describedManifest(name string, data []byte) (*abi.Manifest, []form, error) {
	var answer struct {
		Tools []struct {
			Name         string          `json:"name"`
			Title        string          `json:"title"`
			Description  string          `json:"description"`
			InputSchema  json.RawMessage `json:"inputSchema"`
			OutputSchema json.RawMessage `json:"outputSchema"`
			Annotations  struct {
				Title       string `json:"title"`
				ReadOnly    bool   `json:"readOnlyHint"`
				Destructive bool   `json:"destructiveHint"`
				Idempotent  bool   `json:"idempotentHint"`
				OpenWorld   bool   `json:"openWorldHint"`
			} `json:"annotations"`
		} `json:"tools"`
	}
	if len(data) > abi.MaxManifestBytes {
		return nil, nil, contractf("%s answered %d bytes; at most %d are allowed", exportDescribe, len(data), abi.MaxManifestBytes)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return nil, nil, contractf(`%s did not answer {"tools": [...]}: %w`, exportDescribe, err)
	}
	m := s.emptyManifest(name)
	var forms []form
	for _, t := range answer.Tools {
		if t.Title == "" {
			t.Title = t.Annotations.Title
		}
		m.Tools = append(m.Tools, abi.Tool{
			Name: t.Name, Title: t.Title, Description: t.Description,
			InputSchema: present(t.InputSchema), OutputSchema: present(t.OutputSchema),
			Annotations: abi.Annotations{
				ReadOnly: t.Annotations.ReadOnly, Destructive: t.Annotations.Destructive,
				Idempotent: t.Annotations.Idempotent, OpenWorld: t.Annotations.OpenWorld,
			},
		})
		forms = append(forms, described{t.Name})
	}
	return m, forms, validate(m)
}

// present is raw, or nothing where it is null.
func present(raw json.RawMessage) json.RawMessage {
	if string(raw) == "null" {
		return nil
	}
	return raw
}

func (described) export() string { return exportCall }

// input implements form.
func (d described) input(args []byte) ([]byte, error) {
	if len(args) == 0 {
		args = []byte("{}")
	}
	type params struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	data, err := json.Marshal(map[string]params{"params": {d.name, args}})
	if err != nil {
		return nil, host.Errorf(opCall, abi.CodeInvalidArg, "the arguments are not JSON: %w", err)
	}
	return data, nil
}

// content is a block of what call answers, in MCP's words and in Extism's older ones.
type content struct {
	Type        string `json:"type"`
	Text        string `json:"text"`
	Data        []byte `json:"data"`
	MIMEType    string `json:"mimeType"`
	URI         string `json:"uri"`
	Name        string `json:"name"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Resource    *struct {
		URI      string `json:"uri"`
		MIMEType string `json:"mimeType"`
		Text     string `json:"text"`
		Blob     []byte `json:"blob"`
	} `json:"resource"`
}

// output implements form.
func (d described) output(data []byte, set bool) (host.Output, error) {
	var answer struct {
		Content    []content       `json:"content"`
		Structured json.RawMessage `json:"structuredContent"`
		IsError    bool            `json:"isError"`
	}
	if !set {
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin returned from %s without an answer", exportCall)
	}
	if err := json.Unmarshal(data, &answer); err != nil {
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, `the plugin's answer is not {"content": [...]}: %w`, err)
	}
	out := abi.Result{Structured: present(answer.Structured), IsError: answer.IsError}
	for i := range answer.Content {
		block, err := answer.Content[i].block()
		if err != nil {
			return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin's answer: content[%d]: %w", i, err)
		}
		out.Content = append(out.Content, block)
	}
	raw, err := json.Marshal(&out)
	if err != nil {
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin's answer: %w", err)
	}
	return host.Output{Kind: abi.OutputResult, Data: raw}, nil
}

func (c *content) block() (abi.Content, error) {
	switch t := abi.ContentType(c.Type); t {
	case abi.ContentText:
		return abi.Text(c.Text), nil
	case abi.ContentImage, abi.ContentAudio:
		return abi.Content{Type: t, Data: c.Data, MIMEType: c.MIMEType}, nil
	case abi.ContentLink:
		return abi.Content{Type: t, URI: c.URI, Name: c.Name, Title: c.Title, Description: c.Description, MIMEType: c.MIMEType}, nil
	case abi.ContentResource:
		if r := c.Resource; r != nil {
			return abi.Content{Type: t, URI: r.URI, MIMEType: r.MIMEType, Text: r.Text, Data: r.Blob}, nil
		}
		return abi.Content{Type: t, URI: c.URI, MIMEType: c.MIMEType, Text: c.Text, Data: c.Data}, nil
	}
	return abi.Content{}, fmt.Errorf("type %q is not one of text, image, audio, resource_link, resource", clip(c.Type))
}
