// Copyright 2026 The Gantry Authors.

package invoke

import (
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Request asks for one call of a tool. The principal comes from the context.
type Request struct {
	Tool string
	// Input is the arguments, a JSON object; empty means {}.
	Input json.RawMessage
	// RequestID makes a run idempotent per tenant and user, or credential where there is no user;
	// see Start.
	RequestID string
	SessionID string
	Metadata  json.RawMessage
	// Client, Answers and State come from MCP.
	Client  abi.Client
	Answers map[string]json.RawMessage
	State   string
	// Surface names where the call came in, for the journal: "mcp", "rest", "cli", "tool".
	Surface string
}

// Sink hears what a call says while it runs. Its methods are called from the call's goroutine, in
// order, and must not block for long. A nil Sink hears nothing.
type Sink interface {
	Partial(text string)
	Progress(p abi.Progress)
	Log(level abi.LogLevel, line string)
}

// Answer is how a call ended without an error. Exactly one of Result and InputRequired is set.
type Answer struct {
	CallID        string
	Result        *abi.Result
	InputRequired *abi.InputRequired
	Usage         host.Usage
}

// Status is where a run stands (seed 004).
type Status string

// The statuses.
const (
	StatusStarted Status = "started"
	StatusPending Status = "pending"
	StatusRunning Status = "running"
	// StatusInputRequired is a task's that waits for the answers of its client.
	StatusInputRequired Status = "input_required"
	StatusFinished      Status = "finished"
	StatusError         Status = "error"
	StatusCancelled     Status = "cancelled"
)

// Ended tells whether a run of this status will not change any more.
func (s Status) Ended() bool {
	return s == StatusFinished || s == StatusError || s == StatusCancelled
}

// Run is one execution that was started, as its owner may see it.
type Run struct {
	CallID    string          `json:"call_id"`
	Tool      string          `json:"tool"`
	Status    Status          `json:"status"`
	RequestID string          `json:"request_id,omitempty"`
	SessionID string          `json:"session_id,omitempty"`
	Metadata  json.RawMessage `json:"metadata,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	EndedAt   time.Time       `json:"ended_at,omitzero"`
	Result    *abi.Result     `json:"result,omitempty"`
	Error     *abi.Error      `json:"error,omitempty"`
}

// Event is one thing a run said. Seq counts from 1 within the run; the last event of a run is its
// Final or its Error.
type Event struct {
	Seq  uint64    `json:"seq"`
	Type EventType `json:"type"`
	// Text is the piece of a partial, or the whole text of a final.
	Text     string        `json:"text,omitempty"`
	Progress *abi.Progress `json:"progress,omitempty"`
	Result   *abi.Result   `json:"result,omitempty"`
	Error    *abi.Error    `json:"error,omitempty"`
	Status   Status        `json:"status,omitempty"`
}

// EventType is the kind of an Event.
type EventType string

// The event types.
const (
	EventPartial  EventType = "partial"
	EventProgress EventType = "progress"
	EventFinal    EventType = "final"
	EventError    EventType = "error"
)
