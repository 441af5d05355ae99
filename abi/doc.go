// Copyright 2026 The Gantry Authors.

// Package abi is the contract between the Gantry host and a plugin, written once for both sides:
// the import and export names, the manifest, results, errors, events, the host operations and
// their types, and the limits both sides rely on.
//
// It holds data and its checks only. It does not know Wasm (the runner in host/sandbox and the two
// twin files in pdk do), it does no input or output, and it imports nothing but the standard
// library, so that a guest stays small.
package abi

// Version is the contract version of this package. A released version never changes: what a
// plugin built for version 1 relies on stays as it is, and a change that would break it raises
// the number. A manifest whose ABI differs is refused at load with a message that says which side
// is older.
const Version = 1

// Module is the Wasm import module name under which the host offers its functions.
const Module = "gantry"

// The functions a plugin may import from Module. All pointers are 32-bit offsets into the guest's
// own memory, all lengths are in bytes. A pointer outside the guest's memory ends the call with
// CodeTrap; it is never a silent empty result.
const (
	// ImportInput is input(ptr, cap i32) -> i32. It copies the first cap bytes of the call's input
	// to ptr and returns the whole size, so a guest whose buffer was too small calls again.
	ImportInput = "input"
	// ImportOutput is output(ptr, len i32). It sets what the call answers. A second call replaces
	// the first. More than Limits.OutputBytes ends the call with CodeLimit.
	ImportOutput = "output"
	// ImportEmit is emit(kind, ptr, len i32). It sends an event while the call runs; see EventKind.
	ImportEmit = "emit"
	// ImportLog is log(level, ptr, len i32). It writes a UTF-8 line to the plugin's log; see LogLevel.
	ImportLog = "log"
	// ImportOp is op(namePtr, nameLen, reqPtr, reqLen i32) -> i64. It asks the host for one of the
	// operations in ops.go. The low 32 bits are the size of the response, which waits in the host
	// until the next op of the call; the high 32 bits are 0 for a response and 1 for an Error in JSON.
	ImportOp = "op"
	// ImportOpRead is op_read(ptr, cap i32) -> i32. It copies the response of the last op, like input.
	ImportOpRead = "op_read"
)

// The functions a plugin exports. A plugin has to export ExportDescribe and its memory under
// "memory"; of the others it exports those its manifest promises. "_initialize" is called once for
// a new instance where it is there.
const (
	// ExportDescribe is gantry_describe() -> i32. It answers the Manifest in JSON by output and returns 0.
	// It may be asked any number of times, also just before the state is kept that each call starts from,
	// so it should change nothing that a call would see.
	ExportDescribe = "gantry_describe"
	// ExportCall is gantry_call(tool i32) -> i32. The argument is the tool's place in Manifest.Tools,
	// the input is the arguments in JSON, the return value an OutputKind.
	ExportCall = "gantry_call"
	// ExportPrompt is gantry_prompt(prompt i32) -> i32. The input is the arguments, a JSON object of
	// strings; the output is a PromptResult.
	ExportPrompt = "gantry_prompt"
	// ExportRead is gantry_read(resource i32) -> i32. The argument is a place in Manifest.Resources,
	// or len(Resources) plus a place in Manifest.Templates; the input is a ReadRequest and the
	// output a ReadResult.
	ExportRead = "gantry_read"
	// ExportComplete is gantry_complete() -> i32. The input is a CompleteRequest, the output a CompleteResult.
	ExportComplete = "gantry_complete"
)

// OutputKind is what a guest's export returns: how to read the output it has set.
type OutputKind int32

// The output kinds. A return value that is none of them ends the call with CodeContract.
const (
	// OutputStructured says that the output is one JSON value, the tool's structured result.
	OutputStructured OutputKind = 0
	// OutputError says that the output is an Error in JSON.
	OutputError OutputKind = 1
	// OutputText says that the output is plain UTF-8 text.
	OutputText OutputKind = 2
	// OutputResult says that the output is a Result in JSON.
	OutputResult OutputKind = 3
	// OutputInputRequired says that the output is an InputRequired in JSON: the tool wants an answer
	// from the person or the model behind the client and is called again, from the start, with it.
	OutputInputRequired OutputKind = 4
)
