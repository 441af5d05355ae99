// Copyright 2026 The Gantry Authors.

package mcp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

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
		Params struct {
			TaskID        string `json:"taskId"`
			Notifications struct{ TaskIDs []string }
			Meta          sdk.Meta `json:"_meta"`
		}
	}
	if json.Unmarshal(body, &m) != nil || m.Method != method {
		return nil // the SDK refuses it
	}
	no := &refusal{status: http.StatusBadRequest, id: m.ID}
	switch name := r.Header.Get(headerName); {
	case method == "subscriptions/listen":
		if len(m.Params.Notifications.TaskIDs) == 0 || declaresTasks(m.Params.Meta) {
			return nil
		}
		e := tasksNeeded()
		no.code, no.message, no.data = e.Code, e.Message, e.Data
	case method != "tasks/get" && method != "tasks/update" && method != "tasks/cancel", name == m.Params.TaskID && name != "":
		return nil
	case name == "":
		no.code, no.message = sdk.CodeHeaderMismatch, fmt.Sprintf("the header %s is missing; %s needs it, with the taskId", headerName, method)
	default:
		no.code, no.message = sdk.CodeHeaderMismatch, fmt.Sprintf("the header %s says %q, params.taskId %q", headerName, clip(name), clip(m.Params.TaskID))
	}
	return no
}
