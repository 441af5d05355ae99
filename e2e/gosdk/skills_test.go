// Copyright 2026 The Gantry Authors.

//go:build e2e

package gosdk

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

const exampleSkill = "../../examples/skills/hash-report"

func skillURIs(t *testing.T, cs *sdk.ClientSession) []string {
	t.Helper()
	out := []string{}
	for r, err := range cs.Resources(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(r.URI, "skill://") {
			out = append(out, r.URI)
		}
	}
	return out
}

// hearer gathers what a client is told of resources.
func hearer() (chan string, *sdk.ClientOptions) {
	told := make(chan string, 64)
	return told, &sdk.ClientOptions{
		ResourceListChangedHandler: func(context.Context, *sdk.ResourceListChangedRequest) { told <- "list" },
		ResourceUpdatedHandler: func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) {
			told <- r.Params.URI
		},
	}
}

func expectNews(t *testing.T, told chan string, want string) {
	t.Helper()
	for end := time.After(20 * time.Second); ; {
		select {
		case got := <-told:
			if got == want {
				return
			}
		case <-end:
			t.Fatalf("the client was never told of %s", want)
		}
	}
}

func cli(t *testing.T, h *gantrytest.Host, args ...string) string {
	t.Helper()
	out, err := h.CLI(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSkills(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"2025-06-18", newest} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			skillsLive(t, version)
		})
	}
}

func skillsLive(t *testing.T, version string) {
	h := gantrytest.New(t)
	h.Start()
	key := h.Token("--tenant", "acme", "--user", "ann", "--scopes", "read:data", "--name", "e2e")
	admin := gantrytest.NewCaller(h.URL, h.Token("--tenant", "acme", "--scopes", "admin,read:data", "--name", "e2e-admin"))
	far := dial(t, h, h.Token("--tenant", "umbrella", "--scopes", "read:data", "--name", "far"), version, nil)
	told, options := hearer()
	cs := dial(t, h, key, version, options)
	if got := skillURIs(t, cs); len(got) != 0 {
		t.Fatalf("a new host has %v", got)
	}

	cli(t, h, "skill", "import", exampleSkill, "--tenant", "acme")
	expectNews(t, told, "list")
	if got, want := skillURIs(t, cs), []string{"skill://hash-report"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	checkText(t, cs, "skill://hash-report", "Never shorten a hash", "skill://hash-report/scripts/table.py")
	checkText(t, cs, "skill://hash-report/SKILL.md", "name: hash-report")
	checkText(t, cs, "skill://hash-report/scripts/table.py", "#!/usr/bin/env python3")

	rest(t, admin, "POST", "/api/v1/skills", 201, map[string]any{"id": "wb_analytics", "service": "wildberries",
		"description": "Sales by article.", "system_prompt": "Fetch the orders."})
	expectNews(t, told, "list")
	checkText(t, cs, "skill://wb_analytics", "Fetch the orders.", `connector_execute(`, `service="wildberries"`)

	if err := cs.Subscribe(t.Context(), &sdk.SubscribeParams{URI: "skill://wb_analytics"}); err != nil {
		t.Fatal(err)
	}
	rest(t, admin, "PATCH", "/api/v1/skills/wb_analytics", 200, map[string]any{"system_prompt": "Fetch the sales."})
	expectNews(t, told, "skill://wb_analytics")
	checkText(t, cs, "skill://wb_analytics", "Fetch the sales.")

	cli(t, h, "skill", "disable", "hash-report", "--tenant", "acme")
	expectNews(t, told, "list")
	if got, want := skillURIs(t, cs), []string{"skill://wb_analytics"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := skillURIs(t, far); len(got) != 0 {
		t.Errorf("another tenant sees %v", got)
	}
	if got, err := far.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "skill://wb_analytics"}); err == nil {
		t.Errorf("another tenant reads %+v", got)
	}
	skillsSurvive(t, h, key, version)
}

// skillsSurvive kills the host and looks whether the next one has the same skills.
func skillsSurvive(t *testing.T, h *gantrytest.Host, key, version string) {
	h.Kill()
	out := filepath.Join(t.TempDir(), "out")
	cli(t, h, "skill", "export", "hash-report", out, "--tenant", "acme") // with no host running
	for _, name := range []string{"SKILL.md", "scripts/table.py", "references/TABLE.md"} {
		want, err := os.ReadFile(filepath.Join(exampleSkill, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(out, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s is another now (%v)", name, err)
		}
	}
	h.Start()
	cs := dial(t, h, key, version, nil)
	if got, want := skillURIs(t, cs), []string{"skill://wb_analytics"}; !slices.Equal(got, want) {
		t.Errorf("after a kill: got %v, want %v", got, want)
	}
	checkText(t, cs, "skill://wb_analytics", "Fetch the sales.")
}

func rest(t *testing.T, c *gantrytest.Caller, method, path string, want int, body any) {
	t.Helper()
	if status, out, err := c.Do(method, path, body); err != nil || status != want {
		t.Fatalf("%s %s answered %d: %s (%v)", method, path, status, out, err)
	}
}

func checkText(t *testing.T, cs *sdk.ClientSession, uri string, words ...string) {
	t.Helper()
	got, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: uri})
	if err != nil {
		t.Fatalf("%s: %v", uri, err)
	}
	for _, w := range words {
		if !strings.Contains(got.Contents[0].Text, w) {
			t.Errorf("%s does not say %q: %s", uri, w, got.Contents[0].Text)
		}
	}
}
