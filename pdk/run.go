// Copyright 2026 The Gantry Authors.

package pdk

import "github.com/gantryhost/gantry/abi"

// entry is which export a call came by; the numbers are those of wire.Entry.
type entry int

const (
	entryTool entry = iota
	entryPrompt
	entryRead
	entryComplete
)

// run does one call. It lets a panic of the plugin's code through, which ends a Wasm instance: Go
// writes the message and the stack to standard error, and the host makes abi.CodeTrap of it, logs it
// and throws the instance away, as it does for the crashes that no recover sees.
func (s *Served) run(b border, e entry, index int, input []byte) (abi.OutputKind, []byte) {
	ctx := newContext(b, s)
	h, err := s.handler(e, index)
	if err != nil {
		return failure(err)
	}
	kind, out, err := h(ctx, input)
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
