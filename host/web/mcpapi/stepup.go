// Copyright 2026 The Gantry Authors.

package mcpapi

import (
	"encoding/json"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// stepUp refuses, with the status that makes a client ask its issuer for more, what an access token
// lacks the scopes for. Keys have no issuer to ask: their refusals stay in the protocol, where a
// model can read them. So does everything that is not known here to need a scope; the pipeline
// checks whatever comes.
func (o *Config) stepUp(c *web.Ctx) error {
	p := c.Principal()
	if o.Insufficient == nil || p.Issuer == "" || !c.Raw().Request().Header.IsPost() {
		return nil
	}
	if p.Has(host.ScopeWriteTools) && p.Has(host.ScopeReadData) {
		return nil // there is nothing here that needs more
	}
	needs := o.lacking(c, p)
	if len(needs) == 0 {
		return nil
	}
	challenge := o.Insufficient(c, p, needs)
	if challenge == "" {
		return nil
	}
	c.SetHeader("WWW-Authenticate", challenge)
	words := make([]string, len(needs))
	for n, s := range needs {
		words[n] = string(s)
	}
	return host.Errorf("mcpapi.stepUp", abi.CodeForbidden, "the access token lacks the scope %s", strings.Join(words, " and ")).
		WithHint("sign in again and grant what the WWW-Authenticate header names")
}

// lacking are the scopes that the operation needs and the token does not have.
func (o *Config) lacking(c *web.Ctx, p *host.Principal) []host.Scope {
	method, name := asked(c)
	switch {
	case method == "tools/call" && o.ToolScopes != nil:
		for _, s := range o.ToolScopes(c.Context(), name) {
			if !p.Has(s) {
				return []host.Scope{s}
			}
		}
	case method == "prompts/get" && !p.Has(host.ScopeReadTools):
		return []host.Scope{host.ScopeReadTools}
	case listsOrReads(method) && !p.Has(host.ScopeReadTools) && !p.Has(host.ScopeReadData):
		// Either would do; a token with neither sees nothing at all, so it is told both.
		return []host.Scope{host.ScopeReadTools, host.ScopeReadData}
	}
	return nil
}

func listsOrReads(method string) bool {
	switch method {
	case "tools/list", "tools/call", "prompts/list", "resources/list", "resources/templates/list", "resources/read":
		return true
	}
	return false
}

// asked is the method and name of a request: from the headers that the modern era has for them, or
// from the body. What the headers claim is held against the body later, by the protocol.
func asked(c *web.Ctx) (method, name string) {
	method, name = c.Header("Mcp-Method"), c.Header("Mcp-Name")
	if method != "" && !strings.HasPrefix(name, "=?") {
		return method, name
	}
	var msg struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	if json.Unmarshal(c.Raw().BodyRaw(), &msg) != nil {
		return "", "" // the protocol says what is wrong with it
	}
	return msg.Method, msg.Params.Name
}
