// Copyright 2026 The Gantry Authors.

package runapi

import (
	"encoding/json"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/web"
)

type manifest struct {
	Name    string     `json:"name,omitempty"`
	Version string     `json:"version,omitempty"`
	Tools   []toolInfo `json:"tools"`
}

type toolInfo struct {
	Name         string          `json:"name"`
	Title        string          `json:"title,omitempty"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"input_schema"`
	OutputSchema json.RawMessage `json:"output_schema,omitempty"`
	Annotations  abi.Annotations `json:"annotations"`
}

const anyObject = `{"type":"object","properties":{}}`

func (a *api) manifest(c *web.Ctx) error {
	refs := a.Pipeline.Tools(c.Context())
	out := manifest{Name: a.Name, Version: a.Version, Tools: make([]toolInfo, 0, len(refs))}
	for _, r := range refs {
		t := toolInfo{
			Name: r.Name, Title: r.Tool.Title, Description: r.Tool.Description,
			InputSchema: r.Tool.InputSchema, OutputSchema: r.Tool.OutputSchema, Annotations: r.Tool.Annotations,
		}
		if len(t.InputSchema) == 0 {
			t.InputSchema = json.RawMessage(anyObject)
		}
		out.Tools = append(out.Tools, t)
	}
	return c.JSON(200, out)
}
