// Copyright 2026 The Gantry Authors.

package registry

import (
	"fmt"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// claim is a name that only one plugin of the host may serve.
type claim struct {
	kind, name string
}

func claimsOf(p *Plugin) []claim {
	m, prefix := p.Manifest, p.Settings.Prefix
	var out []claim
	for i := range m.Tools {
		out = append(out, claim{"tool", prefix + m.Tools[i].Name})
	}
	for i := range m.Prompts {
		out = append(out, claim{"prompt", prefix + m.Prompts[i].Name})
	}
	for i := range m.Resources {
		out = append(out, claim{"resource", m.Resources[i].URI})
	}
	for i := range m.Templates {
		out = append(out, claim{"resource template", m.Templates[i].URITemplate})
	}
	return out
}

// collision tells why p cannot be served beside what is served now, nil where it can.
func (r *Registry) collision(p *Plugin) error {
	for _, c := range claimsOf(p) {
		owner, taken := r.claims[c]
		if !taken || owner == p.Name {
			continue
		}
		err := host.Errorf("registry.serve", abi.CodeConflict,
			"the %s %q of plugin %s is already served by plugin %s", c.kind, c.name, p.Name, owner)
		if c.kind == "tool" || c.kind == "prompt" {
			return err.WithHint("put a line such as \"prefix: %s_\" into %s%s", p.Name, p.Name, settingsExt)
		}
		return err.WithHint("put \"disabled: true\" into %s%s or %s%s", p.Name, settingsExt, owner, settingsExt)
	}
	return nil
}

func (r *Registry) claimFor(p *Plugin) {
	for _, c := range claimsOf(p) {
		r.claims[c] = p.Name
	}
}

func (r *Registry) unclaim(p *Plugin) {
	for _, c := range claimsOf(p) {
		delete(r.claims, c)
	}
}

// fits checks a manifest against the file it came in and the operator's settings.
func (r *Registry) fits(a *Artifact, m *abi.Manifest) error {
	switch {
	case m == nil:
		return fmt.Errorf("the loader returned no manifest")
	case m.Name != a.Name:
		return host.Errorf("registry.load", abi.CodeContract,
			"the module calls itself %q, but its file is %s%s; rename the file to %s%s or the plugin to %q",
			m.Name, a.Name, moduleExt, m.Name, moduleExt, a.Name)
	}
	for i := range m.Tools {
		name := a.Settings.Prefix + m.Tools[i].Name
		if !abi.ValidToolName(name) {
			return tooLong("tool", name)
		}
		if slices.Contains(r.cfg.Reserved, name) {
			return host.Errorf("registry.load", abi.CodeConflict, "the tool %q of plugin %s has the name of one that the host serves itself", name, a.Name).
				WithHint("put a line such as \"prefix: %s_\" into %s%s", a.Name, a.Name, settingsExt)
		}
	}
	for i := range m.Prompts {
		if name := a.Settings.Prefix + m.Prompts[i].Name; !abi.ValidToolName(name) {
			return tooLong("prompt", name)
		}
	}
	return nil
}

func tooLong(kind, name string) error {
	return host.Errorf("registry.load", abi.CodeInvalidArg,
		"with the prefix, the %s %q has %d bytes; at most %d are allowed, so shorten prefix", kind, name, len(name), abi.MaxNameBytes)
}
