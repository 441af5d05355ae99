// Copyright 2026 The Gantry Authors.

//go:build !wasip1

package pdk

import (
	"context"
	"fmt"
	"regexp"
	"runtime/debug"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk/internal/wire"
)

// border is the way out of a call; its twin in border_wasip1.go speaks to the real host.
type border struct {
	h wire.Host
}

func (b border) context() context.Context { return b.h.Context() }

func (b border) emit(kind abi.EventKind, data []byte) { b.h.Emit(kind, data) }

func (b border) log(level abi.LogLevel, line string) { b.h.Log(level, []byte(line)) }

func (b border) op(name string, req []byte) ([]byte, error) { return b.h.Op(name, req) }

// oneAtATime is false: a test may call a plugin from many goroutines.
const oneAtATime = false

func newContext(b border, s *Served) *Context { return &Context{border: b, served: s} }

// outputBuffer is where an answer is written: the caller keeps it.
func outputBuffer() []byte { return nil }

// matches checks a pattern tag. It costs a Wasm build a regexp engine, so there the host's own check
// of the schema is the only one.
func matches(pattern, s string) bool {
	re, err := regexp.Compile(pattern)
	return err == nil && re.MatchString(s)
}

// checkPattern reports a pattern tag that does not parse, so that an author's test finds it.
func checkPattern(pattern string) error {
	_, err := regexp.Compile(pattern)
	return err
}

// Run lets pdktest call the plugin. It is there in native builds only. A panic ends the call as it
// would in a host: with abi.CodeTrap, and its stack in the log.
func (s *Served) Run(h wire.Host, e wire.Entry, index int, input []byte) (kind abi.OutputKind, out []byte) {
	defer func() {
		if r := recover(); r != nil {
			h.Log(abi.LogError, fmt.Appendf(nil, "panic: %v\n\n%s", r, debug.Stack()))
			kind = abi.OutputError
			out = encodeError(&abi.Error{Code: abi.CodeTrap, Message: fmt.Sprintf("the plugin panicked: %v", r)})
		}
	}()
	return s.run(border{h}, entry(e), index, input)
}

var _ wire.Guest = (*Served)(nil)
