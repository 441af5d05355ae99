// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"log/slog"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// say passes a line on to the call's border, or to the host's log where there is no call.
func (in *instance) say(level abi.LogLevel, line []byte) {
	in.lines++
	if level, line = runner.Line(in.lines, level, line); line == nil {
		return
	}
	if in.task.border == nil {
		in.guest.engine.log.Log(context.Background(), slog.Level(level), string(line), "plugin", in.guest.name)
		return
	}
	line = in.copied(line)
	in.shielded(func(ctx context.Context, b host.Border) { b.Log(ctx, level, line) })
}

// stream is a guest's standard output or error: its lines go to the plugin's log.
type stream struct {
	in    *instance
	level abi.LogLevel
	lines runner.Splitter
	// crash is the first line of the call in which a language's runtime announces its end.
	crash string
}

// Write never fails; it is called on the guest's own goroutine. One call of the guest may lead to any
// number of writes, so each looks for an interruption.
func (s *stream) Write(p []byte) (int, error) {
	s.in.look()
	for line := range s.lines.Lines(p) {
		s.pass(line)
	}
	return len(p), nil
}

// flush ends the line that is being written, if there is one.
func (s *stream) flush() {
	if line := s.lines.Rest(); len(line) > 0 {
		s.pass(line)
	}
}

func (s *stream) pass(line []byte) {
	if s.crash == "" {
		s.crash = runner.CrashOf(line)
	}
	s.in.say(s.level, line)
}
