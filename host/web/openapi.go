// Copyright 2026 The Gantry Authors.

package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// object is a JSON object of the document; encoding/json writes its names in order.
type object = map[string]any

// Info heads the OpenAPI document.
type Info struct {
	Title, Version, Description string
}

// MountOpenAPI serves the document of everything that is mounted, before or after, at path, to
// anybody.
func (s *Server) MountOpenAPI(path string, info Info) error {
	document := sync.OnceValues(func() ([]byte, error) { return s.OpenAPI(info) })
	return s.Mount(Surface{Name: "about", Prefixes: []string{path}, Routes: []Route{{
		Method: "GET", Path: path, Public: true,
		Handler: func(c *Ctx) error {
			doc, err := document()
			if err != nil {
				return err
			}
			c.SetHeader("Cache-Control", "public, max-age=60")
			c.Bytes(200, "application/json", bytes.Clone(doc))
			return nil
		},
		Doc: Doc{
			ID: "openapi", Summary: "This document",
			Answers: []AnswerDoc{{Status: 200, Description: "The OpenAPI document", Schema: json.RawMessage(`{"type":"object"}`)}},
		},
	}}})
}

// OpenAPI writes the document, OpenAPI 3.1, of every route mounted so far that has a Summary.
func (s *Server) OpenAPI(info Info) ([]byte, error) {
	const op = "web.OpenAPI"
	paths := object{}
	var tags []object
	for _, sf := range s.surfaces {
		documented := false
		for i := range sf.Routes {
			r := &sf.Routes[i]
			if r.Doc.Summary == "" {
				continue
			}
			documented = true
			path := strings.Replace(r.Path, "...}", "}", 1) // OpenAPI has no word for the rest of a path
			item, _ := paths[path].(object)
			if item == nil {
				item = object{}
				paths[path] = item
			}
			item[strings.ToLower(r.Method)] = operation(sf, r)
		}
		if documented {
			tags = append(tags, object{"name": sf.Name})
		}
	}
	doc := object{
		"openapi": "3.1.0",
		"info":    object{"title": info.Title, "version": info.Version, "description": info.Description},
		"tags":    tags,
		"paths":   paths,
		"components": object{"securitySchemes": object{
			"bearer": object{"type": "http", "scheme": "bearer", "description": "a key made with `gantry token create`"},
		}},
	}
	data, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return nil, host.E(op, abi.CodeInternal, err)
	}
	return append(data, '\n'), nil
}

func operation(sf *Surface, r *Route) object {
	o := object{
		"operationId": r.Doc.ID, "tags": []string{sf.Name}, "summary": r.Doc.Summary,
		"responses": responses(sf, r),
	}
	if r.Doc.Description != "" {
		o["description"] = r.Doc.Description
	}
	if r.Public {
		o["security"] = []object{}
	} else {
		o["security"] = []object{{"bearer": []string{}}}
		if r.Scope != "" {
			o["x-scope"] = string(r.Scope)
		}
	}
	if r.Doc.Request != nil {
		o["requestBody"] = object{"required": true, "content": object{"application/json": object{"schema": r.Doc.Request}}}
	}
	if len(r.Doc.Params) > 0 {
		var ps []object
		for _, p := range r.Doc.Params {
			ps = append(ps, object{
				"name": p.Name, "in": p.In, "description": p.Description,
				"required": p.Required || p.In == "path", "schema": object{"type": "string"},
			})
		}
		o["parameters"] = ps
	}
	return o
}

func responses(sf *Surface, r *Route) object {
	out := object{}
	for _, a := range r.Doc.Answers {
		one := object{"description": a.Description}
		if a.Schema != nil || a.Type != "" {
			media := object{}
			if a.Schema != nil {
				media["schema"] = a.Schema
			}
			if a.Example != "" {
				media["example"] = example(a)
			}
			kind := a.Type
			if kind == "" {
				kind = "application/json"
			}
			one["content"] = object{kind: media}
		}
		out[strconv.Itoa(a.Status)] = one
	}
	statuses := slices.Clone(r.Doc.Errors)
	if !r.Public {
		statuses = append(statuses, 401, 403)
	}
	for _, code := range statuses {
		if key := strconv.Itoa(code); out[key] == nil {
			out[key] = object{
				"description": http.StatusText(code),
				"content":     object{"application/json": object{"schema": sf.ErrorSchema}},
			}
		}
	}
	return out
}

// example is a JSON value where the answer is JSON, and text elsewhere.
func example(a AnswerDoc) any {
	if a.Type == "" || a.Type == "application/json" {
		return json.RawMessage(a.Example)
	}
	return a.Example
}
