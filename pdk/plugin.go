// Copyright 2026 The Gantry Authors.

package pdk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/gantryhost/gantry/abi"
)

// Plugin says what a plugin is. Only Name is needed.
type Plugin struct {
	// Name is [a-z][a-z0-9_-]{0,63}. It names the settings file, NAME.yaml.
	Name string
	// Version is free text for people, at most 64 bytes.
	Version string
	// Summary is one line for listings, at most 200 bytes.
	Summary string
	// Config is a value of the struct that Context.Config fills; its type's fields and tags become
	// the schema of the settings. nil takes any settings.
	Config any
	// Wants is what the plugin asks to be allowed. It grants nothing: the operator does.
	// A version that wants more than the one before it is served once the operator has agreed.
	Wants Rights
}

// Rights and Credential are abi's, for plugins that need no more of it.
type (
	Rights     = abi.Rights
	Credential = abi.Credential
)

// Item is one thing a plugin offers: what Tool, Prompt, Resource, Template and Complete return.
type Item interface {
	addTo(s *Served) error
}

// Served is a plugin whose things are registered. It is immutable and serves any number of calls.
type Served struct {
	plugin    Plugin
	manifest  abi.Manifest
	config    *shape
	tools     []handler
	prompts   []handler
	resources []handler
	templates []handler
	complete  handler
	// err is the first mistake in the definitions. A host is told it instead of the manifest.
	err error
}

// handler runs one entry: input in, output and its kind out.
type handler func(ctx *Context, input []byte) (abi.OutputKind, []byte, error)

// current is the plugin of this program. A Wasm plugin never runs main, so a package variable is
// how it registers; it is set during initialisation and only read afterwards.
var current *Served

// Serve makes items the things this program offers. Call it once, for a package variable:
//
//	var _ = pdk.Serve(pdk.Plugin{Name: "text"}, pdk.Tool(…))
//
// It does not panic. A mistake in a definition (a name used twice, a tag that makes no sense) is
// what the host, or pdktest.New, is told in place of the manifest. So is a second call.
func Serve(p Plugin, items ...Item) *Served {
	s := build(p, items)
	if current != nil {
		current.err = fmt.Errorf("pdk.Serve is called twice, for %s and for %s; offer everything in one call", current.plugin.Name, p.Name)
		return s
	}
	current = s
	return s
}

// Registered is the plugin that Serve registered, or one that can only say that there is none.
// Hosts call it; plugins have no use for it.
func Registered() *Served { return registered() }

func registered() *Served {
	if current == nil {
		return &Served{err: fmt.Errorf("this program offers nothing; it needs: var _ = pdk.Serve(pdk.Plugin{…}, …) in a package variable")}
	}
	return current
}

func build(p Plugin, items []Item) *Served {
	s := &Served{plugin: p, manifest: abi.Manifest{
		ABI: abi.Version, Name: p.Name, Version: p.Version, Summary: p.Summary, Wants: p.Wants,
	}}
	if p.Config != nil {
		var err error
		if s.config, err = newShape(reflect.TypeOf(p.Config)); err == nil && s.config.root.kind != kindStruct {
			err = fmt.Errorf("it is a %s; give a value of a struct type", reflect.TypeOf(p.Config))
		}
		if err != nil {
			s.err = fmt.Errorf("Plugin.Config: %w", err)
			return s
		}
		s.manifest.Config = s.config.schema(forInput)
	}
	for _, item := range items {
		if err := item.addTo(s); err != nil {
			s.err = err
			return s
		}
	}
	return s
}

// Describe answers ExportDescribe: the manifest, or why there is none.
func (s *Served) Describe() (abi.OutputKind, []byte) {
	if s.err != nil {
		return abi.OutputError, encodeError(&abi.Error{Code: abi.CodeContract, Message: s.err.Error()})
	}
	err := s.manifest.Validate()
	data, fault := json.Marshal(&s.manifest)
	if err = cmp.Or(err, fault); err != nil {
		return abi.OutputError, encodeError(&abi.Error{Code: abi.CodeContract, Message: err.Error()})
	}
	return abi.OutputStructured, data
}
