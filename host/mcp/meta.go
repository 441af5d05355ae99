// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/registry"
)

// The host's own tools, for models that cannot carry the whole list along.
const (
	searchTools = "search_tools"
	callTool    = "call_tool"
)

// HostTools are the names of the tools that the host serves itself over MCP. No plugin's tool may
// have one.
func HostTools() []string { return []string{callTool, searchTools} }

// The bounds of a search.
const (
	defaultFound  = 8
	maxFoundBytes = 128 << 10 // of a page, unless one tool alone has more
)

// metaOnlyCounsel is told to clients whose key shows the host's own tools alone.
const metaOnlyCounsel = "Only search_tools and call_tool are listed. Find a tool with search_tools, then run it with call_tool."

var searchInput = json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{` +
	`"query":{"type":"string","maxLength":1000,"default":"","description":"Words for what the tool should do, or a part of its name; without any, all tools in order of names"},` +
	`"limit":{"type":"integer","minimum":1,"maximum":50,"default":8,"description":"How many tools to return at most"},` +
	`"cursor":{"type":"string","maxLength":64,"description":"The nextCursor of the page before"}}}`)

var callInput = json.RawMessage(`{"type":"object","additionalProperties":false,"required":["name"],"properties":{` +
	`"name":{"type":"string","minLength":1,"maxLength":64,"description":"The tool's name, as search_tools gave it"},` +
	`"arguments":{"type":"object","description":"The tool's arguments, as its inputSchema asks for them"}}}`)

// metaSchemas are the two above, ready to check by.
type metaSchemas struct{ search, call *schema.Schema }

func newMetaSchemas() (m metaSchemas, err error) {
	if m.search, err = schema.Compile(searchInput); err != nil {
		return m, fmt.Errorf("mcp: %s: %w", searchTools, err)
	}
	if m.call, err = schema.Compile(callInput); err != nil {
		return m, fmt.Errorf("mcp: %s: %w", callTool, err)
	}
	return m, nil
}

// metaTools are the host's own tools as the caller may use them; none for workspaces, which are
// storage, and for whoever may call nothing.
func metaTools(p *host.Principal) []*sdk.Tool {
	if p.Kind == host.KindWorkspace || !p.Has(host.ScopeReadTools) {
		return nil
	}
	yes, no, writes := true, false, p.Has(host.ScopeWriteTools)
	return []*sdk.Tool{
		{
			Name: callTool, Title: "Call a tool",
			Description: "Runs a tool that search_tools found, also one that is not in your list of tools. The answer is the tool's own.",
			InputSchema: callInput,
			Annotations: &sdk.ToolAnnotations{ReadOnlyHint: !writes, DestructiveHint: &writes, OpenWorldHint: &yes},
		},
		{
			Name: searchTools, Title: "Search tools",
			Description: "Finds tools by words in their names, titles, descriptions and arguments, best first, with all that is needed to call them with call_tool. Use it whenever no tool in your list does what is asked.",
			InputSchema: searchInput,
			Annotations: &sdk.ToolAnnotations{ReadOnlyHint: true, DestructiveHint: &no, IdempotentHint: true, OpenWorldHint: &no},
		},
	}
}

// offerMeta adds the host's own tools to those of the plugins.
func (v *view) offerMeta(to offers) {
	run := map[string]sdk.ToolHandler{callTool: v.callByName, searchTools: v.search}
	for _, t := range metaTools(v.who) {
		to[t.Name] = offer{"", fingerprint(t), false, nil, func() { v.server.AddTool(t, run[t.Name]) }}
	}
}

// show makes a page of tools/list what the request may see of it.
func (v *view) show(list *sdk.ListToolsResult, modern bool) {
	if v.who.MetaTools {
		list.Tools, list.NextCursor = append([]*sdk.Tool{}, metaTools(v.who)...), ""
	}
	if !modern {
		list.Tools = forSessions(list.Tools)
	}
}

// found is one page of a search.
type found struct {
	Tools []*sdk.Tool `json:"tools"`
	// Total is how many tools fit, on all pages.
	Total      int    `json:"total"`
	NextCursor string `json:"nextCursor,omitempty"`
}

// search answers search_tools.
func (v *view) search(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	ask := struct {
		Query, Cursor string
		Limit         float64 // a whole number, but models also write 8.0
	}{Limit: defaultFound}
	if err := readArguments(v.s.meta.search, req.Params.Arguments, &ask); err != nil {
		return errorResult(host.Outward(err)), nil
	}
	f := v.finder.Load()
	all := f.find(ask.Query)
	mark := printOf(ask.Query, all)
	from, err := cursorFrom(ask.Cursor, mark)
	if err != nil || from > len(all) {
		return errorResult(host.Outward(host.Errorf("mcp.search", abi.CodeInvalidArg,
			"/cursor is not one of this search, or the tools have changed since").
			WithHint("search again without cursor"))), nil
	}
	page := found{Tools: []*sdk.Tool{}, Total: len(all)}
	size := 0
	for _, ref := range all[from:] {
		t := toolFor(ref)
		t.OutputSchema, t.Icons = nil, nil // nobody needs them to make a call
		size += len(marshal(t))
		if n := len(page.Tools); n == int(ask.Limit) || n > 0 && size > maxFoundBytes {
			page.NextCursor = newCursor(from+n, mark)
			break
		}
		page.Tools = append(page.Tools, t)
	}
	return resultFor(&abi.Result{Structured: marshal(page)}, eraOf(req)), nil
}

// printOf differs when a search, or what it finds, differs.
func printOf(query string, tools []registry.ToolRef) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, query)
	for _, ref := range tools {
		_, _ = io.WriteString(h, "\x00"+ref.Name)
	}
	return h.Sum64()
}

// newCursor says where the next page begins, and of which search.
func newCursor(at int, mark uint64) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%x", at, mark))
}

// cursorFrom reads a cursor of the search with that mark; without one a search begins at 0.
func cursorFrom(cursor string, mark uint64) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, err
	}
	var at int
	if _, err := fmt.Sscanf(string(text), "%d.", &at); err != nil {
		return 0, err
	}
	if at < 0 || newCursor(at, mark) != cursor {
		return 0, errors.New("of another search")
	}
	return at, nil
}

// callByName answers call_tool: the call is made as if the tool itself had been called.
func (v *view) callByName(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
	var ask struct {
		Name      string
		Arguments json.RawMessage
	}
	if err := readArguments(v.s.meta.call, req.Params.Arguments, &ask); err != nil {
		return errorResult(host.Outward(err)), nil
	}
	if ask.Name == callTool || ask.Name == searchTools {
		return errorResult(host.Outward(host.Errorf("mcp.call", abi.CodeInvalidArg,
			"/name is %s, which is called by itself, not with %s", ask.Name, callTool))), nil
	}
	var needs []string
	if ref, ok := v.finder.Load().tool(ask.Name); ok {
		needs = ref.Tool.Needs
	}
	params := *req.Params
	params.Name, params.Arguments = ask.Name, ask.Arguments
	inner := *req
	inner.Params = &params
	res, err := v.s.callTool(ctx, &inner, needs)
	if unknown := unknownIn(err); unknown != nil {
		return errorResult(unknown), nil
	}
	return res, err
}

// unknownIn is the word that there is no such tool, where err is that; nil otherwise. As a name to
// tools/call it is a fault of the client, as an argument one of the model, which has to read of it.
func unknownIn(err error) *abi.Error {
	var own *jsonrpc.Error
	var e abi.Error
	if !errors.As(err, &own) || json.Unmarshal(own.Data, &e) != nil || e.Code != abi.CodeUnknownTool {
		return nil
	}
	return &e
}

// readArguments checks the arguments of one of the host's own tools and reads them.
func readArguments(s *schema.Schema, raw json.RawMessage, into any) error {
	if len(raw) == 0 || string(raw) == "null" {
		raw = json.RawMessage("{}")
	}
	if err := s.Check(raw); err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return host.Errorf("mcp.arguments", abi.CodeInvalidArg, "the arguments cannot be read: %w", err)
	}
	return nil
}

// instructions are what a client is told in the handshake.
func (s *Server) instructions(p *host.Principal) string {
	switch {
	case !p.MetaTools || len(metaTools(p)) == 0:
		return s.cfg.Instructions
	case s.cfg.Instructions == "":
		return metaOnlyCounsel
	}
	return s.cfg.Instructions + "\n\n" + metaOnlyCounsel
}
