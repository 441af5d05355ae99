// Copyright 2026 The Gantry Authors.

// Package authapi tells clients without a credential that will do where to get one: the protected
// resource metadata of RFC 9728, and the WWW-Authenticate header of refusals.
//
// It signs nobody in and gives no tokens: the issuers that it names do. A host without issuers does
// not mount it, so that no client begins a sign-in that cannot end.
package authapi

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// metadata is where RFC 9728 puts the document of a resource: before its path.
const metadata = "/.well-known/oauth-protected-resource"

// Issuers are the authorization servers whose tokens the host takes, and their words for its scopes.
type Issuers interface {
	// Issuers are their URLs; there is at least one.
	Issuers() []string
	// Supported are all names of scopes that can be asked for.
	Supported() []string
	// Names are what to ask an issuer for to get these scopes, nil where it does not have them; the
	// empty issuer stands for all, and has an answer where they agree.
	Names(issuer string, scopes []host.Scope) []string
}

// Config is what the surface needs. Both fields are required.
type Config struct {
	// BaseURL is what clients reach the host by, such as "https://api.example.com".
	BaseURL string
	Issuers Issuers
}

// API is the surface, and what other surfaces say when they refuse.
type API struct {
	base    string
	issuers Issuers
}

// New checks the settings.
func New(cfg Config) (*API, error) {
	const op = "authapi.New"
	u, err := url.Parse(cfg.BaseURL)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, host.Errorf(op, abi.CodeInvalidArg, "BaseURL: %q is not a URL such as https://api.example.com", cfg.BaseURL)
	case cfg.Issuers == nil || len(cfg.Issuers.Issuers()) == 0:
		return nil, host.Errorf(op, abi.CodeInvalidArg, "Issuers is empty")
	}
	return &API{base: strings.TrimSuffix(cfg.BaseURL, "/"), issuers: cfg.Issuers}, nil
}

// document is the metadata of RFC 9728, section 2, as far as there is something to say.
type document struct {
	Resource string   `json:"resource"`
	Servers  []string `json:"authorization_servers"`
	Scopes   []string `json:"scopes_supported"`
	Methods  []string `json:"bearer_methods_supported"`
	Name     string   `json:"resource_name"`
}

const documentSchema = `{"type":"object","required":["resource","authorization_servers","scopes_supported","bearer_methods_supported"],` +
	`"properties":{"resource":{"type":"string","format":"uri"},"authorization_servers":{"type":"array","items":{"type":"string","format":"uri"}},` +
	`"scopes_supported":{"type":"array","items":{"type":"string"}},` +
	`"bearer_methods_supported":{"type":"array","items":{"const":"header"}},"resource_name":{"type":"string"}}}`

// Surface serves the metadata of /mcp and /mcp/, each under its own name, as clients compare it with
// the address that they were given, letter for letter. The form at the root is for clients that look
// nowhere else, and is that of /mcp.
func (a *API) Surface() (web.Surface, error) {
	s := web.Surface{Name: "sign-in", Prefixes: []string{metadata}}
	for _, r := range []struct{ path, resource, id string }{
		{"", "/mcp", "protectedResourceRoot"}, {"/mcp", "/mcp", "protectedResource"}, {"/mcp/", "/mcp/", "protectedResourceSlash"},
	} {
		body, err := json.Marshal(document{
			Resource: a.base + r.resource, Servers: a.issuers.Issuers(), Scopes: a.issuers.Supported(),
			Methods: []string{"header"}, Name: "Gantry",
		})
		if err != nil {
			return s, host.E("authapi.Surface", abi.CodeInternal, err)
		}
		s.Routes = append(s.Routes, web.Route{
			Method: "GET", Path: metadata + r.path, Public: true,
			Handler: func(c *web.Ctx) error {
				c.SetHeader("Cache-Control", "public, max-age=60")
				c.Bytes(200, "application/json", bytes.Clone(body))
				return nil
			},
			Doc: web.Doc{
				ID: r.id, Summary: "Who gives access tokens for the MCP endpoint (RFC 9728)",
				Description: "There where the host takes tokens of issuers; without any it is not found.",
				Answers: []web.AnswerDoc{{Status: 200, Description: "The metadata", Schema: json.RawMessage(documentSchema),
					Example: string(body)}},
			},
		})
	}
	return s, nil
}

// usual is what a client is told to ask for before it has tried anything: what a key gets that is
// made without saying more.
func usual() []host.Scope {
	return []host.Scope{host.ScopeReadTools, host.ScopeWriteTools, host.ScopeReadData}
}

// Challenge is the WWW-Authenticate header of a 401 (RFC 6750, section 3). A request without a
// credential is told where to get one; one with a credential that is not good is told that too.
func (a *API) Challenge(c *web.Ctx, e *abi.Error) string {
	var h header
	if e.Code == abi.CodeBadCredential {
		h.add("error", "invalid_token")
		h.add("error_description", e.Message)
	}
	h.add("scope", strings.Join(a.issuers.Names("", usual()), " "))
	h.add("resource_metadata", a.metadataOf(c))
	return h.String()
}

// Insufficient is the WWW-Authenticate header of a 403 for a principal whose access token lacks some
// of what an operation needs. It names that and what the token has already: a client asks for just
// what it is told, and would lose the rest. "" says that the issuer does not have the scopes, so that
// asking again is of no use, or that the principal came with a key.
func (a *API) Insufficient(c *web.Ctx, p *host.Principal, needs []host.Scope) string {
	if p == nil || p.Issuer == "" {
		return ""
	}
	names := a.issuers.Names(p.Issuer, append(p.Scopes[:len(p.Scopes):len(p.Scopes)], needs...))
	if names == nil {
		if names = a.issuers.Names(p.Issuer, needs); names == nil {
			return ""
		}
	}
	var h header
	h.add("error", "insufficient_scope")
	h.add("scope", strings.Join(names, " "))
	h.add("resource_metadata", a.metadataOf(c))
	return h.String()
}

// metadataOf is the document of the resource that the request went to.
func (a *API) metadataOf(c *web.Ctx) string {
	if c.Raw().Path() == "/mcp/" {
		return a.base + metadata + "/mcp/"
	}
	return a.base + metadata + "/mcp"
}

// header is a challenge of the scheme Bearer.
type header struct{ params []string }

// add quotes a parameter; an empty one is left out. Names of scopes and addresses hold nothing that
// needs an escape; of a message, what does is taken out.
func (h *header) add(name, value string) {
	value = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '"' || r == '\\' {
			return -1
		}
		return r
	}, value)
	if value != "" {
		h.params = append(h.params, name+`="`+value+`"`)
	}
}

// String is the header's value.
func (h *header) String() string { return "Bearer " + strings.Join(h.params, ", ") }
