// Copyright 2026 The Gantry Authors.

// Package runapi is the REST surface of runs: list the tools, start one, stream what it says,
// cancel it.
//
//	GET  /mcp/manifest            the tools the caller may use
//	POST /mcp/execute             start a tool: {"call_id", "status": "started"}
//	GET  /mcp/stream/{call_id}    its events, from the start or after Last-Event-ID
//	POST /mcp/cancel/{call_id}    end it
//	POST /mcp/cancel_all          end all of the caller's
//	GET  /mcp/calls/{call_id}     where it stands
//
// It words requests and answers. What a run is, who may see it and how often a request id counts
// is decided by the pipeline in host/invoke.
//
// # Stream
//
// Every event but a closed one has its number as id, so that Last-Event-ID (or ?last_event_id=)
// takes up where a stream broke, also after the run has ended. Each data line is one JSON object.
//
//	partial    {"type":"partial","text"}                       a piece of the text
//	progress   {"type":"progress","done","total","message"}    how far it is
//	final      {"type":"final","text", …}                      the complete text; the stream ends
//	error      {"type":"error","code","status","message", …}   the run failed; the stream ends
//	cancelled  {"type":"cancelled","code","message"}           somebody cancelled it; the stream ends
//	closed     {"type":"closed","reason","last_event_id", …}   the stream ends and the run goes on:
//	           open another. Reason is stream_limit (five minutes) or host_stopping.
package runapi
