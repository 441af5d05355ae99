// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"fmt"

	"github.com/gantryhost/gantry/abi"
)

// Option adds a word to a thing a plugin offers. An option that says nothing about the kind of
// thing it is given to is a mistake that Serve reports.
type Option interface {
	apply(o *offer) error
}

// offer is the thing under construction; one field is set.
type offer struct {
	tool     *abi.Tool
	prompt   *abi.Prompt
	resource *abi.Resource
	template *abi.Template
	// verbatim says that the input schema is the author's own.
	verbatim bool
}

func (o *offer) with(options []Option) error {
	for _, opt := range options {
		if opt == nil {
			continue
		}
		if err := opt.apply(o); err != nil {
			return err
		}
	}
	return nil
}

// Annotation is an Option that says how a tool behaves.
type Annotation int

// The annotations, as abi.Annotations explains them. A caller with the scope read:tools alone may
// call only tools that are ReadOnly; a Destructive one may need a person's word for each call.
const (
	ReadOnly Annotation = iota + 1
	Destructive
	Idempotent
	OpenWorld
	// LongRunning turns calls into tasks for MCP clients that know those; TaskOnly refuses those that
	// do not. AsksFirst says that such a tool asks its questions before its work; without it they are
	// put to the client while the task waits.
	LongRunning
	TaskOnly
	AsksFirst
)

func (a Annotation) apply(o *offer) error {
	if o.tool == nil {
		return fmt.Errorf("an annotation such as ReadOnly is for tools only")
	}
	switch a {
	case ReadOnly:
		o.tool.Annotations.ReadOnly = true
	case Destructive:
		o.tool.Annotations.Destructive = true
	case Idempotent:
		o.tool.Annotations.Idempotent = true
	case OpenWorld:
		o.tool.Annotations.OpenWorld = true
	case LongRunning:
		o.tool.Task = abi.TaskOptional
	case TaskOnly:
		o.tool.Task = abi.TaskRequired
	case AsksFirst:
		o.tool.AsksFirst = true
	default:
		return fmt.Errorf("annotation %d is not one of ReadOnly, Destructive, Idempotent, OpenWorld, LongRunning, TaskOnly, AsksFirst", int(a))
	}
	return nil
}

type option func(o *offer) error

func (f option) apply(o *offer) error { return f(o) }

func toolOption(name string, set func(*abi.Tool)) Option {
	return option(func(o *offer) error {
		if o.tool == nil {
			return fmt.Errorf("%s is for tools only", name)
		}
		set(o.tool)
		return nil
	})
}

// Title is a short name for people, of anything.
func Title(s string) Option {
	return option(func(o *offer) error {
		switch {
		case o.tool != nil:
			o.tool.Title = s
		case o.prompt != nil:
			o.prompt.Title = s
		case o.resource != nil:
			o.resource.Title = s
		case o.template != nil:
			o.template.Title = s
		}
		return nil
	})
}

// Needs names what the calling client must be able to do: abi.ClientElicitation, ClientSampling,
// ClientRoots. The host refuses clients that cannot.
func Needs(abilities ...string) Option {
	return toolOption("Needs", func(t *abi.Tool) { t.Needs = append(t.Needs, abilities...) })
}

// Scopes names what a credential needs for the tool beside read:tools or write:tools: abi.ScopeData,
// ScopeChat, ScopeAdmin. Others are not shown the tool.
func Scopes(scopes ...string) Option {
	return toolOption("Scopes", func(t *abi.Tool) { t.Scopes = append(t.Scopes, scopes...) })
}

// ErrorCode is the word that surfaces use in place of UPSTREAM_ERROR when the tool's upstream fails,
// such as "OPENAI_ERROR".
func ErrorCode(code abi.Code) Option {
	return toolOption("ErrorCode", func(t *abi.Tool) { t.ErrorCode = code })
}

// Icon is a picture that clients may show beside the tool's title: src is a data:image/… or
// https://… URL. Several icons are several pictures to choose from; sizes are such as "48x48".
func Icon(src string, sizes ...string) Option {
	return toolOption("Icon", func(t *abi.Tool) { t.Icons = append(t.Icons, abi.Icon{Src: src, Sizes: sizes}) })
}

// InputSchema replaces the schema made from the input's type, byte for byte. The host checks the
// input against it; what the type does not know is then ignored instead of refused.
func InputSchema(schema string) Option {
	return option(func(o *offer) error {
		if o.tool == nil {
			return fmt.Errorf("InputSchema is for tools only")
		}
		o.tool.InputSchema, o.verbatim = json.RawMessage(schema), true
		return nil
	})
}

// OutputSchema replaces the schema made from the output's type, byte for byte; "" promises none.
func OutputSchema(schema string) Option {
	return toolOption("OutputSchema", func(t *abi.Tool) { t.OutputSchema = json.RawMessage(schema) })
}

// MIME is the type of a resource or of a template's documents. Without it text is text/plain and
// bytes are application/octet-stream.
func MIME(mimeType string) Option {
	return option(func(o *offer) error {
		switch {
		case o.resource != nil:
			o.resource.MIMEType = mimeType
		case o.template != nil:
			o.template.MIMEType = mimeType
		default:
			return fmt.Errorf("MIME is for resources and templates only")
		}
		return nil
	})
}

// Description tells people and models what a resource or a template is.
func Description(s string) Option {
	return option(func(o *offer) error {
		switch {
		case o.resource != nil:
			o.resource.Description = s
		case o.template != nil:
			o.template.Description = s
		default:
			return fmt.Errorf("Description is for resources and templates; tools and prompts take it as an argument")
		}
		return nil
	})
}
