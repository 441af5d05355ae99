// Copyright 2026 The Gantry Authors.

package pdk

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/gantryhost/gantry/abi"
)

// Error is a failure with a code for machines. A tool's function may return any error: one that is
// an *Error, or wraps one, keeps its code, hint and details, and has the text of the whole chain;
// any other is told to the caller by its text, with CodeTool and not retryable.
type Error = abi.Error

// CodeTool is the code of a plain Go error that a tool returned.
const CodeTool abi.Code = "TOOL_ERROR"

// Errorf makes an Error. Use a code of abi, such as abi.CodeNotFound, or one of your own in
// [A-Z][A-Z0-9_]*. Whether it is retryable follows from the code; With changes that.
func Errorf(code abi.Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Errorf(format, args...).Error(), Retryable: code.Retryable()}
}

// Invalid says that a field of the input is at fault, and how to mend it: field is its name as the
// caller writes it ("items[2].name"). The code is abi.CodeInvalidArg.
func Invalid(field, format string, args ...any) *Error {
	e := Errorf(abi.CodeInvalidArg, "%s: %s", field, fmt.Sprintf(format, args...))
	e.Details, _ = json.Marshal(map[string]string{"field": field}) // a map of strings always encodes
	return e
}

// More is what With adds to an Error; zero fields leave it as it is.
type More struct {
	// Hint says what to do about it, for people and models.
	Hint string
	// Retry and Final say that trying again may, or will not, help.
	Retry, Final bool
	// Details is any JSON value, for machines.
	Details any
}

// With returns e with more; it changes e, so use it where e is made. Details that do not encode are
// left out.
func With(e *Error, m More) *Error {
	if m.Hint != "" {
		e.Hint = m.Hint
	}
	e.Retryable = (e.Retryable || m.Retry) && !m.Final
	if m.Details != nil {
		if data, err := json.Marshal(m.Details); err == nil {
			e.Details = data
		}
	}
	return e
}

// CodeOf is the code of the first Error in err's chain, CodeTool where there is none, and "" for nil.
func CodeOf(err error) abi.Code {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return CodeTool
}

// failure is how a call that returned err ends: a question is no failure.
func failure(err error) (abi.OutputKind, []byte) {
	var q *question
	if errors.As(err, &q) {
		data, err := json.Marshal(&q.InputRequired)
		if err == nil {
			return abi.OutputInputRequired, data
		}
		return abi.OutputError, encodeError(Errorf(CodeTool, "the question does not encode: %w", err))
	}
	var e *Error
	if !errors.As(err, &e) {
		return abi.OutputError, encodeError(&Error{Code: CodeTool, Message: err.Error()})
	}
	told := *e
	told.Message = err.Error()
	if !abi.ValidCode(told.Code) {
		told.Code = CodeTool
	}
	return abi.OutputError, encodeError(&told)
}

func encodeError(e *Error) []byte {
	data, err := json.Marshal(e)
	if err != nil { // only Details can fail
		data, _ = json.Marshal(&Error{Code: e.Code, Message: e.Message, Retryable: e.Retryable, Hint: e.Hint})
	}
	return data
}
