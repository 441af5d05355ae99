// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// fakeShelf is documents at skill://{name}, and skills, by tenant; the user "reader" sees none.
type fakeShelf struct {
	mu    sync.Mutex
	texts map[host.TenantID]map[string]string
}

var (
	_ Documents = (*fakeShelf)(nil)
	_ Skills    = (*fakeShelf)(nil)
)

func newShelf() *fakeShelf { return &fakeShelf{texts: map[host.TenantID]map[string]string{}} }

func (f *fakeShelf) put(tenant host.TenantID, name, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.texts[tenant] == nil {
		f.texts[tenant] = map[string]string{}
	}
	f.texts[tenant][name] = text
	if text == "" {
		delete(f.texts[tenant], name)
	}
}

func (f *fakeShelf) Serves(p *host.Principal) bool {
	return p.Has(host.ScopeReadData) && p.Kind != host.KindWorkspace
}

func (f *fakeShelf) names(ctx context.Context) []string {
	p := host.PrincipalFrom(ctx)
	if !f.Serves(p) {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for name := range f.texts[p.Tenant] {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (f *fakeShelf) Owns(uri string) bool { return strings.HasPrefix(uri, "skill://") }

func (f *fakeShelf) Resources(ctx context.Context) []abi.Resource {
	var out []abi.Resource
	for _, name := range f.names(ctx) {
		out = append(out, abi.Resource{URI: "skill://" + name, Name: name, MIMEType: "text/markdown"})
	}
	return out
}

func (f *fakeShelf) Templates(ctx context.Context) []abi.Template {
	if !f.Serves(host.PrincipalFrom(ctx)) {
		return nil
	}
	return []abi.Template{{URITemplate: "skill://{id}/{+path}", Name: "skill-file"}}
}

func (f *fakeShelf) Read(ctx context.Context, uri string) (*abi.ReadResult, error) {
	name, path, _ := strings.Cut(strings.TrimPrefix(uri, "skill://"), "/")
	if !slices.Contains(f.names(ctx), name) {
		return nil, host.Errorf("fake", abi.CodeNotFound, "no such skill")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return &abi.ReadResult{Contents: []abi.Content{{Type: abi.ContentResource, URI: uri, MIMEType: "text/markdown",
		Text: f.texts[host.PrincipalFrom(ctx).Tenant][name] + " " + path}}}, nil
}

func (f *fakeShelf) Complete(ctx context.Context, _ *abi.CompleteRequest) (*abi.CompleteResult, error) {
	return &abi.CompleteResult{Values: f.names(ctx)}, nil
}

func (f *fakeShelf) Entries(ctx context.Context) []SkillEntry {
	var out []SkillEntry
	for _, name := range f.names(ctx) {
		out = append(out, SkillEntry{URI: "skill://" + name + "/SKILL.md", Frontmatter: map[string]any{"name": name},
			Resources: []SkillFile{{URI: "skill://" + name + "/SKILL.md", Digest: "sha256:", Size: 1}}})
	}
	return out
}

func (f *fakeShelf) Directory(ctx context.Context, uri string) ([]abi.Resource, error) {
	if !slices.Contains(f.names(ctx), strings.TrimPrefix(uri, "skill://")) {
		return nil, host.Errorf("fake", abi.CodeNotFound, "no such folder")
	}
	return []abi.Resource{{URI: uri + "/SKILL.md", Name: "SKILL.md"}}, nil
}

func resourceURIs(t testing.TB, cs *sdk.ClientSession) []string {
	t.Helper()
	var out []string
	for r, err := range cs.Resources(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r.URI)
	}
	return out
}

func withShelf(f *fakeShelf) func(*Config) {
	return func(c *Config) { c.Documents, c.Skills = f, f }
}

func TestDocumentsOfTheHost(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			shelf := newShelf()
			shelf.put("acme", "wb", "Sell.")
			_, url := up(t, newFake(), withShelf(shelf))
			cs := dial(t, url, "acme:ann", era, nil)
			t.Run("they stand beside the plugins' from the first request", func(t *testing.T) {
				if got, want := resourceURIs(t, cs), []string{"note://readme", "skill://wb"}; !slices.Equal(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			})
			for uri, want := range map[string]string{"skill://wb": "Sell. ", "skill://wb/scripts/a.py": "Sell. scripts/a.py", "note://readme": "note"} {
				got, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: uri})
				if err != nil || got.Contents[0].Text != want {
					t.Errorf("%s: got %+v (%v), want %q", uri, got, err, want)
				}
			}
			t.Run("completion goes to who owns the template", func(t *testing.T) {
				got, err := cs.Complete(t.Context(), &sdk.CompleteParams{Ref: &sdk.CompleteReference{Type: "ref/resource", URI: "skill://{id}/{+path}"},
					Argument: sdk.CompleteParamsArgument{Name: "id", Value: "w"}})
				if err != nil || !slices.Equal(got.Completion.Values, []string{"wb"}) {
					t.Errorf("got %+v, %v", got, err)
				}
			})
			t.Run("nobody else sees them", func(t *testing.T) {
				for _, token := range []string{"umbrella:bob", "acme:reader", "acme:ann:workspace"} {
					cs := dial(t, url, token, era, nil)
					if got := resourceURIs(t, cs); slices.Contains(got, "skill://wb") {
						t.Errorf("%s sees %v", token, got)
					}
					if got, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "skill://wb"}); err == nil {
						t.Errorf("%s reads %+v", token, got)
					}
				}
			})
		})
	}
}

// greedyShelf owns what a plugin offers too.
type greedyShelf struct{ *fakeShelf }

func (greedyShelf) Owns(string) bool { return true }

func TestPluginsDoNotSpeakForTheHost(t *testing.T) {
	shelf := newShelf()
	_, url := up(t, newFake(), func(c *Config) { c.Documents = greedyShelf{shelf} })
	cs := dial(t, url, "acme:ann", singleEra, nil)
	if got := resourceURIs(t, cs); len(got) != 0 {
		t.Errorf("a plugin's resource at the host's URI is listed: %v", got)
	}
	if got, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "note://readme"}); err == nil {
		t.Errorf("a plugin answered for the host: %+v", got)
	}
}

func TestDocumentsChange(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			shelf := newShelf()
			shelf.put("acme", "wb", "Sell.")
			s, url := up(t, newFake(), withShelf(shelf))
			told, far := make(chan string, 16), make(chan string, 16)
			cs, other := dial(t, url, "acme:ann", era, news(told)), dial(t, url, "umbrella:bob", era, news(far))
			for _, c := range []*sdk.ClientSession{cs, other} {
				if err := c.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "skill://wb"}); err != nil {
					t.Fatal(err)
				}
				resourceURIs(t, c)
			}
			change := func(tenant host.TenantID, name, text string, uris ...string) {
				shelf.put(tenant, name, text)
				s.DocumentsChanged(tenant, uris)
			}
			change("acme", "ozon", "Ship.")
			expect(t, told, "resources")
			if got := resourceURIs(t, cs); !slices.Contains(got, "skill://ozon") {
				t.Errorf("got %v", got)
			}
			change("acme", "wb", "Sell more.", "skill://wb")
			expect(t, told, "skill://wb")
			change("acme", "ozon", "")
			expect(t, told, "resources")
			change("umbrella", "wb", "Protect.")
			expect(t, far, "resources") // and nothing of the other tenant's before it
		})
	}
}

// The extension's methods, as a client of the SDK knows them.
type (
	wireParams struct {
		sdk.ParamsBase
		URI    string `json:"uri,omitempty"`
		Cursor string `json:"cursor,omitempty"`
	}
	wireResult struct {
		sdk.ResultBase
		Skills     []SkillEntry      `json:"skills"`
		Skill      *SkillEntry       `json:"skill"`
		Resources  []json.RawMessage `json:"resources"`
		NextCursor string            `json:"nextCursor"`
		CacheScope string            `json:"cacheScope"`
		ResultType string            `json:"resultType"`
	}
)

func TestSkillsExtension(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			shelf := newShelf()
			for i := range skillPage + 1 {
				shelf.put("acme", fmt.Sprintf("s%02d", i), "x")
			}
			_, url := up(t, newFake(), withShelf(shelf))
			ask := func(t *testing.T, token, method string, p *wireParams) (*wireResult, error) {
				c := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
				if err := sdk.AddSendingCustomMethod[*wireParams, *wireResult](c, method); err != nil {
					t.Fatal(err)
				}
				return sdk.CallCustomMethod[*wireParams, *wireResult](t.Context(), dialWith(t, c, url, token, era), method, p)
			}
			first, err := ask(t, "acme:ann", "skills/list", &wireParams{})
			if err != nil || len(first.Skills) != skillPage || first.NextCursor == "" {
				t.Fatalf("got %+v, %v", first, err)
			}
			if modern := first.CacheScope == "private" && first.ResultType == "complete"; modern != (era == singleEra) {
				t.Errorf("the result of %s has %q and %q", era, first.CacheScope, first.ResultType)
			}
			rest, err := ask(t, "acme:ann", "skills/list", &wireParams{Cursor: first.NextCursor})
			if err != nil || len(rest.Skills) != 1 || rest.NextCursor != "" || rest.Skills[0].URI != "skill://s20/SKILL.md" {
				t.Errorf("got %+v, %v", rest, err)
			}
			got, err := ask(t, "acme:ann", "skills/get", &wireParams{URI: "skill://s03/SKILL.md"})
			if err != nil || got.Skill == nil || got.Skill.URI != "skill://s03/SKILL.md" {
				t.Errorf("got %+v, %v", got, err)
			}
			got, err = ask(t, "acme:ann", "resources/directory/read", &wireParams{URI: "skill://s03"})
			if err != nil || len(got.Resources) != 1 {
				t.Errorf("got %+v, %v", got, err)
			}
			for method, uri := range map[string]string{"skills/get": "skill://none/SKILL.md", "resources/directory/read": "skill://s03/SKILL.md"} {
				if _, err := ask(t, "acme:ann", method, &wireParams{URI: uri}); err == nil || !strings.Contains(err.Error(), uri) {
					t.Errorf("%s of %s: %v", method, uri, err)
				}
				if _, err := ask(t, "acme:ann", method, &wireParams{}); err == nil || !strings.Contains(err.Error(), "uri is missing") {
					t.Errorf("%s of nothing: %v", method, err)
				}
			}
			if _, err := ask(t, "acme:reader", "skills/list", &wireParams{}); err == nil {
				t.Error("who may not see skills lists them")
			}
		})
	}
}
