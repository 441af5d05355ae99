// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Loader makes a guest of an artifact. It proves the module (it parses, its imports are known, its
// manifest is valid) before it returns; the error says what a plugin author can do. It is called
// from one goroutine at a time per plugin name, and at most two at a time in all. The guest is the
// registry's from then on: it closes it once, also when it does not serve it.
type Loader interface {
	Load(ctx context.Context, a *Artifact) (host.Guest, *abi.Manifest, error)
}

// SourceEmbedded is the Artifact.Source of a plugin that is built into the program.
const SourceEmbedded = "embedded"

// Artifact is one build of a plugin as a source found it.
type Artifact struct {
	// Name is the plugin's name: the file's name without .wasm.
	Name string
	// Digest is "sha256:" and 64 hex digits of Wasm.
	Digest string
	// Source says where it came from: SourceEmbedded, or the file's path.
	Source string
	// Wasm is the module. The registry does not keep it; the loader may, and must not change it.
	Wasm []byte
	// Settings are never nil.
	Settings *Settings
}

// Plugin is one generation of a plugin that is, or was, served. It is immutable but for the count
// of calls in flight.
type Plugin struct {
	Name   string
	Digest string
	// Source is as in Artifact; for a version out of the history it is that file's path.
	Source string
	// Generation counts the versions of this plugin that were served since the host started, from 1.
	Generation uint64
	LoadedAt   time.Time
	Manifest   *abi.Manifest
	// Settings are never nil in a plugin that the registry made.
	Settings *Settings

	life lifetime
}

// VisibleTo tells whether callers of the tenant may see the plugin.
func (p *Plugin) VisibleTo(t host.TenantID) bool { return p.Settings.visibleTo(t) }

// InFlight is how many calls hold the plugin just now.
func (p *Plugin) InFlight() int64 { return p.life.inFlight() }

// ToolRef is a tool as callers name it: Name is Tool.Name with the operator's prefix.
type ToolRef struct {
	Name   string
	Plugin *Plugin
	Index  int
	Tool   *abi.Tool
}

// PromptRef, ResourceRef and TemplateRef are the same for the other things a plugin offers. Index
// is the number for the guest's export; for templates it is that of abi.ExportRead.
type PromptRef struct {
	Name   string
	Plugin *Plugin
	Index  int
	Prompt *abi.Prompt
}

// ResourceRef is one resource.
type ResourceRef struct {
	Plugin   *Plugin
	Index    int
	Resource *abi.Resource
}

// TemplateRef is one resource template.
type TemplateRef struct {
	Plugin   *Plugin
	Index    int
	Template *abi.Template
}
