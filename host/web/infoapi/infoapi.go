// Copyright 2026 The Gantry Authors.

// Package infoapi tells strangers how to reach the MCP endpoint: GET /api/v1/mcp/info (seed 000),
// from which pages and programs make snippets for clients.
//
// It knows what it is told at the start and nothing of who asks: no key, no tenant and no tool is
// in its answer.
package infoapi

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// protocolVersion is what seed 000 promises. The endpoint speaks older and newer versions too, which
// a client and the host agree on between themselves.
const protocolVersion = "2025-06-18"

// Path is where the endpoint is.
const Path = "/api/v1/mcp/info"

// Config says what there is to tell. Both fields are required.
type Config struct {
	// BaseURL is what clients reach the host by, such as "https://api.example.com", without /mcp/.
	BaseURL string
	// ServerName is what the host calls itself in the protocol; the example uses it as the client's
	// name for the host, too.
	ServerName string
}

type info struct {
	URL             string       `json:"url"`
	ServerName      string       `json:"server_name"`
	ProtocolVersion string       `json:"protocol_version"`
	SupportedScopes []host.Scope `json:"supported_scopes"`
	ExampleConfig   example      `json:"example_config"`
}

type example struct {
	Servers map[string]exampleServer `json:"mcpServers"`
}

type exampleServer struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
}

// New returns the surface, or an error that names the setting at fault.
func New(cfg Config) (web.Surface, error) {
	const op = "infoapi.New"
	base, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https":
		return web.Surface{}, host.Errorf(op, abi.CodeInvalidArg, "BaseURL: %q is not a URL such as https://api.example.com", cfg.BaseURL)
	case cfg.ServerName == "":
		return web.Surface{}, host.Errorf(op, abi.CodeInvalidArg, "ServerName is missing")
	}
	body, err := encode(strings.TrimSuffix(cfg.BaseURL, "/")+"/mcp/", cfg.ServerName)
	if err != nil {
		return web.Surface{}, host.E(op, abi.CodeInternal, err)
	}
	return web.Surface{Name: "MCP", Prefixes: []string{Path}, Routes: []web.Route{{
		Method: "GET", Path: Path, Public: true,
		Handler: func(c *web.Ctx) error {
			c.SetHeader("Cache-Control", "public, max-age=60")
			c.Bytes(200, "application/json", bytes.Clone(body))
			return nil
		},
		Doc: web.Doc{
			ID: "mcpInfo", Summary: "How to connect an MCP client",
			Description: "For pages and programs that make snippets. The endpoint also speaks protocol versions other than protocol_version.",
			Answers: []web.AnswerDoc{{
				Status: 200, Description: "The endpoint, and a client's configuration for it",
				Schema: json.RawMessage(schema), Example: string(body),
			}},
		},
	}}}, nil
}

func encode(endpoint, name string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // the <your-key> of the example is for people
	err := enc.Encode(info{
		URL: endpoint, ServerName: name, ProtocolVersion: protocolVersion, SupportedScopes: host.AllScopes(),
		ExampleConfig: example{map[string]exampleServer{name: {
			URL: endpoint, Headers: map[string]string{"Authorization": "Bearer sk-org-<your-key>"},
		}}},
	})
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n")), err
}

const schema = `{"type":"object","required":["url","server_name","protocol_version","supported_scopes","example_config"],"properties":{` +
	`"url":{"type":"string","description":"the MCP endpoint"},` +
	`"server_name":{"type":"string"},` +
	`"protocol_version":{"type":"string"},` +
	`"supported_scopes":{"type":"array","items":{"type":"string"},"description":"what keys may be given"},` +
	`"example_config":{"type":"object","required":["mcpServers"],"properties":{"mcpServers":{"type":"object",` +
	`"additionalProperties":{"type":"object","required":["url","headers"],"properties":{"url":{"type":"string"},` +
	`"headers":{"type":"object","additionalProperties":{"type":"string"}}}}}},"description":"what to put into a client's configuration"}}}`
