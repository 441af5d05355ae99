// Copyright 2026 The Gantry Authors.

package registry

import (
	"cmp"
	"maps"
	"slices"

	"github.com/gantryhost/gantry/host"
)

// Snapshot is everything that is served at one moment. It never changes: a reader that keeps one
// sees one consistent catalogue. Slices that its methods return are shared and must not be changed.
type Snapshot struct {
	generation uint64
	plugins    []*Plugin
	tools      map[string]ToolRef
	prompts    map[string]PromptRef
	resources  map[string]ResourceRef
	everyone   *view
	// tenants holds a view of its own for each tenant that some plugin is restricted to.
	tenants map[host.TenantID]*view
}

// view is what the callers of one tenant see, in order.
type view struct {
	tools     []ToolRef
	prompts   []PromptRef
	resources []ResourceRef
	templates []TemplateRef
}

// Generation grows by one with every change to what is served. It is 0 before the first.
func (s *Snapshot) Generation() uint64 { return s.generation }

// Plugins are all that are served, in order of names.
func (s *Snapshot) Plugins() []*Plugin { return s.plugins }

// Plugin finds a plugin by its name.
func (s *Snapshot) Plugin(name string) (*Plugin, bool) {
	i, ok := slices.BinarySearchFunc(s.plugins, name, func(p *Plugin, name string) int { return cmp.Compare(p.Name, name) })
	if !ok {
		return nil, false
	}
	return s.plugins[i], true
}

// Tool finds a tool by the name callers use, whoever may see it.
func (s *Snapshot) Tool(name string) (ToolRef, bool) {
	t, ok := s.tools[name]
	return t, ok
}

// Prompt finds a prompt by the name callers use, whoever may see it.
func (s *Snapshot) Prompt(name string) (PromptRef, bool) {
	p, ok := s.prompts[name]
	return p, ok
}

// Resource finds a resource by its URI, whoever may see it.
func (s *Snapshot) Resource(uri string) (ResourceRef, bool) {
	r, ok := s.resources[uri]
	return r, ok
}

// Tools are what the tenant sees, in order of names.
func (s *Snapshot) Tools(t host.TenantID) []ToolRef { return s.view(t).tools }

// Prompts are what the tenant sees, in order of names.
func (s *Snapshot) Prompts(t host.TenantID) []PromptRef { return s.view(t).prompts }

// Resources are what the tenant sees, in order of URIs.
func (s *Snapshot) Resources(t host.TenantID) []ResourceRef { return s.view(t).resources }

// Templates are what the tenant sees, in order of URI templates.
func (s *Snapshot) Templates(t host.TenantID) []TemplateRef { return s.view(t).templates }

func (s *Snapshot) view(t host.TenantID) *view {
	if v, ok := s.tenants[t]; ok {
		return v
	}
	return s.everyone
}

func newSnapshot(generation uint64, served map[string]*Plugin) *Snapshot {
	s := &Snapshot{
		generation: generation,
		plugins:    slices.SortedFunc(maps.Values(served), func(a, b *Plugin) int { return cmp.Compare(a.Name, b.Name) }),
		tools:      map[string]ToolRef{},
		prompts:    map[string]PromptRef{},
		resources:  map[string]ResourceRef{},
		tenants:    map[host.TenantID]*view{},
	}
	all := &view{}
	for _, p := range s.plugins {
		all.add(p)
		for _, t := range p.Settings.Tenants {
			s.tenants[t] = nil
		}
	}
	all.sort()
	for _, t := range all.tools {
		s.tools[t.Name] = t
	}
	for _, p := range all.prompts {
		s.prompts[p.Name] = p
	}
	for _, r := range all.resources {
		s.resources[r.Resource.URI] = r
	}
	// No tenant has the empty id, so it sees exactly what is open to every tenant.
	s.everyone = all.of("")
	for t := range s.tenants {
		s.tenants[t] = all.of(t)
	}
	return s
}

func (v *view) add(p *Plugin) {
	m := p.Manifest
	for i := range m.Tools {
		v.tools = append(v.tools, ToolRef{Name: p.Settings.Prefix + m.Tools[i].Name, Plugin: p, Index: i, Tool: &m.Tools[i]})
	}
	for i := range m.Prompts {
		v.prompts = append(v.prompts, PromptRef{Name: p.Settings.Prefix + m.Prompts[i].Name, Plugin: p, Index: i, Prompt: &m.Prompts[i]})
	}
	for i := range m.Resources {
		v.resources = append(v.resources, ResourceRef{Plugin: p, Index: i, Resource: &m.Resources[i]})
	}
	for i := range m.Templates {
		v.templates = append(v.templates, TemplateRef{Plugin: p, Index: len(m.Resources) + i, Template: &m.Templates[i]})
	}
}

func (v *view) sort() {
	slices.SortFunc(v.tools, func(a, b ToolRef) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(v.prompts, func(a, b PromptRef) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(v.resources, func(a, b ResourceRef) int { return cmp.Compare(a.Resource.URI, b.Resource.URI) })
	slices.SortFunc(v.templates, func(a, b TemplateRef) int {
		return cmp.Compare(a.Template.URITemplate, b.Template.URITemplate)
	})
}

// of is the part of v that the tenant sees.
func (v *view) of(t host.TenantID) *view {
	return &view{
		tools:     visible(v.tools, t, func(r ToolRef) *Plugin { return r.Plugin }),
		prompts:   visible(v.prompts, t, func(r PromptRef) *Plugin { return r.Plugin }),
		resources: visible(v.resources, t, func(r ResourceRef) *Plugin { return r.Plugin }),
		templates: visible(v.templates, t, func(r TemplateRef) *Plugin { return r.Plugin }),
	}
}

func visible[R any](refs []R, t host.TenantID, of func(R) *Plugin) []R {
	var out []R
	for _, r := range refs {
		if of(r).VisibleTo(t) {
			out = append(out, r)
		}
	}
	return slices.Clip(out)
}
