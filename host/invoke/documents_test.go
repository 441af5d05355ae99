// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// library answers prompts, resources and completions with what it was asked.
func library() *plugin {
	return &plugin{
		settings: "prefix: lib_",
		manifest: abi.Manifest{
			Name: "library", Completes: true,
			Prompts: []abi.Prompt{{Name: "greet", Arguments: []abi.PromptArgument{{Name: "name", Required: true}, {Name: "style"}}}},
			Resources: []abi.Resource{
				{URI: "lib://fixed", Name: "fixed"},
				{URI: "lib://book/special", Name: "special"},
			},
			Templates: []abi.Template{
				{URITemplate: "lib://{+any}", Name: "any"},
				{URITemplate: "lib://book/{id}", Name: "book"},
				{URITemplate: "lib://search{?q,lang}", Name: "search"},
			},
		},
		other: func(_ context.Context, c *host.GuestCall) (host.Output, error) {
			said := fmt.Sprintf("%d %s", c.Index, c.Input)
			var v any
			switch c.Entry {
			case host.EntryPrompt:
				v = abi.PromptResult{Messages: []abi.PromptMessage{{Role: "user", Content: abi.Text(said)}}}
			case host.EntryRead:
				v = abi.ReadResult{Contents: []abi.Content{{Type: abi.ContentResource, Text: said}}}
			case host.EntryComplete:
				values := make([]string, 150)
				values[0] = said
				v = abi.CompleteResult{Values: values}
			}
			data, err := json.Marshal(v)
			return host.Output{Kind: abi.OutputStructured, Data: data}, err
		},
	}
}

func TestPrompt(t *testing.T) {
	h := start(t, nil, library())
	for _, c := range []struct {
		name, prompt, args string
		code               abi.Code
		want               string
	}{
		{"renders", "lib_greet", `{"name":"Ann"}`, "", `0 {"name":"Ann"}`},
		{"is not there", "greet", `{}`, abi.CodeNotFound, "greet"},
		{"misses an argument", "lib_greet", ``, abi.CodeInvalidArg, "/name is missing"},
		{"has an unknown argument", "lib_greet", `{"name":"","styl":""}`, abi.CodeInvalidArg, "/styl"},
		{"has a number", "lib_greet", `{"name":5}`, abi.CodeInvalidArg, "object of strings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, ask, err := h.Prompt(as("acme", "ann"), invoke.Request{Tool: c.prompt, Input: json.RawMessage(c.args)})
			wantCode(t, err, c.code)
			if err != nil {
				if !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				return
			}
			if ask != nil || res.Messages[0].Content.Text != c.want {
				t.Errorf("got %+v", res)
			}
		})
	}
	_, _, err := h.Prompt(context.Background(), invoke.Request{Tool: "lib_greet"})
	wantCode(t, err, abi.CodeUnauthenticated)
	_, _, err = h.Prompt(as("acme", "ann", host.ScopeChat), invoke.Request{Tool: "lib_greet"})
	wantCode(t, err, abi.CodeNotFound)
}

func TestReadFindsTheNearestDocument(t *testing.T) {
	h := start(t, nil, library())
	ctx := as("acme", "ann", host.ScopeReadData)
	for _, c := range []struct{ uri, want string }{
		{"lib://fixed", `{"uri":"lib://fixed"}`},
		{"lib://book/special", `{"uri":"lib://book/special"}`},
		{"lib://book/7", `{"uri":"lib://book/7","variables":{"id":"7"}}`},
		{"lib://book/a%20b", `{"uri":"lib://book/a%20b","variables":{"id":"a b"}}`},
		{"lib://search?q=go&lang=en", `{"uri":"lib://search?q=go\u0026lang=en","variables":{"lang":"en","q":"go"}}`},
		{"lib://deep/er/still", `{"uri":"lib://deep/er/still","variables":{"any":"deep/er/still"}}`},
	} {
		t.Run(c.uri, func(t *testing.T) {
			res, err := h.Read(ctx, c.uri)
			if err != nil {
				t.Fatal(err)
			}
			if _, got, _ := strings.Cut(res.Contents[0].Text, " "); got != c.want || res.Contents[0].URI != c.uri {
				t.Errorf("got %+v, want %s", res.Contents[0], c.want)
			}
		})
	}
	for _, uri := range []string{"other://x", "", strings.Repeat("a", 3000)} {
		if _, err := h.Read(ctx, uri); err == nil {
			t.Errorf("%.10q was found", uri)
		}
	}
	_, err := h.Read(as("acme", "ann", host.ScopeChat), "lib://fixed")
	wantCode(t, err, abi.CodeNotFound)
	_, err = h.Read(context.Background(), "lib://fixed")
	wantCode(t, err, abi.CodeUnauthenticated)
}

func TestComplete(t *testing.T) {
	h := start(t, nil, library(), demo())
	res, err := h.Complete(as("acme", "ann"), &abi.CompleteRequest{Prompt: "lib_greet", Argument: "name", Value: "A"})
	if err != nil || len(res.Values) != 100 || !res.More || res.Total != 150 || !strings.Contains(res.Values[0], `"prompt":"greet"`) {
		t.Errorf("got %+v, %v", res, err)
	}
	res, err = h.Complete(as("acme", "ann"), &abi.CompleteRequest{Template: "lib://book/{id}", Argument: "id"})
	if err != nil || len(res.Values) != 100 {
		t.Errorf("a template: %+v, %v", res, err)
	}
	res, err = h.Complete(as("acme", "ann"), &abi.CompleteRequest{Prompt: "none", Argument: "name"})
	if err != nil || res.Values == nil || len(res.Values) != 0 {
		t.Errorf("an unknown prompt: %+v, %v", res, err)
	}
	_, err = h.Complete(context.Background(), &abi.CompleteRequest{Prompt: "lib_greet"})
	wantCode(t, err, abi.CodeUnauthenticated)
}

func TestPromptsResourcesAndTemplatesAreListed(t *testing.T) {
	h := start(t, nil, library())
	reader, chat := as("acme", "ann", host.ScopeReadTools), as("acme", "ann", host.ScopeChat)
	if p, r, tm := len(h.Prompts(reader)), len(h.Resources(reader)), len(h.Templates(reader)); p != 1 || r != 2 || tm != 3 {
		t.Errorf("got %d prompts, %d resources, %d templates", p, r, tm)
	}
	if len(h.Prompts(chat))+len(h.Resources(chat))+len(h.Templates(chat))+len(h.Resources(context.Background())) != 0 {
		t.Error("a caller without the scopes sees something")
	}
}

func TestTheJournalTellsDocumentsFromTools(t *testing.T) {
	h := start(t, nil, library())
	ctx := as("acme", "ann", host.ScopeReadTools, host.ScopeReadData)
	if _, _, err := h.Prompt(ctx, invoke.Request{Tool: "lib_greet", Input: json.RawMessage(`{"name":"Ann"}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Read(ctx, "lib://fixed"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Complete(ctx, &abi.CompleteRequest{Prompt: "lib_greet"}); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range h.journal.all {
		kinds = append(kinds, e.Kind)
	}
	if got := strings.Join(kinds, " "); got != "prompt read complete" {
		t.Errorf("got %q", got)
	}
}
