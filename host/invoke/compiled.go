// Copyright 2026 The Gantry Authors.

package invoke

import (
	"slices"
	"sync"

	"github.com/yosida95/uritemplate/v3"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/registry"
)

// compiled keeps what is made once of a generation of a plugin: its tools' schemas and its
// resource templates, each at first use.
type compiled struct {
	plugins sync.Map // *registry.Plugin → *parts
}

type parts struct {
	schemas   []schemaOnce
	answers   []schemaOnce // nil schemas where none is promised
	templates []templateOnce
}

type schemaOnce struct {
	once   sync.Once
	schema *schema.Schema
	err    error
}

type templateOnce struct {
	once     sync.Once
	template *uritemplate.Template
}

// of finds the plugin's parts. served says what is served, so that parts of generations that are
// gone do not pile up.
func (c *compiled) of(p *registry.Plugin, served func() *registry.Snapshot) *parts {
	if v, ok := c.plugins.Load(p); ok {
		return v.(*parts)
	}
	fresh := &parts{
		schemas:   make([]schemaOnce, len(p.Manifest.Tools)),
		answers:   make([]schemaOnce, len(p.Manifest.Tools)),
		templates: make([]templateOnce, len(p.Manifest.Templates)),
	}
	v, had := c.plugins.LoadOrStore(p, fresh)
	if !had {
		now := served().Plugins()
		c.plugins.Range(func(k, _ any) bool {
			if k != any(p) && !slices.Contains(now, k.(*registry.Plugin)) {
				c.plugins.Delete(k)
			}
			return true
		})
	}
	return v.(*parts)
}

// input is the compiled input schema of the tool of that number.
func (ps *parts) input(i int, t *abi.Tool) (*schema.Schema, error) {
	s := &ps.schemas[i]
	s.once.Do(func() { s.schema, s.err = schema.Compile(t.InputSchema) })
	if s.err != nil {
		return nil, host.Errorf("invoke.check", abi.CodeContract, "the tool %s has an input schema that cannot be used: %w", t.Name, s.err)
	}
	return s.schema, nil
}

// answer is the compiled output schema of the tool of that number; nil where it has none. The error is
// told once: a schema that cannot be used is nobody's whose call would otherwise be answered.
func (ps *parts) answer(i int, t *abi.Tool) (s *schema.Schema, err error) {
	o := &ps.answers[i]
	o.once.Do(func() {
		if len(t.OutputSchema) > 0 {
			o.schema, err = schema.Compile(t.OutputSchema)
		}
	})
	return o.schema, err
}

// template is nil where the plugin's template is none.
func (ps *parts) template(i int, text string) *uritemplate.Template {
	t := &ps.templates[i]
	t.once.Do(func() {
		if tm, err := uritemplate.New(text); err == nil {
			t.template = tm
		}
	})
	return t.template
}
