// Copyright 2026 The Gantry Authors.

package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// Error is a failure inside the host: Code for machines, Op for operators ("keys.Issue"), Message
// for people. Err is the cause; what it says goes to the log, never outwards, unless Message is
// empty and the code is one a caller can act on.
type Error struct {
	Op      string
	Code    abi.Code
	Message string
	Err     error
	// Hint says what to do; Details is a JSON value for machines. Both may be empty.
	Hint    string
	Details json.RawMessage
	// RetryAfter is how long to wait before trying again, where that is known; surfaces that have a
	// header for it send it.
	RetryAfter time.Duration
	// Retry overrules Code.Retryable where it is not nil.
	Retry *bool
}

// E makes an Error from a cause. A nil cause makes an Error whose message is the code.
func E(op string, code abi.Code, cause error) *Error { return &Error{Op: op, Code: code, Err: cause} }

// Errorf makes an Error with a message for people; %w in the format keeps a cause.
func Errorf(op string, code abi.Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Op: op, Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint returns e with a hint; it changes e, so use it where e is made.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error is the whole story, for logs.
func (e *Error) Error() string {
	s := e.Message
	switch {
	case s == "" && e.Err != nil:
		s = e.Err.Error()
	case s == "":
		s = string(e.Code)
	}
	if e.Op == "" {
		return s
	}
	return e.Op + ": " + s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain; context errors are CodeCancelled and
// CodeDeadline, anything else is CodeInternal, and nil is "".
func CodeOf(err error) abi.Code {
	if err == nil {
		return "" // before the variables, which errors.As has on the heap
	}
	var he *Error
	var ae *abi.Error
	switch {
	case errors.As(err, &he):
		return he.Code
	case errors.As(err, &ae):
		return ae.Code
	case errors.Is(err, context.Canceled):
		return abi.CodeCancelled
	case errors.Is(err, context.DeadlineExceeded):
		return abi.CodeDeadline
	}
	return abi.CodeInternal
}

// Outward is err as a caller may see it: strangers and CodeInternal become one plain sentence, and
// their cause stays for the log. A nil err is nil.
func Outward(err error) *abi.Error {
	if err == nil {
		return nil
	}
	var he *Error
	var ae *abi.Error
	code := CodeOf(err)
	out := &abi.Error{Code: code, Retryable: code.Retryable()}
	switch {
	case errors.As(err, &he):
		out.Message, out.Hint, out.Details = he.Message, he.Hint, he.Details
		if he.Retry != nil {
			out.Retryable = *he.Retry
		}
		if out.Message == "" && he.Err != nil && code != abi.CodeInternal {
			out.Message = he.Err.Error()
		}
		if code == abi.CodeInternal {
			out.Message = ""
		}
	case errors.As(err, &ae):
		c := *ae
		return &c
	}
	if out.Message == "" {
		out.Message = plain(code)
	}
	return out
}

func plain(code abi.Code) string {
	switch code {
	case abi.CodeInternal:
		return "the host failed; its log has the cause"
	case abi.CodeCancelled:
		return "the call was cancelled"
	case abi.CodeDeadline:
		return "the call ran into its time limit"
	}
	return string(code)
}
