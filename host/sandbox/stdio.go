// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// What a guest may log: longer lines are cut, further lines of the same call dropped.
const (
	maxLineBytes = 8 << 10
	maxLines     = 1_000
)

// say passes a line on to the call's border, or to the host's log where there is no call.
func (in *instance) say(level abi.LogLevel, line []byte) {
	in.lines++
	switch {
	case in.lines > maxLines:
		return
	case in.lines == maxLines:
		level, line = abi.LogWarn, []byte("further lines of this call are dropped")
	case len(line) > maxLineBytes:
		line = append(bytes.Clone(line[:maxLineBytes]), "… (cut)"...)
	}
	line = bytes.ToValidUTF8(line, []byte("\uFFFD"))
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
	rest  []byte
	// crash is the first line of the call in which a language's runtime announces its end.
	crash string
}

// Write never fails; it is called on the guest's own goroutine. One call of the guest may lead to any
// number of writes, so each looks for an interruption.
func (s *stream) Write(p []byte) (int, error) {
	s.in.look()
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
	s.rest = s.rest[:0]
	if s.crash == "" && announcesCrash(line) {
		s.crash = strings.ToValidUTF8(string(line[:min(len(line), 500)]), "\uFFFD")
	}
	s.in.say(s.level, line)
}

// announcesCrash knows how the runtimes of Go, Rust and C say that they end.
func announcesCrash(line []byte) bool {
	for _, word := range []string{"panic: ", "fatal error: ", "thread '", "Assertion failed", "abort"} {
		if bytes.HasPrefix(line, []byte(word)) {
			return true
		}
	}
	return false
}
