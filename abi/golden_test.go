// Copyright 2026 The Gantry Authors.

package abi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/gantryhost/gantry/abi"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// TestGoldenJSON pins the form in which each type of the contract crosses the border. Guests in
// other languages are written against these files: a difference is a new contract version.
func TestGoldenJSON(t *testing.T) {
	revision := uint64(0)
	values := map[string]any{
		"manifest":         fullManifest(),
		"manifest_minimal": abi.Manifest{ABI: 1, Name: "echo", Tools: []abi.Tool{{Name: "echo"}}},
		"result": abi.Result{Structured: json.RawMessage(`{"hex":"00"}`), IsError: true, Content: []abi.Content{
			abi.Text("hello"),
			{Type: abi.ContentImage, MIMEType: "image/png", Data: []byte{1, 2}},
			{Type: abi.ContentAudio, MIMEType: "audio/wav", Data: []byte{3}},
			{Type: abi.ContentLink, URI: "note://1", Name: "one", Title: "One", Description: "The first", MIMEType: "text/plain"},
			{Type: abi.ContentResource, URI: "note://1", MIMEType: "text/plain", Text: "body"},
		}},
		"error":         abi.Error{Code: abi.CodeInvalidArg, Message: "text: it is missing", Hint: "give text", Details: json.RawMessage(`{"field":"text"}`)},
		"prompt_result": abi.PromptResult{Description: "d", Messages: []abi.PromptMessage{{Role: "user", Content: abi.Text("hi")}}},
		"read_request":  abi.ReadRequest{URI: "note://1", Variables: map[string]string{"id": "1"}},
		"read_result":   abi.ReadResult{Contents: []abi.Content{{Type: abi.ContentResource, URI: "note://1", Data: []byte{0}}}},
		"complete": []any{abi.CompleteRequest{Prompt: "p", Argument: "a", Value: "v", Known: map[string]string{"b": "c"}},
			abi.CompleteResult{Values: []string{"v1"}, Total: 2, More: true}},
		"input_required": abi.InputRequired{State: "s", Requests: map[string]abi.InputRequest{
			"name": {Method: "elicitation/create", Params: json.RawMessage(`{"message":"Who?"}`)}}},
		"progress": abi.Progress{Done: 1, Total: 2, Message: "half"},
		"context": abi.Context{Tenant: "t", User: "u", Workspace: "w", Plugin: "p", Tool: "x", CallID: "c", RequestID: "r",
			SessionID: "s", DeadlineMS: 1000, Metadata: json.RawMessage(`{"k":1}`), State: "st",
			Client:  abi.Client{Name: "n", Version: "1", Protocol: "2026-07-28", Can: []string{abi.ClientSampling}, ProgressToken: json.RawMessage(`7`)},
			Answers: map[string]json.RawMessage{"name": json.RawMessage(`{"action":"decline"}`)}},
		"fetch": []any{
			abi.FetchRequest{Method: "POST", URL: "https://example.com/", Headers: []abi.Header{{Name: "A", Value: "b"}}, Body: []byte("x"), TimeoutMS: 5, MaxBytes: 6, Stream: true},
			abi.FetchResponse{Status: 200, URL: "https://example.com/", Headers: []abi.Header{{Name: "A", Value: "b"}}, Body: []byte("x"), Stream: 1},
			abi.FetchNext{Stream: 1, MaxBytes: 2, Close: true}, abi.FetchChunk{Data: []byte("x"), End: true}},
		"file": []any{abi.FileRequest{Path: "a"}, abi.FileWrite{Path: "a", Data: []byte("x")}, abi.FileData{Data: []byte("x")},
			abi.FileList{Entries: []abi.FileInfo{{Name: "a", Size: 1, Modified: "2026-01-31T12:00:00Z"}, {Name: "d", Dir: true, Modified: "2026-01-31T12:00:00Z"}}}},
		"kv": []any{abi.KVRequest{Key: "k"}, abi.KVPut{Key: "k", Value: []byte("v"), TTLMS: 1, IfRevision: &revision},
			abi.KVEntry{Key: "k", Value: []byte("v"), Revision: 3}, abi.KVList{Prefix: "p", Cursor: "c", Limit: 1},
			abi.KVPage{Entries: []abi.KVEntry{{Key: "k", Revision: 3}}, Next: "k"}},
		"drive": []any{abi.DriveSearch{Query: "q", Under: "a", Tags: []string{"t"}, Limit: 1, Cursor: "c"},
			abi.DriveHits{Hits: []abi.DriveHit{{DriveDocument: document(), Score: 0.5,
				Snippets: []abi.DriveSnippet{{Text: "x", Line: 2, Offset: 3}}}}, Total: 4, Any: true, Next: "n"},
			abi.DriveRead{Path: "a/b", Offset: 1, Limit: 2}, abi.DriveText{DriveDocument: document(), Text: "x", Offset: 1, Line: 2, Next: 3},
			abi.DriveList{Prefix: "a", Cursor: "c", Limit: 1}, abi.DrivePage{Documents: []abi.DriveDocument{document()}, Next: "n"}},
		"memory": []any{abi.MemoryRead{Path: "a/b", Offset: 1, Limit: 2}, abi.MemoryFile{MemoryInfo: memoryInfo(), Content: "x", Offset: 1, Next: 2},
			abi.MemoryReadMany{Paths: []string{"a"}, Limit: 1},
			abi.MemoryFiles{Files: []abi.MemoryResult{{Path: "/a/b", File: &abi.MemoryFile{MemoryInfo: memoryInfo(), Content: "x"}},
				{Path: "c", Error: &abi.Error{Code: abi.CodeNotFound, Message: "there is no file c"}}}},
			abi.MemoryList{Prefix: "a", Cursor: "c", Limit: 1}, abi.MemoryPage{Entries: []abi.MemoryInfo{memoryInfo()}, Next: "n"},
			abi.MemoryWrite{Path: "a", Content: "x", IfRevision: &revision}, abi.MemoryAppend{Path: "a", Content: "x", NewLine: true, IfRevision: &revision},
			abi.MemoryDelete{Path: "a", IfRevision: &revision}, abi.MemorySearch{Query: "q", Prefix: "a", Limit: 1},
			abi.MemoryHits{Hits: []abi.MemoryHit{{MemoryInfo: memoryInfo(), Matches: 2, Lines: []abi.MemoryLine{{Line: 3, Text: "x"}}}}, More: true, Partial: "p"}},
		"call": []any{abi.CallRequest{Tool: "x", Input: json.RawMessage(`{}`)}, abi.Changed{Lists: []string{"tools"}, URIs: []string{"note://1"}}},
	}
	for name, v := range values {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(v, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", name+".json"), append(got, '\n'))
		})
	}
}

func document() abi.DriveDocument {
	return abi.DriveDocument{Path: "a/b", Title: "B", Tags: []string{"t"}, MediaType: "text/plain", Size: 3, Revision: 7,
		Modified: "2026-01-31T12:00:00Z"}
}

func memoryInfo() abi.MemoryInfo {
	return abi.MemoryInfo{Path: "a/b", Size: 3, Revision: 7, Modified: "2026-01-31T12:00:00Z"}
}

// TestManifestSurvivesTheBorder reads what was written and writes it again.
func TestManifestSurvivesTheBorder(t *testing.T) {
	first, err := json.Marshal(fullManifest())
	if err != nil {
		t.Fatal(err)
	}
	m, err := abi.ParseManifest(first)
	if err != nil {
		t.Fatal(err)
	}
	second, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("got\n%s\nwant\n%s", second, first)
	}
}

func fullManifest() *abi.Manifest {
	return &abi.Manifest{
		ABI: 1, Name: "text", Version: "1.2.3", Summary: "Small things to do with text", Completes: true,
		Tools: []abi.Tool{{
			Name: "hash", Title: "Hash", Description: "Hash a text.",
			InputSchema:  json.RawMessage(`{"type":"object","properties":{"text":{"type":"string"}}}`),
			OutputSchema: json.RawMessage(`{"type":"object"}`),
			Annotations:  abi.Annotations{ReadOnly: true, Destructive: true, Idempotent: true, OpenWorld: true},
			Needs:        []string{abi.ClientElicitation}, ErrorCode: "HASH_ERROR",
			Task: abi.TaskRequired, AsksFirst: true,
			Icons: []abi.Icon{{Src: "data:image/png;base64,AA==", MIMEType: "image/png", Sizes: []string{"48x48"}, Theme: "dark"}},
		}},
		Prompts:   []abi.Prompt{{Name: "p", Title: "P", Description: "d", Arguments: []abi.PromptArgument{{Name: "a", Title: "A", Description: "d", Required: true}}}},
		Resources: []abi.Resource{{URI: "note://1", Name: "one", Title: "One", Description: "d", MIMEType: "text/plain"}},
		Templates: []abi.Template{{URITemplate: "note://{id}", Name: "note", Title: "Note", Description: "d", MIMEType: "text/plain"}},
		Config:    json.RawMessage(`{"type":"object"}`),
		Wants: abi.Rights{Hosts: []string{"api.example.com"}, Private: []string{"10.0.0.0/8"}, Files: abi.FilesWrite, KV: true, Memory: abi.MemoryRightWrite, Drive: abi.DriveRights, Tools: []string{"x"},
			Credentials: []abi.Credential{{Name: "KEY", Host: "api.example.com", Header: "Authorization", Template: "Bearer ${value}", Optional: true}}},
	}
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}
