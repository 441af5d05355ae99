// Copyright 2026 The Gantry Authors.

package invoke

import (
	"context"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/registry"
)

// Tools are those the principal may call, in order of names: with read:tools alone, the read-only
// ones that ask for no other scope. None without a principal. The slice is only to be read.
func (p *Pipeline) Tools(ctx context.Context) []registry.ToolRef {
	return p.visibleTools(host.PrincipalFrom(ctx))
}

// ToolScopes are what a call of the tool needs, with or without the principal having it; nil where
// the principal's tenant has no such tool.
func (p *Pipeline) ToolScopes(ctx context.Context, name string) []host.Scope {
	who := host.PrincipalFrom(ctx)
	ref, ok := p.cfg.Catalog.Snapshot().Tool(name)
	if !ok || who == nil || !ref.Plugin.VisibleTo(who.Tenant) {
		return nil
	}
	out := []host.Scope{host.ScopeWriteTools}
	if ref.Tool.Annotations.ReadOnly {
		out[0] = host.ScopeReadTools
	}
	for _, scope := range ref.Tool.Scopes {
		out = append(out, host.Scope(scope))
	}
	return out
}

// Prompts are those of the principal's tenant; they need read:tools. The slice is only to be read.
func (p *Pipeline) Prompts(ctx context.Context) []registry.PromptRef {
	who := host.PrincipalFrom(ctx)
	if !who.Has(host.ScopeReadTools) {
		return nil
	}
	return p.cfg.Catalog.Snapshot().Prompts(who.Tenant)
}

// Resources are those of the principal's tenant; they need read:tools or read:data. The slice is
// only to be read.
func (p *Pipeline) Resources(ctx context.Context) []registry.ResourceRef {
	who := host.PrincipalFrom(ctx)
	if !mayRead(who) {
		return nil
	}
	return p.cfg.Catalog.Snapshot().Resources(who.Tenant)
}

// Templates are the resource templates, as Resources.
func (p *Pipeline) Templates(ctx context.Context) []registry.TemplateRef {
	who := host.PrincipalFrom(ctx)
	if !mayRead(who) {
		return nil
	}
	return p.cfg.Catalog.Snapshot().Templates(who.Tenant)
}

func mayRead(who *host.Principal) bool {
	return who.Has(host.ScopeReadTools) || who.Has(host.ScopeReadData)
}
