// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/runner"
)

// verdict says what the error of a run means to the caller. What wazero said, with the guest's
// stack, stays as the cause for the log.
func (in *instance) verdict(err error) error {
	if err == nil {
		return nil
	}
	switch why := in.why(); {
	case in.fault != nil && in.fault != errInterrupted:
		var he *host.Error
		if errors.As(in.fault, &he) && he.Err == nil {
			he.Err = err
		}
		return in.fault
	case why != causeNone:
		return in.interruptedBy(why)
	case in.mem.refused != runner.NotRefused:
		e := in.outOfMemory()
		e.Err = err
		return e
	}
	return &host.Error{Op: opCall, Code: abi.CodeTrap, Message: in.crashText(err), Err: err}
}

func (in *instance) interruptedBy(why cause) *host.Error {
	wall := in.task.limits.Wall.String()
	switch {
	case why == causeWall && in.task.entry == entryStart:
		return host.Errorf(opLoad, abi.CodeContract, "the module did not finish starting within %s: its start function or %s runs too long", wall, exportInitialize)
	case why == causeWall && in.task.entry == entryDescribe:
		return host.Errorf(opLoad, abi.CodeContract, "%s did not return within %s; it has to answer at once", abi.ExportDescribe, wall)
	case why == causeWall:
		return host.Errorf(opCall, abi.CodeDeadline, "the call ran into its time limit of %s", wall).
			WithHint("raise limits: wall: in %s.yaml", in.guest.name)
	case why == causeDeadline:
		return host.Errorf(opCall, abi.CodeDeadline, "the call ran into its caller's deadline")
	case why == causeClosed:
		return host.Errorf(opCall, abi.CodeUnavailable, "plugin %s was closed while the call ran", in.guest.name)
	}
	return host.Errorf(opCall, abi.CodeCancelled, "the call was cancelled")
}

// outOfMemory says which bound a refused growth met.
func (in *instance) outOfMemory() *host.Error {
	if in.mem.refused == runner.RefusedByBudget {
		return host.Errorf(opCall, abi.CodeBusy, "the host has no memory left for plugins: their budget of %s is in use", runner.Size(in.guest.engine.budget.Limit))
	}
	return in.guest.overLimit("memory", runner.Size(in.mem.limit), "the plugin ran out of memory")
}

// crashText is a crash in one line: what the guest's own runtime said, or else the trap and where.
func (in *instance) crashText(err error) string {
	said := in.stderr.crash
	if said == "" {
		said = in.stdout.crash
	}
	var exit *sys.ExitError
	switch {
	case said != "":
		return "the plugin crashed: " + said
	case errors.As(err, &exit):
		return "the plugin ended itself: " + strings.TrimPrefix(exit.Error(), "module closed with ")
	}
	text, stack, _ := strings.Cut(err.Error(), "\nwasm stack trace:\n\t")
	text, _, _ = strings.Cut(text, "\n")
	text = "the plugin crashed: " + strings.TrimPrefix(text, "wasm error: ")
	if frame, _, _ := strings.Cut(stack, "\n"); frame != "" {
		if at := strings.LastIndexByte(frame, '('); at > 0 {
			frame = frame[:at]
		}
		text += " in " + strings.TrimPrefix(frame, ".")
	}
	return text
}

// answer reads what the guest has set as its output.
func (in *instance) answer(kind abi.OutputKind) (host.Output, error) {
	data := in.output
	in.output = nil
	switch kind {
	case abi.OutputText:
	case abi.OutputStructured, abi.OutputResult, abi.OutputInputRequired:
		if len(data) == 0 {
			return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin returned %d and set no output; kind %d has to have one", kind, kind)
		}
	case abi.OutputError:
		return host.Output{}, guestError(data)
	default:
		return host.Output{}, host.Errorf(opCall, abi.CodeContract, "the plugin returned %d, which is no kind of output", kind)
	}
	return host.Output{Kind: kind, Data: data}, nil
}

// guestError reads an error that the guest reported: an *abi.Error, or CodeContract.
func guestError(data []byte) error {
	var e abi.Error
	if err := json.Unmarshal(data, &e); err != nil {
		return host.Errorf(opCall, abi.CodeContract, "the plugin reported an error that is not the JSON of one: %w", err)
	}
	if !abi.ValidCode(e.Code) {
		return host.Errorf(opCall, abi.CodeContract, "the plugin reported an error with the code %.80q; a code is capital letters, digits and _", e.Code)
	}
	if e.Message == "" {
		e.Message = string(e.Code)
	}
	return &e
}
