// Copyright 2026 The Gantry Authors.

package abi

// EventKind is the first argument of ImportEmit.
type EventKind int32

// The event kinds.
const (
	// EventPartial is a piece of the answer's text, in UTF-8. Callers that stream show it at once;
	// the pieces in order are a prefix of, or the whole of, the text that the result will hold.
	EventPartial EventKind = 0
	// EventProgress is a Progress in JSON.
	EventProgress EventKind = 1
)

// Progress says how far a call is.
type Progress struct {
	// Done grows with each event of a call.
	Done float64 `json:"done"`
	// Total is what Done will be at the end; 0 where it is not known.
	Total float64 `json:"total,omitempty"`
	// Message is a short text for people.
	Message string `json:"message,omitempty"`
}

// LogLevel is the first argument of ImportLog. The numbers are those of log/slog.
type LogLevel int32

// The log levels.
const (
	LogDebug LogLevel = -4
	LogInfo  LogLevel = 0
	LogWarn  LogLevel = 4
	LogError LogLevel = 8
)
