// Copyright 2026 The Gantry Authors.

//go:build e2e

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package gosdk

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

const watched = "test://watched-resource"

// TestFeatures asks for everything that a server offers beside calls, in every version.
func TestFeatures(t *testing.T) {
	t.Parallel()
	h := gantrytest.New(t)
	for _, plugin := range []string{"conformance", "slow"} {
		gantrytest.BuildPlugin(t, "examples/"+plugin, filepath.Join(h.Plugins, plugin+".wasm"), "-s -w")
	}
	h.Start()
	key := orgKey(h, "--name", "features")
	remembers := h.Token("--tenant", "acme", "--user", "ann", "--scopes", "read:tools,write:tools,read:data")
	served(t, h, key, "test_simple_text")
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			t.Run("is told who it speaks to", func(t *testing.T) { hello(t, dial(t, h, key, version, nil), version) })
			t.Run("lists and gets prompts", func(t *testing.T) { prompts(t, dial(t, h, key, version, nil)) })
			t.Run("lists, reads and completes documents", func(t *testing.T) { documents(t, dial(t, h, key, version, nil)) })
			t.Run("hears log lines once it asks for them", func(t *testing.T) { logs(t, h, key, version) })
			t.Run("is told what changed", func(t *testing.T) { changes(t, h, key, version) })
			t.Run("answers what a call asks", func(t *testing.T) { answers(t, h, key, version) })
			t.Run("keeps something in memory", func(t *testing.T) { remember(t, dial(t, h, remembers, version, nil), version) })
		})
	}
}

func hello(t *testing.T, cs *sdk.ClientSession, version string) {
	r := cs.InitializeResult()
	if r.ProtocolVersion != version || r.ServerInfo.Name != "gantry" {
		t.Errorf("got %s of %s", r.ProtocolVersion, r.ServerInfo.Name)
	}
	if version != newest { // which has no ping
		if err := cs.Ping(t.Context(), nil); err != nil {
			t.Error(err)
		}
	}
	list, err := cs.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range list.Tools {
		if tool.Name == "slow_count" && (len(tool.Icons) != 1 || !strings.HasPrefix(tool.Icons[0].Source, "data:image/svg")) {
			t.Errorf("slow_count has the icons %+v", tool.Icons)
		}
	}
}

func prompts(t *testing.T, cs *sdk.ClientSession) {
	var seen []string
	for p, err := range cs.Prompts(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, p.Name)
	}
	if !slices.Contains(seen, "test_prompt_with_arguments") {
		t.Errorf("the prompts are %v", seen)
	}
	got, err := cs.GetPrompt(t.Context(), &sdk.GetPromptParams{
		Name: "test_prompt_with_arguments", Arguments: map[string]string{"arg1": "a", "arg2": "b"}})
	if err != nil {
		t.Fatal(err)
	}
	if said := got.Messages[0].Content.(*sdk.TextContent).Text; !strings.Contains(said, "arg1='a', arg2='b'") {
		t.Errorf("got %q", said)
	}
	if got, err := cs.GetPrompt(t.Context(), &sdk.GetPromptParams{Name: "none"}); err == nil {
		t.Errorf("a prompt that is not there is %+v", got)
	}
	done, err := cs.Complete(t.Context(), &sdk.CompleteParams{
		Ref:      &sdk.CompleteReference{Type: "ref/prompt", Name: "test_prompt_with_arguments"},
		Argument: sdk.CompleteParamsArgument{Name: "arg1", Value: "par"}})
	if err != nil || !slices.Equal(done.Completion.Values, []string{"par1", "par2"}) {
		t.Errorf("got %+v, %v", done, err)
	}
}

func documents(t *testing.T, cs *sdk.ClientSession) {
	var uris []string
	for r, err := range cs.Resources(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		uris = append(uris, r.URI)
	}
	if !slices.Contains(uris, "test://static-binary") {
		t.Errorf("the documents are %v", uris)
	}
	checkText(t, cs, "test://static-text", "static text")
	checkText(t, cs, "test://template/7/data", `"id":"7"`)
	picture, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "test://static-binary"})
	if err != nil || !strings.Contains(string(picture.Contents[0].Blob), "PNG") {
		t.Errorf("got %+v, %v", picture, err)
	}
	templates, err := cs.ListResourceTemplates(t.Context(), nil)
	if err != nil || len(templates.ResourceTemplates) != 1 || templates.ResourceTemplates[0].URITemplate != "test://template/{id}/data" {
		t.Errorf("the templates are %+v, %v", templates, err)
	}
	if got, err := cs.ReadResource(t.Context(), &sdk.ReadResourceParams{URI: "test://none"}); err == nil {
		t.Errorf("a document that is not there is %+v", got)
	}
}

func logs(t *testing.T, h *gantrytest.Host, key, version string) {
	said := make(chan any, 8)
	cs := dial(t, h, key, version, &sdk.ClientOptions{LoggingMessageHandler: func(_ context.Context, r *sdk.LoggingMessageRequest) {
		said <- r.Params.Data
	}})
	callTool(t, cs, "test_logging_tool", object{})
	p := &sdk.CallToolParams{Name: "test_logging_tool"}
	if version == newest { // in which each request says it for itself
		p.Meta = sdk.Meta{sdk.MetaKeyLogLevel: "info"}
	} else if err := cs.SetLoggingLevel(t.Context(), &sdk.SetLoggingLevelParams{Level: "info"}); err != nil {
		t.Fatal(err)
	}
	if len(said) != 0 {
		t.Errorf("before it asked it heard %v", <-said)
	}
	if _, err := cs.CallTool(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	select {
	case line := <-said:
		if text, err := json.Marshal(line); err != nil || !strings.Contains(string(text), "test_logging_tool executed") {
			t.Errorf("got %s (%v)", text, err)
		}
	case <-time.After(20 * time.Second):
		t.Error("no line came")
	}
}

func changes(t *testing.T, h *gantrytest.Host, key, version string) {
	told := make(chan string, 64)
	cs := dial(t, h, key, version, &sdk.ClientOptions{
		PromptListChangedHandler: func(context.Context, *sdk.PromptListChangedRequest) { told <- "prompts" },
		ResourceUpdatedHandler:   func(_ context.Context, r *sdk.ResourceUpdatedNotificationRequest) { told <- r.Params.URI },
	})
	if err := cs.Subscribe(t.Context(), &sdk.SubscribeParams{URI: watched}); err != nil {
		t.Fatal(err)
	}
	callTool(t, cs, "test_trigger_prompt_change", object{})
	expectNews(t, told, "prompts")
	callTool(t, cs, "test_touch_watched_resource", object{})
	expectNews(t, told, watched)
	if err := cs.Unsubscribe(t.Context(), &sdk.UnsubscribeParams{URI: watched}); err != nil {
		t.Error(err)
	}
}

// answers has a call ask for a model's text and for folders, which every version has, and for a form
// twice, which came with 2025-06-18.
func answers(t *testing.T, h *gantrytest.Host, key, version string) {
	cs := dial(t, h, key, version, &sdk.ClientOptions{
		CreateMessageHandler: func(context.Context, *sdk.CreateMessageRequest) (*sdk.CreateMessageResult, error) {
			return &sdk.CreateMessageResult{Role: "assistant", Model: "none", Content: &sdk.TextContent{Text: "Paris"}}, nil
		},
		ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			form, err := json.Marshal(r.Params.RequestedSchema)
			for field, value := range (object{"color": "red", "ok": true, "name": "Ada"}) {
				if strings.Contains(string(form), fmt.Sprintf("%q:", field)) {
					return &sdk.ElicitResult{Action: "accept", Content: object{field: value}}, err
				}
			}
			return &sdk.ElicitResult{Action: "decline"}, err
		},
	})
	want := map[string]string{"test_input_required_result_sampling": "Paris", "test_input_required_result_list_roots": "0 root(s)"}
	if version >= "2025-06-18" {
		want["test_input_required_result_multi_round"] = "Ada likes red"
		want["test_input_required_result_multiple_inputs"] = "Paris Ada, with 0 root(s)"
		want["test_input_required_result_request_state"] = "state-ok"
	}
	for tool, words := range want {
		if got, r := callTool(t, cs, tool, object{}); r.IsError || !strings.Contains(got, words) {
			t.Errorf("%s said %q, want %q", tool, got, words)
		}
	}
}

func remember(t *testing.T, cs *sdk.ClientSession, version string) {
	path := "e2e/" + version + ".md"
	callTool(t, cs, "write_memory", object{"path": path, "content": "Ada likes tea."})
	said, r := callTool(t, cs, "read_memory", object{"path": path})
	var got struct {
		File struct{ Content string }
	}
	// A text of the same value goes with it, for clients of the versions that had nothing else.
	if err := json.Unmarshal([]byte(said), &got); err != nil || got.File.Content != "Ada likes tea." {
		t.Errorf("got %s (%v)", said, err)
	}
	if value, ok := r.StructuredContent.(object); version >= "2025-06-18" && (!ok || value["file"] == nil) {
		t.Errorf("got %+v", r.StructuredContent)
	}
	callTool(t, cs, "delete_memory", object{"path": path})
	if said, r := callTool(t, cs, "read_memory", object{"path": path}); !r.IsError || !strings.Contains(said, `"NOT_FOUND"`) {
		t.Errorf("got %s", said)
	}
}
