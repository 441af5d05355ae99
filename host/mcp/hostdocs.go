// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// Documents are resources of the host's own, beside those of plugins. Every method finds the
// principal in the context and answers for it alone. All may be called concurrently.
type Documents interface {
	// Owns tells whether a URI is one of these documents', there or not: no plugin is asked for it.
	Owns(uri string) bool
	// Resources and Templates list what the principal may read. Who has no templates may read nothing.
	Resources(ctx context.Context) []abi.Resource
	Templates(ctx context.Context) []abi.Template
	// Read reads a document; abi.CodeNotFound where there is none for this principal.
	Read(ctx context.Context, uri string) (*abi.ReadResult, error)
	// Complete proposes values for a variable of one of the templates.
	Complete(ctx context.Context, r *abi.CompleteRequest) (*abi.CompleteResult, error)
}

// DocumentsChanged takes over what Documents offer a tenant now. Its clients are told if their list
// is another, and those who follow one of the URIs, and may read such documents, that it is new. It
// returns when the lists are true.
func (s *Server) DocumentsChanged(tenant host.TenantID, uris []string) {
	views := s.views.of(tenant)
	for _, v := range views {
		v.fill()
	}
	if len(uris) == 0 || s.cfg.Documents == nil {
		return
	}
	s.views.later(func() {
		for _, v := range views {
			if len(s.cfg.Documents.Templates(host.WithPrincipal(s.ctx, v.who))) == 0 {
				continue
			}
			for _, uri := range uris {
				v.resourceUpdated(uri)
			}
		}
	})
}

// ownPlugin stands in listings for the host. No plugin has an empty name.
func ownPlugin() *registry.Plugin { return &registry.Plugin{} }

// resources are the plugins' and the host's own.
func (s *Server) resources(ctx context.Context) []registry.ResourceRef {
	theirs, own := s.cfg.Pipeline.Resources(ctx), s.cfg.Documents
	if own == nil {
		return theirs
	}
	out := besides(own, theirs, func(ref *registry.ResourceRef) string { return ref.Resource.URI })
	for _, r := range own.Resources(ctx) {
		out = append(out, registry.ResourceRef{Plugin: ownPlugin(), Resource: &r})
	}
	return out
}

func (s *Server) templates(ctx context.Context) []registry.TemplateRef {
	theirs, own := s.cfg.Pipeline.Templates(ctx), s.cfg.Documents
	if own == nil {
		return theirs
	}
	out := besides(own, theirs, func(ref *registry.TemplateRef) string { return ref.Template.URITemplate })
	for _, t := range own.Templates(ctx) {
		out = append(out, registry.TemplateRef{Plugin: ownPlugin(), Template: &t})
	}
	return out
}

// besides are the plugins' without those at a URI of the host's: a reader could not tell whose words it
// reads.
func besides[T any](own Documents, theirs []T, uri func(*T) string) []T {
	var out []T
	for i := range theirs {
		if !own.Owns(uri(&theirs[i])) {
			out = append(out, theirs[i])
		}
	}
	return out
}

func (s *Server) read(ctx context.Context, uri string) (*abi.ReadResult, error) {
	if own := s.cfg.Documents; own != nil && own.Owns(uri) {
		return own.Read(ctx, uri)
	}
	return s.cfg.Pipeline.Read(ctx, uri)
}

// completer is who completes what r asks for.
func (s *Server) completer(r *abi.CompleteRequest) func(context.Context, *abi.CompleteRequest) (*abi.CompleteResult, error) {
	if own := s.cfg.Documents; own != nil && own.Owns(r.Template) {
		return own.Complete
	}
	return s.cfg.Pipeline.Complete
}
