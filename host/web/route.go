// Copyright 2026 The Gantry Authors.

package web

import (
	"encoding/json"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Route is one endpoint, as data.
type Route struct {
	// Method is GET, POST, PUT, PATCH or DELETE. GET answers HEAD too; OPTIONS is answered for all.
	Method string
	// Path is absolute; "{name}" is one segment, read with Ctx.Param, and "{name...}" at the end is the
	// whole rest, slashes included, which must not be empty. A trailing slash is another path.
	Path string
	// Public needs no credential. Otherwise one is needed, and Scope of it unless Scope is "".
	Public bool
	Scope  host.Scope
	// Handler answers, or returns the error that the surface words. It must not keep the Ctx.
	Handler func(*Ctx) error
	// Doc goes into the OpenAPI document; a route with an empty Summary is left out of it.
	Doc Doc
}

// Doc describes a route for people and for generated clients.
type Doc struct {
	// ID is the operation's name in generated code, in camel case.
	ID          string
	Summary     string
	Description string
	// Params describe the names in the path (In = "path"), headers and query parameters.
	Params []Param
	// Request is the JSON Schema of the body, nil where there is none.
	Request json.RawMessage
	// Answers are what comes back, by status.
	Answers []AnswerDoc
	// Errors are the statuses, other than those of Answers, in the surface's error shape.
	Errors []int
}

// Param is one parameter of a route.
type Param struct {
	Name, In, Description string
	Required              bool
}

// AnswerDoc is one answer of a route. Schema is its JSON Schema; Type is its content type,
// application/json where empty.
type AnswerDoc struct {
	Status      int
	Description string
	Type        string
	Schema      json.RawMessage
	Example     string
}

// Surface is a set of routes that share a way to word errors.
type Surface struct {
	// Name is the tag of the routes in the OpenAPI document.
	Name string
	// Prefixes are the paths, each with everything below, whose unknown paths and wrong methods this
	// surface words. Where several surfaces claim a path, the longest prefix wins.
	Prefixes []string
	Routes   []Route
	// Row maps a code to the surface's words; nil is DefaultRow.
	Row func(abi.Code) Row
	// WriteError answers an error in the surface's shape; nil is WriteError. It must not fail.
	WriteError func(c *Ctx, row Row, e *abi.Error) error
	// Token finds the credential in a request; nil is BearerToken. An error is CodeUnauthenticated.
	Token func(c *Ctx) (string, error)
	// Challenge is the WWW-Authenticate header of a 401; empty is `Bearer realm="gantry"`.
	Challenge string
	// Challenges, where it is not nil, makes that header for each 401 from what is answered: the error
	// has the code of the host, not that of the surface.
	Challenges func(c *Ctx, e *abi.Error) string
	// ErrorSchema is the JSON Schema of an error's body; nil is that of WriteError.
	ErrorSchema json.RawMessage
}

func (s *Surface) withDefaults() *Surface {
	c := *s
	if c.Row == nil {
		c.Row = DefaultRow
	}
	if c.WriteError == nil {
		c.WriteError = WriteError
	}
	if c.Token == nil {
		c.Token = BearerToken
	}
	if c.Challenge == "" {
		c.Challenge = `Bearer realm="gantry"`
	}
	if c.ErrorSchema == nil {
		c.ErrorSchema = json.RawMessage(errorSchema)
	}
	return &c
}

func (r *Route) check() error {
	const op = "web.Mount"
	switch r.Method {
	case "GET", "POST", "PUT", "PATCH", "DELETE":
	default:
		return host.Errorf(op, abi.CodeInvalidArg, "route %s %s: the method is not one a route may have", r.Method, r.Path)
	}
	if !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, ":*+?()<>") || r.Handler == nil {
		return host.Errorf(op, abi.CodeInvalidArg, "route %s %s: needs an absolute path with {names} and a handler", r.Method, r.Path)
	}
	if i := strings.Index(r.Path, "..."); i >= 0 && (r.rest() == "" || i != len(r.Path)-len("...}")) {
		return host.Errorf(op, abi.CodeInvalidArg, "route %s %s: {name...} can only be the last segment", r.Method, r.Path)
	}
	return nil
}

// rest is the name that stands for the rest of the path, "" where there is none.
func (r *Route) rest() string {
	last := r.Path[strings.LastIndexByte(r.Path, '/')+1:]
	if name, ok := strings.CutSuffix(last, "...}"); ok && strings.HasPrefix(name, "{") {
		return name[1:]
	}
	return ""
}

// fiberPath turns "/a/{b}" into "/a/:b", and "/a/{b...}" into "/a/+".
func fiberPath(p string) string {
	if strings.HasSuffix(p, "...}") {
		p = p[:strings.LastIndexByte(p, '{')] + "+"
	}
	return strings.NewReplacer("{", ":", "}", "").Replace(p)
}

func claims(prefix, path string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}
