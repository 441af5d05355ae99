// Copyright 2026 The Gantry Authors.

package main

import (
	"context"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/mcp"
	"github.com/gantryhost/gantry/host/skills"
)

// openSkills opens the skills. What changes in them before openMCP has set a.mcp nobody has seen.
func (a *app) openSkills(context.Context) error {
	var err error
	if a.skills, err = skills.New(skills.Config{
		Store: a.state, Logger: a.log,
		OnChange: func(t host.TenantID, uris []string) { a.mcp.DocumentsChanged(t, uris) },
	}); err != nil {
		return err
	}
	a.onClose("skills", func(context.Context) error { return a.skills.Close() })
	return nil
}

// skillMethods joins the skills to the protocol's extension for them.
type skillMethods struct{ *skills.Service }

var _ mcp.Skills = skillMethods{}

// Entries are the skills as the protocol writes them.
func (m skillMethods) Entries(ctx context.Context) []mcp.SkillEntry {
	var out []mcp.SkillEntry
	for _, e := range m.Service.Entries(ctx) {
		files := make([]mcp.SkillFile, len(e.Files))
		for i, f := range e.Files {
			files[i] = mcp.SkillFile{URI: f.URI, Digest: f.Digest, Size: f.Size}
		}
		out = append(out, mcp.SkillEntry{URI: e.URI, Frontmatter: e.Frontmatter, Resources: files})
	}
	return out
}
