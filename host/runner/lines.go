// Copyright 2026 The Gantry Authors.

package runner

import (
	"bytes"
	"iter"
	"strings"

	"github.com/gantryhost/gantry/abi"
)

// What a plugin may log: longer lines are cut, further lines of the same call dropped.
const (
	MaxLineBytes = 8 << 10
	MaxLines     = 1_000
)

// Line is how the nth line of a call, from 1 on, is logged: as a copy that is UTF-8 and not too long.
// It is nil where the line is dropped; the last line that is not tells of it.
func Line(n int, level abi.LogLevel, line []byte) (abi.LogLevel, []byte) {
	switch {
	case n > MaxLines:
		return level, nil
	case n == MaxLines:
		return abi.LogWarn, []byte("further lines of this call are dropped")
	case len(line) > MaxLineBytes:
		line = append(bytes.Clone(line[:MaxLineBytes]), "… (cut)"...)
	}
	return level, bytes.ToValidUTF8(line, []byte("\uFFFD"))
}

// Splitter makes lines of what a plugin writes to its standard output or error, and keeps no more of
// one than Line needs. The zero value is ready; it is used by one goroutine at a time.
type Splitter struct{ rest []byte }

// Lines takes what was written and yields the lines that it ends, without empty ones. A line is valid
// until the next is asked for.
func (s *Splitter) Lines(p []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(p) > 0 {
			line, after, whole := bytes.Cut(p, []byte("\n"))
			s.rest = append(s.rest, line[:min(len(line), max(0, MaxLineBytes+1-len(s.rest)))]...)
			p = after
			if whole && len(s.rest) > 0 && !yield(s.Rest()) {
				return
			}
		}
	}
}

// Rest takes the line that was not ended, which is empty where there is none. It is valid until
// something is written.
func (s *Splitter) Rest() []byte {
	line := s.rest
	s.rest = s.rest[:0]
	return line
}

// CrashOf is what the line says where it is how a runtime of Go, Rust or C says that it ends, at most
// 500 bytes of it, and "" where it is any other.
func CrashOf(line []byte) string {
	for _, word := range []string{"panic: ", "fatal error: ", "thread '", "Assertion failed", "abort"} {
		if bytes.HasPrefix(line, []byte(word)) {
			return strings.ToValidUTF8(string(line[:min(len(line), 500)]), "\uFFFD")
		}
	}
	return ""
}
