// Copyright 2026 The Gantry Authors.

package pdk

import (
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/gantryhost/gantry/abi"
)

// Document is what a resource may be: a text, bytes, or contents of its own making (Embed,
// EmbedBytes).
type Document interface {
	string | []byte | []Content
}

// ReadRequest is what is read: its URI and, for a template, the variables in it.
type ReadRequest = abi.ReadRequest

// Resource is a document at a fixed URI. Options: Title, Description, MIME.
func Resource[Out Document](uri, name string, fn func(ctx *Context) (Out, error), options ...Option) Item {
	return document{uri: uri, name: name, read: reader(fn != nil, func(ctx *Context, _ ReadRequest) (Out, error) { return fn(ctx) }), options: options}
}

// Template is a family of documents; uriTemplate is an RFC 6570 template such as "note://{id}".
// Options: Title, Description, MIME.
func Template[Out Document](uriTemplate, name string, fn func(ctx *Context, req ReadRequest) (Out, error), options ...Option) Item {
	return document{uri: uriTemplate, name: name, template: true, read: reader(fn != nil, fn), options: options}
}

type readFunc func(ctx *Context, req ReadRequest, mimeType string) ([]Content, error)

func reader[Out Document](there bool, fn func(*Context, ReadRequest) (Out, error)) readFunc {
	if !there {
		return nil
	}
	return func(ctx *Context, req ReadRequest, mimeType string) ([]Content, error) {
		out, err := fn(ctx, req)
		if err != nil {
			return nil, err
		}
		switch v := any(out).(type) {
		case string:
			return []Content{Embed(req.URI, cmp.Or(mimeType, "text/plain"), v)}, nil
		case []byte:
			return []Content{EmbedBytes(req.URI, cmp.Or(mimeType, "application/octet-stream"), v)}, nil
		case []Content:
			return v, nil
		}
		return nil, fmt.Errorf("a document of type %T", out)
	}
}

type document struct {
	uri, name string
	template  bool
	read      readFunc
	options   []Option
}

func (d document) addTo(s *Served) error {
	kind := "resource"
	if d.template {
		kind = "template"
	}
	if err := d.add(s); err != nil {
		return fmt.Errorf("%s %q: %w", kind, d.uri, err)
	}
	return nil
}

func (d document) add(s *Served) error {
	if d.read == nil {
		return fmt.Errorf("its function is nil")
	}
	if d.template {
		def := abi.Template{URITemplate: d.uri, Name: d.name}
		if err := (&offer{template: &def}).with(d.options); err != nil {
			return err
		}
		s.manifest.Templates = append(s.manifest.Templates, def)
		s.templates = append(s.templates, d.handler(def.MIMEType))
		return nil
	}
	def := abi.Resource{URI: d.uri, Name: d.name}
	if err := (&offer{resource: &def}).with(d.options); err != nil {
		return err
	}
	s.manifest.Resources = append(s.manifest.Resources, def)
	s.resources = append(s.resources, d.handler(def.MIMEType))
	return nil
}

func (d document) handler(mimeType string) handler {
	return func(ctx *Context, input []byte) (abi.OutputKind, []byte, error) {
		var req ReadRequest
		if err := json.Unmarshal(input, &req); err != nil {
			return 0, nil, Errorf(abi.CodeContract, "the host's read request does not parse: %w", err)
		}
		req.URI = cmp.Or(req.URI, d.uri)
		contents, err := d.read(ctx, req, mimeType)
		if err != nil {
			return 0, nil, err
		}
		return structured(abi.ReadResult{Contents: contents})
	}
}

// CompleteRequest asks for values of an argument; see abi.
type CompleteRequest = abi.CompleteRequest

// maxCompletions is how many values an answer may list.
const maxCompletions = 100

// Complete suggests values for the arguments of prompts and the variables of templates, best first;
// of more than 100 the first 100 are told. A plugin has at most one.
func Complete(fn func(ctx *Context, req CompleteRequest) ([]string, error)) Item {
	return completer(fn)
}

type completer func(*Context, CompleteRequest) ([]string, error)

func (fn completer) addTo(s *Served) error {
	switch {
	case fn == nil:
		return fmt.Errorf("Complete: its function is nil")
	case s.complete != nil:
		return fmt.Errorf("Complete is there twice; a plugin has one")
	}
	s.manifest.Completes = true
	s.complete = func(ctx *Context, input []byte) (abi.OutputKind, []byte, error) {
		var req CompleteRequest
		if err := json.Unmarshal(input, &req); err != nil {
			return 0, nil, Errorf(abi.CodeContract, "the host's completion request does not parse: %w", err)
		}
		values, err := fn(ctx, req)
		if err != nil {
			return 0, nil, err
		}
		out := abi.CompleteResult{Values: values, Total: len(values)}
		if len(values) > maxCompletions {
			out.Values, out.More = values[:maxCompletions], true
		}
		if out.Values == nil {
			out.Values = []string{}
		}
		return structured(out)
	}
	return nil
}
