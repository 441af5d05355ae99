// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"runtime/debug"
	"strconv"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

const maxOpName = 128

// offerGantry instantiates the import module of the contract; see package abi for what each does.
func offerGantry(ctx context.Context, r wazero.Runtime) error {
	const i32, i64 = api.ValueTypeI32, api.ValueTypeI64
	b := r.NewHostModuleBuilder(abi.Module)
	for _, f := range []struct {
		name    string
		call    hostFunc
		params  int
		results []api.ValueType
	}{
		{abi.ImportInput, hostInput, 2, []api.ValueType{i32}},
		{abi.ImportOutput, hostOutput, 2, nil},
		{abi.ImportEmit, hostEmit, 3, nil},
		{abi.ImportLog, hostLog, 3, nil},
		{abi.ImportOp, hostOp, 4, []api.ValueType{i64}},
		{abi.ImportOpRead, hostOpRead, 2, []api.ValueType{i32}},
	} {
		params := []api.ValueType{i32, i32, i32, i32}[:f.params]
		b = b.NewFunctionBuilder().WithGoModuleFunction(f.call, params, f.results).Export(f.name)
	}
	_, err := b.Instantiate(ctx)
	return err
}

func hostInput(in *instance, mem api.Memory, stack []uint64) {
	dst := in.region(mem, abi.ImportInput, "ptr", stack)
	copy(dst, in.task.input)
	stack[0] = uint64(len(in.task.input))
}

func hostOpRead(in *instance, mem api.Memory, stack []uint64) {
	dst := in.region(mem, abi.ImportOpRead, "ptr", stack)
	copy(dst, in.response)
	stack[0] = uint64(len(in.response))
}

func hostOutput(in *instance, mem api.Memory, stack []uint64) {
	src := in.region(mem, abi.ImportOutput, "ptr", stack)
	if limits := &in.task.limits; !limits.TakesOutput(len(src)) {
		in.end(in.guest.overLimit("output", runner.Size(limits.OutputBytes), "the plugin answered "+runner.Size(int64(len(src)))))
	}
	in.output = append(in.output[:0], src...)
}

func hostEmit(in *instance, mem api.Memory, stack []uint64) {
	kind := abi.EventKind(uint32(stack[0]))
	data := in.region(mem, abi.ImportEmit, "ptr", stack[1:])
	limits := &in.task.limits
	in.events++
	switch {
	case in.task.border == nil:
		return
	case kind != abi.EventPartial && kind != abi.EventProgress:
		in.end(host.Errorf(opCall, abi.CodeContract, "the plugin emitted an event of kind %d; the contract knows 0 and 1", kind))
	case in.events > limits.Events:
		in.end(in.guest.overLimit("events", strconv.Itoa(limits.Events), "the plugin emitted too many events in one call"))
	case !limits.TakesOutput(len(data)):
		in.end(in.guest.overLimit("output", runner.Size(limits.OutputBytes), "the plugin emitted an event of "+runner.Size(int64(len(data)))))
	}
	data = in.copied(data)
	in.shielded(func(ctx context.Context, b host.Border) {
		if err := b.Emit(ctx, kind, data); err != nil {
			in.end(err)
		}
	})
}

func hostLog(in *instance, mem api.Memory, stack []uint64) {
	level := min(max(abi.LogLevel(uint32(stack[0])), abi.LogDebug), abi.LogError)
	in.say(level, in.region(mem, abi.ImportLog, "ptr", stack[1:]))
}

func hostOp(in *instance, mem api.Memory, stack []uint64) {
	name := in.region(mem, abi.ImportOp, "namePtr", stack)
	req := in.region(mem, abi.ImportOp, "reqPtr", stack[2:])
	resp, err := in.op(name, req)
	if err == nil && len(resp) > math.MaxInt32 {
		err = host.Errorf(opCall, abi.CodeLimit, "the response is larger than a guest can take")
	}
	status := uint64(0)
	if err != nil {
		status = 1 << 32
		if resp, err = json.Marshal(host.Outward(err)); err != nil {
			resp = []byte(`{"code":"INTERNAL","message":"the host failed; its log has the cause","retryable":false}`)
		}
	}
	in.response = resp
	stack[0] = status | uint64(len(resp))
}

// op asks the border for one operation.
func (in *instance) op(name, req []byte) (resp []byte, err error) {
	limits := &in.task.limits
	in.ops++
	switch {
	case in.task.border == nil:
		return nil, host.Errorf(opCall, abi.CodeUnavailable, "operations are there only while a tool, prompt, resource or completion is called")
	case in.ops > limits.Ops:
		in.end(in.guest.overLimit("ops", strconv.Itoa(limits.Ops), "the plugin asked for too many operations in one call"))
	case len(name) > maxOpName:
		return nil, host.Errorf(opCall, abi.CodeInvalidArg, "the operation's name has %d bytes; none has more than %d", len(name), maxOpName)
	}
	word, req := string(name), in.copied(req)
	in.shielded(func(ctx context.Context, b host.Border) { resp, err = b.Op(ctx, word, req) })
	return resp, err
}

// shielded runs f, which calls the border and may take any time: a run that is to end does so after
// it. A panic of the host's own code ends this call with CodeInternal; the process and the other
// calls go on.
func (in *instance) shielded(f func(context.Context, host.Border)) {
	defer func() {
		switch r := recover(); {
		case r == nil:
		case r == errEnded:
			panic(r)
		default:
			in.guest.engine.log.Error("the host panicked in a plugin's call", "plugin", in.guest.name, "panic", r, "stack", string(debug.Stack()))
			in.end(host.Errorf(opCall, abi.CodeInternal, "panic: %v", r))
		}
	}()
	f(in.opContext(), in.task.border)
	in.look()
}

// errEnded is what host functions panic with to end a call; in.fault says why. Wazero turns it into
// an error that holds the guest's stack.
var errEnded = errors.New("the call was ended by the host")

// errInterrupted says that the call's interruption is the reason.
var errInterrupted = errors.New("interrupted")

// end ends the call at once; it does not return. The first reason counts.
func (in *instance) end(reason error) {
	if in.fault == nil {
		in.fault = reason
	}
	panic(errEnded)
}

// region returns the guest's memory from stack[0], of stack[1] bytes. Of an empty region the pointer
// is not looked at: languages point anywhere for "nothing".
func (in *instance) region(mem api.Memory, function, arg string, stack []uint64) []byte {
	ptr, n := uint32(stack[0]), uint32(stack[1])
	if n == 0 {
		return nil
	}
	part, ok := mem.Read(ptr, n)
	if !ok {
		in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin called %s.%s with a bad pointer: %s = %d and %d bytes from there reach outside its memory of %d bytes",
			abi.Module, function, arg, ptr, n, mem.Size()))
	}
	return part
}

// copied returns the bytes outside of guest memory, for the border: what outlives the call by
// mistake then reads old bytes, and not memory that is gone.
func (in *instance) copied(guest []byte) []byte {
	if len(guest) > keptScratch {
		return append([]byte(nil), guest...)
	}
	in.scratch = append(in.scratch[:0], guest...)
	return in.scratch
}

const keptScratch = 64 << 10
