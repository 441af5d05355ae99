// Copyright 2026 The Gantry Authors.

package runapi

import (
	"encoding/json"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web"
)

// The schemas of this surface, for its OpenAPI document. A test holds them against real answers.
const (
	executeSchema = `{"type":"object","required":["tool"],"additionalProperties":false,"properties":{` +
		`"tool":{"type":"string","minLength":1,"maxLength":128,"description":"a name from the manifest"},` +
		`"input":{"type":"object","description":"the tool's arguments, as its input_schema says"},` +
		`"request_id":{"type":"string","maxLength":128,"description":"makes the request safe to repeat: the same id is the same call"},` +
		`"session_id":{"type":"string","maxLength":128,"description":"joins the calls of one conversation"},` +
		`"metadata":{"type":"object","description":"kept with the call, at most 16 KiB"}}}`

	statusWords = `"enum":["started","pending","running","finished","error","cancelled"]`

	startedSchema = `{"type":"object","required":["call_id","status"],"properties":{` +
		`"call_id":{"type":"string","format":"uuid"},"status":{"type":"string",` + statusWords + `}}}`

	cancelAllSchema = `{"type":"object","required":["cancelled"],"properties":{` +
		`"cancelled":{"type":"integer","minimum":0,"description":"how many calls were ended"}}}`

	manifestSchema = `{"type":"object","required":["tools"],"properties":{` +
		`"name":{"type":"string"},"version":{"type":"string"},` +
		`"tools":{"type":"array","items":{"type":"object","required":["name","description","input_schema","annotations"],"properties":{` +
		`"name":{"type":"string"},"title":{"type":"string"},"description":{"type":"string"},` +
		`"input_schema":{"type":"object"},"output_schema":{"type":"object"},` +
		`"annotations":{"type":"object","properties":{"read_only":{"type":"boolean"},"destructive":{"type":"boolean"},` +
		`"idempotent":{"type":"boolean"},"open_world":{"type":"boolean"}}}}}}}}`

	callSchema = `{"type":"object","required":["call_id","tool","status","created_at"],"properties":{` +
		`"call_id":{"type":"string"},"tool":{"type":"string"},"status":{"type":"string",` + statusWords + `},` +
		`"request_id":{"type":"string"},"session_id":{"type":"string"},"metadata":{"type":"object"},` +
		`"created_at":{"type":"string","format":"date-time"},"ended_at":{"type":"string","format":"date-time"},` +
		`"result":{"type":"object","properties":{"content":{"type":"array","items":{"type":"object"}},"structured":{},"is_error":{"type":"boolean"}}},` +
		`"error":{"type":"object","required":["code","message","retryable"],"properties":{"code":{"type":"string"},` +
		`"status":{"type":"integer"},"message":{"type":"string"},"retryable":{"type":"boolean"},"hint":{"type":"string"},"details":{}}}}}`

	streamExample = "id: 1\nevent: partial\ndata: {\"type\":\"partial\",\"text\":\"token\"}\n\n" +
		"id: 2\nevent: final\ndata: {\"type\":\"final\",\"text\":\"complete response\"}\n\n"
)

const streamText = "Every data line is one JSON object with a type: partial (a piece of the text), progress, and at the " +
	"end final (the complete text), error or cancelled. A stream stays open for five minutes and then ends with an event " +
	"closed, while the call goes on; open another with the id of the last event. A comment comes every 15 seconds."

func (a *api) routes() []web.Route {
	callID := web.Param{Name: "call_id", In: "path", Required: true, Description: "what execute answered"}
	return []web.Route{
		{
			Method: "GET", Path: "/mcp/manifest", Scope: host.ScopeReadTools, Handler: a.manifest,
			Doc: web.Doc{
				ID: "manifest", Summary: "List the tools the caller may use",
				Answers: []web.AnswerDoc{{Status: 200, Description: "The tools, in order of their names", Schema: json.RawMessage(manifestSchema)}},
			},
		},
		{
			Method: "POST", Path: "/mcp/execute", Scope: host.ScopeReadTools, Handler: a.execute,
			Doc: web.Doc{
				ID: "execute", Summary: "Start a tool",
				Description: "The input is checked before the answer. With a request_id the request may be sent again after any failure.",
				Request:     json.RawMessage(executeSchema),
				Answers: []web.AnswerDoc{{
					Status: 200, Description: "The call has started", Schema: json.RawMessage(startedSchema),
					Example: `{"call_id":"6f1c2c1e-3f0e-4c57-9d6e-0b8f6a3f2d11","status":"started"}`,
				}},
				Errors: []int{404, 409, 413, 415, 422, 429, 503},
			},
		},
		{
			Method: "GET", Path: "/mcp/stream/{call_id}", Scope: host.ScopeReadTools, Handler: a.stream,
			Doc: web.Doc{
				ID: "stream", Summary: "Read what a call says, as server-sent events", Description: streamText,
				Params: []web.Param{
					callID,
					{Name: "Last-Event-ID", In: "header", Description: "begin after the event of this id"},
					{Name: "last_event_id", In: "query", Description: "the same, for clients that cannot send the header"},
				},
				Answers: []web.AnswerDoc{
					{Status: 200, Description: "The events", Type: "text/event-stream", Schema: json.RawMessage(`{"type":"string"}`), Example: streamExample},
					{Status: 204, Description: "The call has ended and nothing came after that event"},
				},
				Errors: []int{404, 422, 503},
			},
		},
		{
			Method: "GET", Path: "/mcp/calls/{call_id}", Scope: host.ScopeReadTools, Handler: a.call,
			Doc: web.Doc{
				ID: "call", Summary: "Where a call stands", Params: []web.Param{callID},
				Answers: []web.AnswerDoc{{Status: 200, Description: "The call, with its result or error once it has ended", Schema: json.RawMessage(callSchema)}},
				Errors:  []int{404},
			},
		},
		{
			Method: "POST", Path: "/mcp/cancel/{call_id}", Scope: host.ScopeReadTools, Handler: a.cancel,
			Doc: web.Doc{
				ID: "cancel", Summary: "End a call", Params: []web.Param{callID},
				Description: "Cancelling twice, or a call that has ended, changes nothing and answers where it stands.",
				Answers:     []web.AnswerDoc{{Status: 200, Description: "Where the call stands now", Schema: json.RawMessage(startedSchema)}},
				Errors:      []int{404},
			},
		},
		{
			Method: "POST", Path: "/mcp/cancel_all", Scope: host.ScopeReadTools, Handler: a.cancelAll,
			Doc: web.Doc{
				ID: "cancelAll", Summary: "End all calls of the caller",
				Answers: []web.AnswerDoc{{Status: 200, Description: "How many were ended", Schema: json.RawMessage(cancelAllSchema)}},
			},
		},
	}
}
