// Copyright 2026 The Gantry Authors.

package host

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// Entry is which export of a guest a call goes to.
type Entry int

// The entries. EntryTool, EntryPrompt and EntryRead take the number of the thing in the manifest
// (see abi.ExportRead for how resources and templates share theirs).
const (
	EntryTool Entry = iota
	EntryPrompt
	EntryRead
	EntryComplete
)

// Guest is one loaded version of a plugin, whatever runs it. Calls may come from any number of
// goroutines; the runner gives each an instance of its own or makes it wait.
type Guest interface {
	// Call runs one entry to its end. It returns by the context's deadline, or when the context is
	// cancelled, with CodeDeadline or CodeCancelled; a crash is CodeTrap, a broken answer
	// CodeContract, and another limit CodeLimit. An error that the guest itself reported is an
	// *abi.Error. Output is valid whenever err is nil. Usage counts also for calls that failed.
	Call(ctx context.Context, c *GuestCall) (Output, Usage, error)
	// Close waits for running calls, up to ctx, and frees what the guest holds. Calls after it fail
	// with CodeUnavailable.
	Close(ctx context.Context) error
}

// GuestCall is one call of a guest.
type GuestCall struct {
	Entry Entry
	Index int
	// Tenant is on whose behalf the call runs. A runner that reuses an instance without a full reset
	// reuses it only within one tenant.
	Tenant TenantID
	// Input is only read, and not kept after the call.
	Input []byte
	// Room, where there is any, is memory that the answer may be written to, up to its capacity. The
	// caller keeps it: Output.Data is then part of it.
	Room []byte
	// Border answers the guest. It is used by one goroutine at a time.
	Border Border
	// Limits bound this call; a zero field means the runner's default.
	Limits Limits
}

// Output is what a guest answered. Data belongs to the caller.
type Output struct {
	Kind abi.OutputKind
	Data []byte
}

// Usage is what a call cost.
type Usage struct {
	Wall time.Duration
	// Fuel is 0 where the runner does not count it.
	Fuel uint64
	// PeakBytes is the size of the guest's memory at the end of the call.
	PeakBytes int64
	Ops       int
}

// Limits bound what a guest may use. Zero means the default of the one who reads it.
type Limits struct {
	// Wall bounds one call, waiting for an instance not included.
	Wall time.Duration `json:"wall,omitempty"`
	// Fuel bounds what one call may compute, in the units of Usage.Fuel: the same call meets it at the
	// same place on every machine. 0 is no limit. A runner that does not count fuel refuses it.
	Fuel uint64 `json:"fuel,omitempty"`
	// MemoryBytes bounds the guest's linear memory, in steps of 64 KiB.
	MemoryBytes int64 `json:"memory_bytes,omitempty"`
	// OutputBytes bounds the answer, and each emitted event.
	OutputBytes int64 `json:"output_bytes,omitempty"`
	// InputBytes bounds the arguments.
	InputBytes int64 `json:"input_bytes,omitempty"`
	// Ops bounds how many operations a call may ask for; Events how many events it may emit.
	Ops    int `json:"ops,omitempty"`
	Events int `json:"events,omitempty"`
	// Concurrency bounds the calls of one plugin that run at once; more wait.
	Concurrency int `json:"concurrency,omitempty"`
	// EgressBytes bounds what one call may receive over HTTP.
	EgressBytes int64 `json:"egress_bytes,omitempty"`
}

// TakesInput tells whether arguments of n bytes are within the limit, which is to be filled.
func (l *Limits) TakesInput(n int) bool { return int64(n) <= l.InputBytes }

// TakesOutput tells it of an answer, or of an event.
func (l *Limits) TakesOutput(n int) bool { return int64(n) <= l.OutputBytes }

// Border is what a guest meets when it calls out: one value per call, made by invoke.
type Border interface {
	// Emit passes an event on. Data is the guest's memory: copy what is kept. An error ends the call.
	Emit(ctx context.Context, kind abi.EventKind, data []byte) error
	// Log writes a line of the plugin's log. Data as in Emit.
	Log(ctx context.Context, level abi.LogLevel, line []byte)
	// Op does one operation. Req as in Emit. An error is told to the guest as an *abi.Error made by
	// Outward; only a done ctx ends the call.
	Op(ctx context.Context, name string, req []byte) ([]byte, error)
}

// CallInfo says for whom and within what a guest's operation runs. Services read it and do not
// change it.
type CallInfo struct {
	Principal *Principal
	CallID    string
	RequestID string
	SessionID string
	Plugin    string
	Tool      string
	// Granted are the plugin's rights; Config is its settings, a JSON object.
	Granted *abi.Rights
	Config  json.RawMessage
	Limits  Limits
	// Metadata, Client, Answers and State are as in abi.Context.
	Metadata json.RawMessage
	Client   abi.Client
	Answers  map[string]json.RawMessage
	State    string
	// Depth counts the calls above this one when tools call tools.
	Depth int
	// Defer registers what has to be closed when the call ends, such as a streamed response. It is
	// never nil.
	Defer func(func())
}

// OpFunc answers one operation of a guest. The request is the guest's memory: it must not be kept.
type OpFunc func(ctx context.Context, call *CallInfo, req []byte) ([]byte, error)

// Ops are the operations a service offers, by name.
type Ops map[string]OpFunc
