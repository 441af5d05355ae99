// Copyright 2026 The Gantry Authors.

package skills

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

const (
	scheme       = "skill://"
	fileTemplate = "skill://{id}/{+path}"
	markdown     = "text/markdown"
)

// uriOf is the URI of a skill, or of one of its files.
func uriOf(id, p string) string {
	if p == "" {
		return scheme + id
	}
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return scheme + id + "/" + strings.Join(parts, "/")
}

// parseURI is the other way; false for what uriOf does not write.
func parseURI(uri string) (id, p string, ok bool) {
	rest, ok := strings.CutPrefix(uri, scheme)
	if !ok {
		return "", "", false
	}
	id, escaped, below := strings.Cut(rest, "/")
	if !ValidID(id) || below && escaped == "" {
		return "", "", false
	}
	parts := strings.Split(escaped, "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil || strings.Contains(plain, "/") {
			return "", "", false
		}
		parts[i] = plain
	}
	return id, strings.Join(parts, "/"), true
}

// mayRead tells whether the context's principal sees skills, and whose: those with read:data do, a
// workspace credential does not.
func mayRead(ctx context.Context) (host.TenantID, bool) {
	p := host.PrincipalFrom(ctx)
	if p == nil || p.Kind == host.KindWorkspace || !p.Has(host.ScopeReadData) || !p.Tenant.Valid() {
		return "", false
	}
	return p.Tenant, true
}

// Owns tells whether a URI is one of this service's, there or not.
func (s *Service) Owns(uri string) bool { return strings.HasPrefix(uri, scheme) }

// Resources are the skills of the principal's tenant that are switched on, in order of their ids.
func (s *Service) Resources(ctx context.Context) []abi.Resource {
	var out []abi.Resource
	for _, b := range s.shown(ctx) {
		out = append(out, abi.Resource{URI: uriOf(b.ID, ""), Name: b.ID, Title: b.Name, Description: b.Description, MIMEType: markdown})
	}
	return out
}

// shown are the skills the context's principal sees. A store that cannot be read shows none.
func (s *Service) shown(ctx context.Context) []*book {
	tenant, ok := mayRead(ctx)
	if !ok {
		return nil
	}
	shelf, err := s.shelf(ctx, tenant)
	if err != nil {
		s.log.Error("the skills cannot be read", "tenant", tenant, "err", err)
		return nil
	}
	var out []*book
	for _, b := range shelf.books {
		if b.Enabled {
			out = append(out, b)
		}
	}
	return out
}

// Templates is the family of the skills' files, for who sees skills.
func (s *Service) Templates(ctx context.Context) []abi.Template {
	if _, ok := mayRead(ctx); !ok {
		return nil
	}
	return []abi.Template{{URITemplate: fileTemplate, Name: "skill-file", Title: "A file of a skill",
		Description: "SKILL.md, and the scripts, references and assets that a skill names."}}
}

// Read reads a skill or a file of one; abi.CodeNotFound where there is none for this principal.
func (s *Service) Read(ctx context.Context, uri string) (*abi.ReadResult, error) {
	const op = "skills.Read"
	missing := host.Errorf(op, abi.CodeNotFound, "there is no resource %q here", clip(uri))
	tenant, may := mayRead(ctx)
	id, p, ok := parseURI(uri)
	if !may || !ok {
		return nil, missing
	}
	r, _, err := s.lookup(ctx, tenant, id)
	switch {
	case host.CodeOf(err) == abi.CodeNotFound || err == nil && !r.Enabled:
		return nil, missing
	case err != nil:
		return nil, err
	case p == "":
		return document(abi.Content{URI: uri, MIMEType: markdown, Text: r.text()}), nil
	}
	b, err := s.File(ctx, tenant, id, p)
	if host.CodeOf(err) == abi.CodeNotFound {
		return nil, missing
	}
	if err != nil {
		return nil, err
	}
	c := abi.Content{URI: uri, MIMEType: mimeOf(p, b.Data)}
	if utf8.Valid(b.Data) {
		c.Text = string(b.Data)
	} else {
		c.Data = b.Data
	}
	return document(c), nil
}

func document(c abi.Content) *abi.ReadResult {
	c.Type = abi.ContentResource
	return &abi.ReadResult{Contents: []abi.Content{c}}
}

// text is what a model reads: the prompt, how to call the service it works with, and where its files are.
func (r *record) text() string {
	var b strings.Builder
	b.WriteString(strings.TrimRight(r.SystemPrompt, "\r\n"))
	b.WriteString("\n")
	if r.Service != "" {
		fmt.Fprintf(&b, serviceHint, r.Service)
	}
	if len(r.Files) > 0 {
		b.WriteString("\n## Files of this skill\n\nRead them as resources, when they are needed.\n\n")
		for _, f := range r.Files {
			fmt.Fprintf(&b, "- %s (%d bytes)\n", uriOf(r.ID, f.Path), f.Size)
		}
	}
	return b.String()
}

// Text is a skill as models read it, switched on or not.
func (s *Service) Text(ctx context.Context, tenant host.TenantID, id string) (string, error) {
	r, _, err := s.lookup(ctx, tenant, id)
	if err != nil {
		return "", err
	}
	return r.text(), nil
}

// serviceHint says how connector_execute is called, as seed 000 has it.
const serviceHint = "\n## Calling %[1]s\n\n" +
	"This skill works with the service `%[1]s`. `describe_service(\"%[1]s\")` tells its modules, recipes and limits. " +
	"Call it with the tool `connector_execute`:\n\n" +
	"```\nconnector_execute(\n    service=\"%[1]s\",\n    module=\"…\",\n    method=\"GET\",\n    path=\"/…\",\n    query={…}\n)\n```\n\n" +
	"`module` is one of those that `describe_service` names; `method` is the HTTP method, and a request with a body has it in `body`. " +
	"Where the service is called by RPC, leave `path` empty and put the RPC method's name into `method`.\n"

// mimeTypes are those of files that skills have. The machine's own table is no help: it differs from
// one to the next.
var mimeTypes = map[string]string{
	".md": markdown, ".txt": "text/plain", ".py": "text/x-python", ".sh": "text/x-shellscript",
	".js": "text/javascript", ".mjs": "text/javascript", ".ts": "text/x-typescript", ".go": "text/x-go", ".sql": "text/x-sql",
	".html": "text/html", ".css": "text/css", ".csv": "text/csv", ".xml": "application/xml",
	".json": "application/json", ".yaml": "application/yaml", ".yml": "application/yaml", ".toml": "application/toml",
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
	".svg": "image/svg+xml", ".pdf": "application/pdf", ".zip": "application/zip",
}

func mimeOf(p string, data []byte) string {
	if t, ok := mimeTypes[strings.ToLower(path.Ext(p))]; ok {
		return t
	}
	if utf8.Valid(data) && bytes.IndexByte(data, 0) < 0 {
		return "text/plain"
	}
	return "application/octet-stream"
}

// maxCompletions is how many values an answer holds, as MCP has it.
const maxCompletions = 100

// Complete proposes ids of skills, and paths of the files of one, for the template of files.
func (s *Service) Complete(ctx context.Context, r *abi.CompleteRequest) (*abi.CompleteResult, error) {
	out := &abi.CompleteResult{Values: []string{}}
	for _, b := range s.shown(ctx) {
		switch {
		case r.Argument == "id" && strings.HasPrefix(b.ID, r.Value):
			out.Values = append(out.Values, b.ID)
		case r.Argument == "path" && b.ID == r.Known["id"]:
			for _, f := range append([]File{b.manifest}, b.Files...) {
				if strings.HasPrefix(f.Path, r.Value) {
					out.Values = append(out.Values, f.Path)
				}
			}
		}
	}
	if out.Total = len(out.Values); out.Total > maxCompletions {
		out.Values, out.More = out.Values[:maxCompletions], true
	}
	return out, nil
}
