// Copyright 2026 The Gantry Authors.

package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	headerMethod = "Mcp-Method"
	headerName   = "Mcp-Name"
)

// taskRefusal is what the extension wants to be refused before a request is read further, and the SDK
// does not know: a task's method whose header names another task (SEP-2243), and a wish to be told
// of tasks by a client that does not know them. It is nil for everything else.
func taskRefusal(r *http.Request, body []byte) *refusal {
	method := r.Header.Get(headerMethod)
	if !strings.HasPrefix(method, "tasks/") && method != "subscriptions/listen" {
		return nil
	}
	var m struct {
		ID     json.RawMessage
		Method string
		Params json.RawMessage
	}
	if json.Unmarshal(body, &m) != nil || m.Method != method {
		return nil // the SDK refuses it
	}
	var e *jsonrpc.Error
	switch method {
	case "tasks/get", "tasks/update", "tasks/cancel":
		e = checkTask(method, r.Header.Get(headerName), m.Params)
	case "subscriptions/listen":
		e = checkListen(m.Params)
	}
	if e == nil {
		return nil
	}
	return &refusal{status: http.StatusBadRequest, code: e.Code, message: e.Message, data: e.Data, id: m.ID}
}

func checkTask(method, name string, params json.RawMessage) *jsonrpc.Error {
	var p taskParams
	switch err := json.Unmarshal(params, &p); {
	case len(params) > 0 && err != nil:
		return &jsonrpc.Error{Code: jsonrpc.CodeInvalidParams, Message: "params.taskId has to be a string, params.inputResponses an object"}
	case name == "":
		return &jsonrpc.Error{Code: sdk.CodeHeaderMismatch, Message: fmt.Sprintf("the header %s is missing; %s needs it, with the taskId", headerName, method)}
	case name != p.TaskID:
		return &jsonrpc.Error{Code: sdk.CodeHeaderMismatch, Message: fmt.Sprintf("the header %s says %q, params.taskId %q", headerName, clip(name), clip(p.TaskID))}
	}
	return nil
}

func checkListen(params json.RawMessage) *jsonrpc.Error {
	var p struct {
		Notifications struct{ TaskIDs []json.RawMessage }
		Meta          sdk.Meta `json:"_meta"`
	}
	if json.Unmarshal(params, &p) != nil || len(p.Notifications.TaskIDs) == 0 || declaresTasks(p.Meta) {
		return nil
	}
	return tasksNeeded()
}
