// Copyright 2026 The Gantry Authors.

package mcp

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
)

// fakeTasks holds one task for each way that a task can stand. What it is told stays in told.
type fakeTasks struct {
	told []string
}

var taskTime = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func fakeTask(id string, change func(*invoke.Task)) invoke.Task {
	t := invoke.Task{Run: invoke.Run{CallID: id, Tool: "long", Status: invoke.StatusRunning, CreatedAt: taskTime},
		UpdatedAt: taskTime.Add(time.Second), TTL: time.Hour}
	if change != nil {
		change(&t)
	}
	return t
}

func (f *fakeTasks) StartTask(_ context.Context, r invoke.Request) (invoke.Task, *abi.InputRequired, error) {
	switch {
	case string(r.Input) == `{"bad":1}`:
		return invoke.Task{}, nil, host.Errorf("fake", abi.CodeInvalidArg, "/bad is not a known field")
	case strings.Contains(string(r.Input), "unasked") && len(r.Client.Can) == 0:
		return invoke.Task{}, nil, host.Errorf("fake", abi.CodeConfirmation, "a person has to confirm it").WithHint("use another client")
	case strings.Contains(string(r.Input), "asked") && r.State == "":
		return invoke.Task{}, &abi.InputRequired{State: "sealed", Requests: map[string]abi.InputRequest{
			"k": {Method: "elicitation/create", Params: json.RawMessage(`{"message":"?","requestedSchema":{"type":"object","properties":{}}}`)}}}, nil
	}
	return fakeTask("working", nil), nil, nil
}

func (f *fakeTasks) Task(_ context.Context, id string) (invoke.Task, error) {
	failed := func(code abi.Code) func(*invoke.Task) {
		return func(t *invoke.Task) {
			t.Status, t.Error = invoke.StatusError, &abi.Error{Code: code, Message: "it went wrong"}
		}
	}
	changes := map[string]func(*invoke.Task){
		"working": func(t *invoke.Task) { t.Message = "half" },
		"asking": func(t *invoke.Task) {
			t.Status, t.Questions = invoke.StatusInputRequired, map[string]abi.InputRequest{"1-k": {Method: "roots/list"}}
		},
		"done": func(t *invoke.Task) {
			t.Status, t.Result = invoke.StatusFinished, &abi.Result{Content: []abi.Content{abi.Text("yes")}}
		},
		"cancelled": func(t *invoke.Task) { t.Status, t.Error = invoke.StatusCancelled, &abi.Error{Code: abi.CodeCancelled} },
		"refused":   failed("TOOL_ERROR"),
		"crashed":   failed(abi.CodeTrap),
	}
	if _, ok := changes[id]; !ok {
		return invoke.Task{}, host.Errorf("fake", abi.CodeNotFound, "there is no task %q here", id)
	}
	return fakeTask(id, changes[id]), nil
}

func (f *fakeTasks) AnswerTask(ctx context.Context, id string, answers map[string]json.RawMessage) error {
	f.told = append(f.told, id+" "+string(marshal(answers)))
	_, err := f.Task(ctx, id)
	return err
}

func (f *fakeTasks) CancelTask(ctx context.Context, id string) error {
	f.told = append(f.told, "cancel "+id)
	_, err := f.Task(ctx, id)
	return err
}

func withTasks() (*fakePipeline, *fakeTasks) {
	f := newFake()
	f.add(abi.Tool{Name: "long", Task: abi.TaskOptional}, echoTool)
	f.add(abi.Tool{Name: "only", Task: abi.TaskRequired, AsksFirst: true}, askTool)
	f.add(abi.Tool{Name: "guarded", Annotations: abi.Annotations{Destructive: true}},
		func(_ context.Context, r invoke.Request, _ invoke.Sink) (*invoke.Answer, error) {
			return nil, host.Errorf("fake", abi.CodeConfirmation, "a person has to confirm it").WithHint("use another client")
		})
	return f, &fakeTasks{}
}

// TestTaskTalk holds the extension against its conversation, by both ways that calls go.
func TestTaskTalk(t *testing.T) {
	const file = "testdata/tasks/talk.txtar"
	for _, way := range []string{"by the SDK", "by the hot path"} {
		t.Run(way, func(t *testing.T) {
			talk, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			f, tasks := withTasks()
			_, url := up(t, f, func(c *Config) { c.Tasks, c.NoHotPath = tasks, way == "by the SDK" })
			if way == "by the SDK" {
				hold(t, talk, url, nil)
			} else {
				hold(t, talk, url, message)
			}
			if got, want := strings.Join(tasks.told, "; "), `asking {"1-k":{"roots":[]}}; nobody's null; cancel working; cancel nobody's`; got != want {
				t.Errorf("the pipeline was told %s, want %s", got, want)
			}
			if *update && way == "by the SDK" {
				if err := os.WriteFile(file, txtar.Format(talk), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func FuzzTaskRefusal(f *testing.F) {
	f.Add("tasks/get", "t", `{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"t"}}`)
	f.Add("tasks/update", "", `{"jsonrpc":"2.0","id":"x","method":"tasks/update","params":{"taskId":7}}`)
	f.Add("subscriptions/listen", "", `{"id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["t"]}}}`)
	f.Fuzz(func(t *testing.T, method, name, body string) {
		r := httptest.NewRequest("POST", "/mcp", nil)
		r.Header.Set(headerMethod, method)
		r.Header.Set(headerName, name)
		no := taskRefusal(r, []byte(body))
		var m struct {
			Method string
			Params taskParams
		}
		fits := json.Unmarshal([]byte(body), &m) == nil && m.Method == method && m.Params.TaskID == r.Header.Get(headerName)
		if fits && method == "tasks/get" && m.Params.TaskID != "" && no != nil {
			t.Errorf("%s was refused: %+v", body, no)
		}
		if no != nil && (no.status != http.StatusBadRequest || no.code == 0 || no.message == "") {
			t.Errorf("refused with %+v", no)
		}
	})
}

func TestWhoCanFillInForms(t *testing.T) {
	for declared, want := range map[string]bool{
		`{}`: false, `{"elicitation":{}}`: true, `{"elicitation":{"form":{}}}`: true,
		`{"elicitation":{"url":{}}}`: false, `{"elicitation":{"form":{},"url":{}}}`: true,
	} {
		t.Run(declared, func(t *testing.T) {
			e, ok := readClient(&plainCall{version: []byte(firstModern), capabilities: []byte(declared)})
			if got := slices.Contains(e.client.Can, abi.ClientElicitation); !ok || got != want {
				t.Errorf("got %v (%v), want %v", got, ok, want)
			}
		})
	}
}
