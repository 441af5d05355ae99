// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"bytes"
	"context"
	"log/slog"

	"github.com/gantryhost/gantry/abi"
)

// What a plugin may log: longer lines are cut, further lines of the same run dropped.
const (
	maxLineBytes = 8 << 10
	maxLines     = 1_000
)

// say passes a line on to the call's border, or to the host's log where there is no call.
func (in *instance) say(level abi.LogLevel, line []byte) {
	r := in.run
	if r == nil {
		return
	}
	r.lines++
	switch {
	case r.lines > maxLines:
		return
	case r.lines == maxLines:
		level, line = abi.LogWarn, []byte("further lines of this call are dropped")
	case len(line) > maxLineBytes:
		line = append(bytes.Clone(line[:maxLineBytes]), "… (cut)"...)
	}
	line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
	if r.border == nil {
		in.guest.engine.log.Log(context.Background(), slog.Level(level), string(line), "plugin", in.guest.name)
		return
	}
	in.outside(func() { r.border.Log(r.ctx, level, line) })
}

// stream is a plugin's standard output or error: its lines go to the plugin's log.
type stream struct {
	in    *instance
	level abi.LogLevel
	rest  []byte
	// crash is the first line of the run in which a language's runtime announces its end.
	crash string
}

// Write never fails; it is called on the plugin's own goroutine.
func (s *stream) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		line, after, whole := bytes.Cut(p, []byte("\n"))
		s.rest = append(s.rest, line[:min(len(line), max(0, maxLineBytes+1-len(s.rest)))]...)
		if whole {
			s.flush()
		}
		p = after
	}
	return n, nil
}

// flush ends the line that is being written, if there is one.
func (s *stream) flush() {
	if len(s.rest) == 0 {
		return
	}
	line := s.rest
	s.rest = nil
	for _, word := range []string{"panic: ", "fatal error: ", "thread '", "Assertion failed", "abort"} {
		if s.crash == "" && bytes.HasPrefix(line, []byte(word)) {
			s.crash = clip(string(bytes.ToValidUTF8(line, []byte("\uFFFD"))))
		}
	}
	s.in.say(s.level, line)
}
