// Copyright 2026 The Gantry Authors.

package extismrun

import (
	"bytes"
	"context"

	extism "github.com/extism/go-sdk"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// maxMessageBytes bounds the text of an error that a plugin reports.
const maxMessageBytes = 4 << 10

// function is an import that this package answers.
type function struct {
	callback        extism.HostFunctionStackCallback
	params, results []extism.ValueType
}

// ownFunctions are the functions of Extism's environment that the SDK does not answer here, with
// the types that Extism gives them.
func ownFunctions() map[string]function {
	const ptr, num = extism.ValueTypePTR, extism.ValueTypeI32
	log := func(level abi.LogLevel) function {
		return function{func(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
			logLine(ctx, p, level, stack[0])
		}, []extism.ValueType{ptr}, nil}
	}
	return map[string]function{
		"output_set":    {outputSet, []extism.ValueType{ptr, extism.ValueTypeI64}, nil},
		"error_set":     {errorSet, []extism.ValueType{ptr}, nil},
		"load_u8":       {loadByte, []extism.ValueType{ptr}, []extism.ValueType{num}},
		"store_u8":      {storeByte, []extism.ValueType{ptr, num}, nil},
		"http_request":  {httpRequest, []extism.ValueType{ptr, ptr}, []extism.ValueType{ptr}},
		"get_log_level": {logLevel, nil, []extism.ValueType{num}},
		"log_trace":     log(abi.LogDebug),
		"log_debug":     log(abi.LogDebug),
		"log_info":      log(abi.LogInfo),
		"log_warn":      log(abi.LogWarn),
		"log_error":     log(abi.LogError),
	}
}

// hostFunctions are what the SDK is to offer beside its own: ownFunctions and the meter's tick.
func hostFunctions() []extism.HostFunction {
	var out []extism.HostFunction
	for name, f := range ownFunctions() {
		hf := extism.NewHostFunctionWithStack(name, f.callback, f.params, f.results)
		hf.SetNamespace(ownModule)
		out = append(out, hf)
	}
	return append(out, tickFunction())
}

// outputSet is output_set(offset, length). Extism takes what is not in its memory for an empty
// output; here it ends the call.
func outputSet(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
	in := instanceOf(ctx)
	data := in.read(p, "output_set", block{stack[0], stack[1]})
	in.run.output, in.run.answered = bytes.Clone(data), true
}

// loadByte is load_u8(offset) and storeByte store_u8(offset, byte). The SDK goes through its kernel
// for them, which costs some hundred times as much; for eight bytes at once it does not either.
func loadByte(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
	in := instanceOf(ctx)
	stack[0] = uint64(in.read(p, "load_u8", block{stack[0], 1})[0])
}

func storeByte(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
	in := instanceOf(ctx)
	in.read(p, "store_u8", block{stack[0], 1})[0] = byte(stack[1])
}

// block is a stretch of the kernel's memory.
type block struct{ offset, length uint64 }

// read returns a stretch of the kernel's memory, not copied, or ends the run. It is at most as long
// as an answer may be.
func (in *instance) read(p *extism.CurrentPlugin, function string, b block) []byte {
	most := uint64(in.run.limits.OutputBytes)
	if b.length > most {
		in.end(in.guest.overLimit("output", runner.Size(int64(most)), "the answer has "+runner.Size(int64(min(b.length, 1<<62)))))
	}
	if b.length == 0 {
		return nil
	}
	mem := p.Memory()
	if all := uint64(mem.Size()); b.offset > all || b.length > all-b.offset {
		in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin crashed: it called %s with memory that is not there (offset %d, length %d)", function, b.offset, b.length))
	}
	data, _ := mem.Read(uint32(b.offset), uint32(b.length))
	return data
}

// handle returns what a kernel's handle stands for, not copied, at most so many bytes of it.
func (in *instance) handle(ctx context.Context, p *extism.CurrentPlugin, offset uint64, most int64) []byte {
	n, err := p.LengthWithContext(ctx, offset)
	if err != nil {
		in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin crashed: it passed a handle that is none (%d): %w", offset, err))
	}
	return in.read(p, "a host function", block{offset, min(n, uint64(most), uint64(in.run.limits.OutputBytes))})
}

// errorSet is error_set(handle); 0 takes an error back.
func errorSet(ctx context.Context, p *extism.CurrentPlugin, stack []uint64) {
	in := instanceOf(ctx)
	in.run.message = ""
	if stack[0] != 0 {
		text := in.handle(ctx, p, stack[0], maxMessageBytes)
		if in.run.message = string(bytes.ToValidUTF8(text, []byte("\uFFFD"))); in.run.message == "" {
			in.run.message = "the plugin failed and gave no reason"
		}
	}
}

// logLine is log_info(handle) and its like. The handle is freed, as the SDK does it.
func logLine(ctx context.Context, p *extism.CurrentPlugin, level abi.LogLevel, offset uint64) {
	in := instanceOf(ctx)
	line := bytes.Clone(in.handle(ctx, p, offset, runner.MaxLineBytes+1))
	if err := p.FreeWithContext(ctx, offset); err != nil {
		in.end(host.Errorf(opCall, abi.CodeTrap, "the plugin crashed: its memory is broken: %w", err))
	}
	in.say(level, line)
}

// logLevel is get_log_level: all levels are heard, and the host's log decides.
func logLevel(_ context.Context, _ *extism.CurrentPlugin, stack []uint64) {
	stack[0] = extism.EncodeI32(extism.LogLevelTrace.ExtismCompat())
}
