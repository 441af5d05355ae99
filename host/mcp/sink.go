// Copyright 2026 The Gantry Authors.

//lint:file-ignore SA1019 deprecated or not, clients of both eras still use sampling, roots and logging

package mcp

import (
	"context"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/invoke"
)

// partialStep is how much a piece of text adds to the progress value. The protocol wants the value
// to grow with each notification, and a piece of text is no progress that a tool has measured.
const partialStep = 1e-6

// sink passes on to the client what a call says while it runs: progress where the client gave a
// token for it, and log lines where it asked for their level. Both are notes on the side, so one
// that cannot be sent is dropped; a client that has gone ends the call by its context.
type sink struct {
	ctx     context.Context
	session *sdk.ServerSession
	token   any
	tool    string
	last    float64
	any     bool
}

var _ invoke.Sink = (*sink)(nil)

// Partial sends a piece of text as the message of a progress notification.
func (s *sink) Partial(text string) {
	if s.token != nil {
		s.send(abi.Progress{Done: s.last + partialStep, Message: text})
	}
}

// Progress sends a progress notification, unless it would go backwards.
func (s *sink) Progress(p abi.Progress) {
	if s.token != nil && (!s.any || p.Done > s.last) {
		s.send(p)
	}
}

func (s *sink) send(p abi.Progress) {
	s.last, s.any = p.Done, true
	_ = s.session.NotifyProgress(s.ctx, &sdk.ProgressNotificationParams{
		ProgressToken: s.token, Progress: p.Done, Total: p.Total, Message: p.Message,
	})
}

// Log sends a log line; the SDK knows whether the client wants its level.
func (s *sink) Log(level abi.LogLevel, line string) {
	_ = s.session.Log(s.ctx, &sdk.LoggingMessageParams{
		Level: levelName(level), Logger: s.tool, Data: line,
	})
}

func levelName(l abi.LogLevel) sdk.LoggingLevel {
	switch {
	case l < abi.LogInfo:
		return "debug"
	case l < abi.LogWarn:
		return "info"
	case l < abi.LogError:
		return "warning"
	}
	return "error"
}
