// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// args are arguments as a client sends them.
type args = map[string]any

func call(t testing.TB, cs *sdk.ClientSession, tool string, a args) (*sdk.CallToolResult, string) {
	t.Helper()
	r, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: a})
	return r, text(t, r, err)
}

// toolError is the ToolError of a result.
func toolError(t testing.TB, r *sdk.CallToolResult, body string) abi.Error {
	t.Helper()
	var e abi.Error
	if err := json.Unmarshal([]byte(body), &e); err != nil || !r.IsError {
		t.Fatalf("%q (isError %t) is no ToolError: %v", body, r.IsError, err)
	}
	return e
}

func search(t testing.TB, cs *sdk.ClientSession, a args) found {
	t.Helper()
	r, body := call(t, cs, searchTools, a)
	var page found
	if err := json.Unmarshal([]byte(body), &page); err != nil || r.IsError {
		t.Fatalf("%q: %v", body, err)
	}
	return page
}

// withManyTools adds tools named many_000 and so on.
func withManyTools(f *fakePipeline, n int) *fakePipeline {
	for i := range n {
		f.add(abi.Tool{Name: fmt.Sprintf("many_%03d", i), Annotations: abi.Annotations{ReadOnly: true}}, echoTool)
	}
	return f
}

func TestSearchTools(t *testing.T) {
	eras(t, func(t *testing.T, era string) {
		_, url := up(t, withManyTools(newFake(), 20), nil)
		cs := dial(t, url, "acme:ann", era, nil)
		t.Run("answers all that a call needs", func(t *testing.T) {
			page := search(t, cs, args{"query": "says what you say"})
			if page.Total == 0 || page.Tools[0].Name != "echo" {
				t.Fatalf("got %+v", page)
			}
			got := page.Tools[0]
			schema, err := json.Marshal(got.InputSchema)
			if err != nil || !strings.Contains(string(schema), `"text"`) || got.Description == "" || !got.Annotations.ReadOnlyHint {
				t.Errorf("got %+v with schema %s (%v)", got, schema, err)
			}
		})
		t.Run("pages through everything once", func(t *testing.T) {
			var all []string
			a := args{"query": "many", "limit": 7}
			for {
				page := search(t, cs, a)
				for _, tool := range page.Tools {
					all = append(all, tool.Name)
				}
				if page.Total != 20 {
					t.Fatalf("got a total of %d", page.Total)
				}
				if page.NextCursor == "" {
					break
				}
				a["cursor"] = page.NextCursor
			}
			if len(all) != 20 || !slices.IsSorted(all) {
				t.Errorf("got %v", all)
			}
		})
		t.Run("says which argument is wrong", func(t *testing.T) {
			cursor := search(t, cs, args{"query": "many", "limit": 1}).NextCursor
			for field, a := range map[string]args{
				"/limit": {"limit": 0}, "/query": {"query": 7}, "/words": {"words": "x"}, "/cursor": {"query": "other", "cursor": cursor},
			} {
				r, body := call(t, cs, searchTools, a)
				if e := toolError(t, r, body); e.Code != abi.CodeInvalidArg || !strings.Contains(e.Message+e.Hint+string(e.Details), field) {
					t.Errorf("%v: got %+v", a, e)
				}
			}
		})
	})
}

func TestSearchShowsWhatTheCallerMayCall(t *testing.T) {
	f := newFake()
	s, url := up(t, f, nil)
	reader, writer := dial(t, url, "acme:reader", singleEra, nil), dial(t, url, "acme:ann", sessionEra, nil)
	if got := search(t, reader, args{}); got.Total != 1 || got.Tools[0].Name != "echo" {
		t.Errorf("a reader finds %+v", got)
	}
	if got := search(t, writer, args{}); got.Total != 11 {
		t.Errorf("a writer finds %d tools", got.Total)
	}
	f.add(abi.Tool{Name: "zebra", Description: "Counts stripes."}, echoTool)
	s.Refresh()
	if got := search(t, writer, args{"query": "stripe"}); got.Total != 1 || got.Tools[0].Name != "zebra" {
		t.Errorf("a new tool is not found: %+v", got)
	}
}

func TestCallTool(t *testing.T) {
	for _, key := range []string{"acme:ann", "acme:ann:org:meta"} {
		for _, era := range []string{sessionEra, singleEra} {
			t.Run(key+" "+era, func(t *testing.T) { callTools(t, key, era) })
		}
	}
}

func callTools(t *testing.T, key, era string) {
	_, url := up(t, newFake(), nil)
	var heard []string
	progress := make(chan string, 16)
	cs := dial(t, url, key, era, &sdk.ClientOptions{
		ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			return &sdk.ElicitResult{Action: "accept", Content: args{"it": r.Params.Message}}, nil
		},
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { progress <- r.Params.Message },
	})
	t.Run("answers as the tool itself does", func(t *testing.T) {
		r, body := call(t, cs, callTool, args{"name": "echo", "arguments": args{"text": "hi"}})
		direct, want := call(t, cs, "echo", args{"text": "hi"})
		if body != want || fmt.Sprint(r.StructuredContent) != fmt.Sprint(direct.StructuredContent) || r.StructuredContent == nil {
			t.Errorf("got %q %v, want %q %v", body, r.StructuredContent, want, direct.StructuredContent)
		}
	})
	t.Run("fails as the tool itself does", func(t *testing.T) {
		for _, tool := range []string{"fail", "broken", "panic"} {
			r, body := call(t, cs, callTool, args{"name": tool})
			direct, err := cs.CallTool(t.Context(), &sdk.CallToolParams{Name: tool})
			if want := text(t, direct, err); body != want || !r.IsError {
				t.Errorf("%s: got %q, want %q", tool, body, want)
			}
		}
	})
	t.Run("passes progress and partial text on", func(t *testing.T) {
		p := &sdk.CallToolParams{Name: callTool, Arguments: args{"name": "count"}}
		p.SetProgressToken("t")
		r, err := cs.CallTool(t.Context(), p)
		if got := text(t, r, err); got != "one two" {
			t.Errorf("got %q", got)
		}
		for range 4 {
			heard = append(heard, <-progress)
		}
		if want := []string{"one ", "half", "two", ""}; !slices.Equal(heard, want) {
			t.Errorf("heard %q, want %q", heard, want)
		}
	})
	t.Run("lets the tool ask in rounds", func(t *testing.T) {
		if _, body := call(t, cs, callTool, args{"name": "ask"}); body != "Who? likes Which?" {
			t.Errorf("got %q", body)
		}
	})
	t.Run("tells the model of a tool that is not there", func(t *testing.T) {
		r, body := call(t, cs, callTool, args{"name": "ecko"})
		if e := toolError(t, r, body); e.Code != abi.CodeUnknownTool || e.Hint != "did you mean echo?" {
			t.Errorf("got %+v", e)
		}
	})
	t.Run("says which argument is wrong", func(t *testing.T) {
		for field, a := range map[string]args{
			"/name": {}, "/arguments": {"name": "echo", "arguments": "text"}, "/args": {"name": "echo", "args": args{}}, callTool: {"name": callTool},
		} {
			r, body := call(t, cs, callTool, a)
			if e := toolError(t, r, body); e.Code != abi.CodeInvalidArg || !strings.Contains(e.Message+string(e.Details), field) {
				t.Errorf("%v: got %+v", a, e)
			}
		}
	})
}

func TestCallToolKeepsToTheScopes(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			_, url := up(t, newFake(), nil)
			cs := dial(t, url, "acme:reader", era, nil)
			r, body := call(t, cs, callTool, args{"name": "whoami"})
			if e := toolError(t, r, body); e.Code != abi.CodeForbidden || !strings.Contains(e.Message, string(host.ScopeWriteTools)) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestMetaKeys(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			_, url := up(t, withManyTools(newFake(), 30), func(c *Config) { c.PageSize = 10 })
			cs := dial(t, url, "acme:ann:org:meta", era, nil)
			t.Run("list the host's own tools alone", func(t *testing.T) {
				list, err := cs.ListTools(t.Context(), nil)
				if err != nil || list.NextCursor != "" || len(list.Tools) != 2 {
					t.Fatalf("got %+v (%v)", list, err)
				}
				if got := toolNames(t, cs); !slices.Equal(got, HostTools()) {
					t.Errorf("got %v", got)
				}
			})
			t.Run("say how to go on", func(t *testing.T) {
				if got := cs.InitializeResult().Instructions; !strings.Contains(got, searchTools) {
					t.Errorf("got %q", got)
				}
			})
			t.Run("find and call all the others, also by name", func(t *testing.T) {
				if got := search(t, cs, args{}); got.Total != 41 {
					t.Errorf("found %d tools", got.Total)
				}
				if _, body := call(t, cs, "echo", args{"text": "hi"}); body != `{"text":"hi"}` {
					t.Errorf("got %q", body)
				}
			})
			t.Run("change nothing for other keys of the same user", func(t *testing.T) {
				if got := search(t, dial(t, url, "acme:ann", era, nil), args{}); got.Total != 41 {
					t.Errorf("found %d tools", got.Total)
				}
			})
		})
	}
}

func TestWhoHasNoMetaTools(t *testing.T) {
	f := newFake()
	_, url := up(t, f, nil)
	if got := toolNames(t, dial(t, url, "acme:ann:workspace", singleEra, nil)); slices.Contains(got, searchTools) || slices.Contains(got, callTool) {
		t.Errorf("a workspace sees %v", got)
	}
	if got := metaTools(&host.Principal{Kind: host.KindOrg, Scopes: []host.Scope{host.ScopeChat}}); got != nil {
		t.Errorf("a key that may call nothing sees %v", got)
	}
	if got := metaTools(&host.Principal{Kind: host.KindAdmin, Scopes: host.AllScopes()}); len(got) != 2 {
		t.Errorf("an admin key sees %v", got)
	}
}

// TestListIsPaged follows the cursors of tools/list: every tool once, in order, whatever is added
// or removed on the way.
func TestListIsPaged(t *testing.T) {
	for _, era := range []string{sessionEra, singleEra} {
		t.Run(era, func(t *testing.T) {
			f := withManyTools(newFake(), 95)
			s, url := up(t, f, func(c *Config) { c.PageSize = 10 })
			cs := dial(t, url, "acme:ann", era, nil)
			var names []string
			cursor, pages := "", 0
			for {
				list, err := cs.ListTools(t.Context(), &sdk.ListToolsParams{Cursor: cursor})
				if err != nil {
					t.Fatal(err)
				}
				if len(list.Tools) > 10 {
					t.Errorf("a page has %d tools", len(list.Tools))
				}
				for _, tool := range list.Tools {
					names = append(names, tool.Name)
				}
				if pages++; pages == 2 {
					f.add(abi.Tool{Name: "aaa"}, echoTool)
					f.remove("echo")
					s.Refresh()
				}
				if cursor = list.NextCursor; cursor == "" {
					break
				}
			}
			if len(names) != 108 || !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
				t.Errorf("got %d names: %v", len(names), names)
			}
			if _, err := cs.ListTools(t.Context(), &sdk.ListToolsParams{Cursor: "nonsense"}); err == nil {
				t.Error("a cursor of nobody's was taken")
			}
		})
	}
}

// FuzzCursor holds that a cursor is taken only where it was given out.
func FuzzCursor(f *testing.F) {
	f.Add(newCursor(8, 7), uint64(7))
	f.Add("MS4x", uint64(1))
	f.Add("", uint64(0))
	f.Fuzz(func(t *testing.T, cursor string, mark uint64) {
		at, err := cursorFrom(cursor, mark)
		if err == nil && cursor != "" && (at < 0 || newCursor(at, mark) != cursor) {
			t.Errorf("%q was taken for %d", cursor, at)
		}
	})
}
