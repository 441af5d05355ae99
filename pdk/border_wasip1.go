// Copyright 2026 The Gantry Authors.

package pdk

import (
	"context"
	"encoding/json"
	"unsafe"

	"github.com/gantryhost/gantry/abi"
)

//go:wasmimport gantry input
func hostInput(ptr unsafe.Pointer, size uint32) uint32

//go:wasmimport gantry output
func hostOutput(ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry emit
func hostEmit(kind int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry log
func hostLog(level int32, ptr unsafe.Pointer, size uint32)

//go:wasmimport gantry op
func hostOp(name unsafe.Pointer, nameSize uint32, req unsafe.Pointer, reqSize uint32) uint64

//go:wasmimport gantry op_read
func hostOpRead(ptr unsafe.Pointer, size uint32) uint32

//go:wasmexport gantry_describe
func exportDescribe() int32 {
	kind, out := registered().Describe()
	setOutput(out)
	return int32(kind)
}

//go:wasmexport gantry_call
func exportCall(tool int32) int32 { return export(entryTool, tool) }

//go:wasmexport gantry_prompt
func exportPrompt(prompt int32) int32 { return export(entryPrompt, prompt) }

//go:wasmexport gantry_read
func exportRead(resource int32) int32 { return export(entryRead, resource) }

//go:wasmexport gantry_complete
func exportComplete() int32 { return export(entryComplete, 0) }

func export(e entry, index int32) int32 {
	kind, out := registered().run(border{}, e, int(index), readInput())
	setOutput(out)
	return int32(kind)
}

// callBuffer holds a call's input and, behind it, its answer, if there is room: an instance serves
// one call at a time, and each page of memory that a call does not write need not be put back.
var callBuffer = make([]byte, 8<<10)

// answerAt is where in callBuffer an answer begins.
var answerAt int

// keptInput is the largest buffer worth keeping for the next call.
const keptInput = 1 << 20

func readInput() []byte {
	size := hostInput(unsafe.Pointer(unsafe.SliceData(callBuffer)), uint32(len(callBuffer)))
	if int(size) > len(callBuffer) {
		larger := make([]byte, size)
		hostInput(unsafe.Pointer(unsafe.SliceData(larger)), size)
		answerAt = 0
		if size > keptInput {
			return larger // nothing of the call is in callBuffer
		}
		callBuffer = larger
	}
	answerAt = int(size)
	return callBuffer[:size:size]
}

// oneAtATime says that calls of this program follow each other, so that what one has worked with
// serves the next.
const oneAtATime = true

// callContext is the running call's. Its address is what a plugin's code holds during the call.
var callContext Context

func newContext(b border, s *Served) *Context {
	callContext = Context{border: b, served: s}
	return &callContext
}

// outputBuffer is where an answer is written that is not too long for it; the host has copied it when
// setOutput returns.
func outputBuffer() []byte { return callBuffer[answerAt:answerAt] }

func setOutput(data []byte) {
	hostOutput(unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)))
}

// border is the way out of a call; its twin in border_native.go speaks to pdktest.
type border struct{}

// context never ends here: the host ends the call itself.
func (border) context() context.Context { return context.Background() }

func (border) emit(kind abi.EventKind, data []byte) {
	hostEmit(int32(kind), unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)))
}

func (border) log(level abi.LogLevel, line string) {
	hostLog(int32(level), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

func (border) op(name string, req []byte) ([]byte, error) {
	answer := hostOp(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)),
		unsafe.Pointer(unsafe.SliceData(req)), uint32(len(req)))
	data := make([]byte, uint32(answer))
	if len(data) > 0 {
		hostOpRead(unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)))
	}
	if answer>>32 == 0 {
		return data, nil
	}
	e := &abi.Error{}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, &abi.Error{Code: abi.CodeInternal, Message: "the host answered " + name + " with an error that does not parse"}
	}
	return nil, e
}

func matches(pattern, s string) bool { return true }

func checkPattern(pattern string) error { return nil }
