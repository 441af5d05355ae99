// Copyright 2026 The Gantry Authors.

package pdk

import (
	"fmt"
	"runtime/debug"

	"github.com/gantryhost/gantry/abi"
)

// entry is which export a call came by; the numbers are those of wire.Entry.
type entry int

const (
	entryTool entry = iota
	entryPrompt
	entryRead
	entryComplete
)

// run does one call. A panic of the plugin's code becomes an error with abi.CodeTrap, on which a host
// throws the instance away, and its stack goes to the plugin's log.
func (s *Served) run(b border, e entry, index int, input []byte) (kind abi.OutputKind, out []byte) {
	ctx := &Context{border: b, served: s}
	defer func() {
		if r := recover(); r != nil {
			ctx.logLine(abi.LogError, fmt.Sprintf("panic: %v\n\n%s", r, debug.Stack()))
			kind = abi.OutputError
			out = encodeError(&abi.Error{Code: abi.CodeTrap, Message: fmt.Sprintf("the plugin panicked: %v", r)})
		}
	}()
	h, err := s.handler(e, index)
	if err == nil {
		kind, out, err = h(ctx, input)
	}
	ctx.flush()
	if err != nil {
		return failure(err)
	}
	return kind, out
}

func (s *Served) handler(e entry, index int) (handler, error) {
	if s.err != nil {
		return nil, &abi.Error{Code: abi.CodeContract, Message: s.err.Error()}
	}
	var list []handler
	switch e {
	case entryTool:
		list = s.tools
	case entryPrompt:
		list = s.prompts
	case entryRead:
		// Templates are numbered after the resources; see abi.ExportRead.
		if list = s.resources; index >= len(list) {
			index -= len(list)
			list = s.templates
		}
	case entryComplete:
		if s.complete != nil {
			return s.complete, nil
		}
	}
	if index < 0 || index >= len(list) {
		return nil, Errorf(abi.CodeContract, "the host asked for number %d of entry %d, which this plugin does not have", index, e)
	}
	return list[index], nil
}
