// Copyright 2026 The Gantry Authors.

//go:build e2e

package gosdk

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/e2e/gantrytest"
)

// startSlow serves the slow plugin, whose slow_around may call slow_erase.
func startSlow(t *testing.T) (h *gantrytest.Host, key string) {
	h, key, putSlow := start(t)
	h.Put("slow.yaml", []byte("grants:\n  tools: [slow_erase]\n"))
	putSlow()
	served(t, h, key, "slow_erase")
	return h, key
}

func served(t *testing.T, h *gantrytest.Host, key, tool string) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		cs := dial(t, h, key, newest, nil)
		if slices.Contains(names(t, cs), tool) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is not served", tool)
		}
	}
}

// person answers the question for a confirmation, and counts how often it was asked.
func person(asked chan<- string, confirm bool) *sdk.ClientOptions {
	return &sdk.ClientOptions{ElicitationHandler: func(_ context.Context, r *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		asked <- r.Params.Message
		return &sdk.ElicitResult{Action: "accept", Content: map[string]any{"confirm": confirm}}, nil
	}}
}

// TestAPersonConfirms lets the official client be asked, in both eras, and everybody else be refused.
func TestAPersonConfirms(t *testing.T) {
	t.Parallel()
	h, key := startSlow(t)
	erase := func() *sdk.CallToolParams { // the client writes into its parameters
		return &sdk.CallToolParams{Name: "slow_erase", Arguments: map[string]any{"what": "the moon"}}
	}
	t.Run("nobody is asked before there is a policy", func(t *testing.T) {
		r, err := dial(t, h, key, newest, nil).CallTool(t.Context(), erase())
		if got := text(t, r, err); got != "erased the moon" {
			t.Errorf("got %q", got)
		}
	})
	if out, err := h.CLI("tenant", "set", "acme", "--confirm", "destructive"); err != nil {
		t.Fatal(out, err)
	}
	for _, version := range []string{"2025-06-18", "2025-11-25", newest} {
		asked := make(chan string, 8)
		t.Run(version+" asks, and a yes lets it run", func(t *testing.T) {
			cs := dial(t, h, key, version, person(asked, true))
			for range 2 { // a word is good for one call
				r, err := cs.CallTool(t.Context(), erase())
				if got := text(t, r, err); got != "erased the moon" {
					t.Errorf("got %q", got)
				}
				if q := <-asked; !strings.Contains(q, "slow_erase") || !strings.Contains(q, "the moon") {
					t.Errorf("the person was asked %q", q)
				}
			}
		})
		t.Run(version+" asks, and a no does not", func(t *testing.T) {
			r, err := dial(t, h, key, version, person(asked, false)).CallTool(t.Context(), erase())
			if got := text(t, r, err); !r.IsError || !strings.Contains(got, "DECLINED") {
				t.Errorf("got %q", got)
			}
			<-asked
		})
		t.Run(version+" refuses a client that cannot be asked", func(t *testing.T) {
			r, err := dial(t, h, key, version, nil).CallTool(t.Context(), erase())
			if version == newest {
				if err == nil || !strings.Contains(err.Error(), "confirm") {
					t.Errorf("got %+v, %v", r, err)
				}
				return
			}
			if got := text(t, r, err); !r.IsError || !strings.Contains(got, "CONFIRMATION_REQUIRED") {
				t.Errorf("got %q", got)
			}
		})
		t.Run(version+" asks when it is called by its name", func(t *testing.T) {
			r, err := dial(t, h, key, version, person(asked, true)).CallTool(t.Context(), &sdk.CallToolParams{
				Name: "call_tool", Arguments: map[string]any{"name": "slow_erase", "arguments": map[string]any{"what": "Mars"}}})
			if got := text(t, r, err); got != "erased Mars" || len(asked) != 1 {
				t.Errorf("got %q after %d questions", got, len(asked))
			}
			<-asked
		})
		t.Run(version+" has no way round by another tool", func(t *testing.T) {
			r, err := dial(t, h, key, version, person(asked, true)).CallTool(t.Context(), &sdk.CallToolParams{
				Name: "slow_around", Arguments: map[string]any{"what": "Venus"}})
			if got := text(t, r, err); !r.IsError || !strings.Contains(got, "CONFIRMATION_REQUIRED") || len(asked) != 0 {
				t.Errorf("got %q after %d questions", got, len(asked))
			}
		})
	}
	t.Run("REST refuses, and says where to go", func(t *testing.T) {
		status, body, err := gantrytest.NewCaller(h.URL, key).Do("POST", "/mcp/execute",
			map[string]any{"tool": "slow_erase", "input": map[string]any{"what": "it"}})
		if err != nil || status != 403 || !strings.Contains(string(body), "CONFIRMATION_REQUIRED") || !strings.Contains(string(body), "over MCP") {
			t.Errorf("got %d: %s (%v)", status, body, err)
		}
	})
	t.Run("the operator says --yes", func(t *testing.T) {
		args := []string{"call", "slow_erase", "--tenant", "acme", "--input", `{"what":"it"}`}
		if _, err := h.CLI(args...); err == nil || !strings.Contains(err.Error(), "CONFIRMATION_REQUIRED") {
			t.Errorf("without: %v", err)
		}
		if out, err := h.CLI(append(args, "--yes")...); err != nil || out != "erased it" {
			t.Errorf("with: %q, %v", out, err)
		}
	})
	t.Run("another tenant is not asked", func(t *testing.T) {
		other := h.Token("--tenant", "umbrella", "--scopes", "read:tools,write:tools")
		r, err := dial(t, h, other, newest, nil).CallTool(t.Context(), erase())
		if got := text(t, r, err); got != "erased the moon" {
			t.Errorf("got %q", got)
		}
	})
}

// task is what is read of one here.
type task struct {
	ResultType, TaskID, Status string
	Result                     struct{ Content []struct{ Text string } }
	Error                      *struct {
		Code int
		Data struct{ Code string }
	}
}

func askTask(t *testing.T, c *gantrytest.Caller, method, name string, params map[string]any) task {
	t.Helper()
	r, err := c.Modern(method, name, params)
	if err != nil || r.Error != nil {
		t.Fatalf("%s %s: %+v, %v", method, name, r, err)
	}
	var out task
	if err := json.Unmarshal(r.Result, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func taskUntil(t *testing.T, c *gantrytest.Caller, id, status string) task {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		got := askTask(t, c, "tasks/get", id, map[string]any{"taskId": id})
		if got.Status == status {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("the task is %s, not %s", got.Status, status)
		}
	}
}

// TestTasksOutliveTheHost kills the host under one task, after another has ended.
func TestTasksOutliveTheHost(t *testing.T) {
	t.Parallel()
	h, key := startSlow(t)
	c := gantrytest.NewCaller(h.URL, key)
	c.Can = map[string]any{"extensions": map[string]any{"io.modelcontextprotocol/tasks": map[string]any{}}}
	count := func(n, delay int) string {
		t.Helper()
		got := askTask(t, c, "tools/call", "slow_count", map[string]any{"name": "slow_count", "arguments": map[string]any{"n": n, "delay_ms": delay}})
		if got.ResultType != "task" || got.TaskID == "" {
			t.Fatalf("got %+v, want a task", got)
		}
		return got.TaskID
	}
	done := count(3, 1)
	taskUntil(t, c, done, "completed")
	open := count(1000, 50)
	taskUntil(t, c, open, "working")
	h.Kill()
	h.Start()
	c.HTTP.CloseIdleConnections()
	t.Run("one that had ended still answers", func(t *testing.T) {
		if got := taskUntil(t, c, done, "completed").Result.Content; len(got) != 1 || got[0].Text != "1 2 3 " {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("one that was under way says that it was interrupted", func(t *testing.T) {
		if got := taskUntil(t, c, open, "failed").Error; got == nil || got.Data.Code != "INTERRUPTED" {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("neither is another user's to see", func(t *testing.T) {
		bob := gantrytest.NewCaller(h.URL, h.Token("--tenant", "acme", "--user", "bob", "--scopes", "read:tools,write:tools"))
		bob.Can = c.Can
		for _, method := range []string{"tasks/get", "tasks/update", "tasks/cancel"} {
			r, err := bob.Modern(method, done, map[string]any{"taskId": done, "inputResponses": map[string]any{}})
			if err != nil || r.Error == nil || r.Error.Code != -32602 {
				t.Errorf("%s: got %+v, %v", method, r, err)
			}
		}
	})
	t.Run("a new one can be ended", func(t *testing.T) {
		served(t, h, key, "slow_count")
		id := count(1000, 50)
		askTask(t, c, "tasks/cancel", id, map[string]any{"taskId": id})
		taskUntil(t, c, id, "cancelled")
	})
}
