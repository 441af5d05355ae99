// Copyright 2026 The Gantry Authors.

package web

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// The codes that only HTTP has. Surfaces map them in the same table as abi's.
const (
	CodeMethod    abi.Code = "METHOD_NOT_ALLOWED"
	CodeEncoding  abi.Code = "UNSUPPORTED_ENCODING"
	CodeMediaType abi.Code = "UNSUPPORTED_MEDIA_TYPE"
	CodeMalformed abi.Code = "BAD_REQUEST"
	CodeTooLarge  abi.Code = "PAYLOAD_TOO_LARGE"
	CodeHeader    abi.Code = "HEADER_TOO_LARGE"
	CodeSlow      abi.Code = "REQUEST_TIMEOUT"
)

// Row is how one code looks outside: its HTTP status and its name.
type Row struct {
	Status int
	Code   string
}

// DefaultRow is the table for surfaces without words of their own; a surface's table falls back to
// it. A code that no table knows comes from a plugin and is treated like CodeUpstream.
func DefaultRow(code abi.Code) Row {
	status := 502
	switch code {
	case abi.CodeInvalidArg, abi.CodeClientCapability:
		status = 422
	case abi.CodeUnauthenticated:
		status = 401
	case abi.CodeBadCredential, abi.CodeForbidden, abi.CodeConfirmation, abi.CodeDeclined:
		status = 403
	case abi.CodeNotFound, abi.CodeUnknownTool:
		status = 404
	case abi.CodeConflict, abi.CodeCancelled:
		status = 409
	case abi.CodeLimit, CodeTooLarge:
		status = 413
	case abi.CodeBusy, abi.CodeRateLimited:
		status = 429
	case abi.CodeUnavailable, abi.CodeInterrupted, abi.CodeCredentialMissing:
		status = 503
	case abi.CodeDeadline:
		status = 504
	case abi.CodeInternal, "":
		status, code = 500, abi.CodeInternal
	case CodeMethod:
		status = 405
	case CodeEncoding, CodeMediaType:
		status = 415
	case CodeMalformed:
		status = 400
	case CodeHeader:
		status = 431
	case CodeSlow:
		status = 408
	}
	return Row{Status: status, Code: string(code)}
}

// ErrorBody is the error shape of surfaces without one of their own.
type ErrorBody struct {
	Error ErrorObject `json:"error"`
}

// ErrorObject says what went wrong: Code for machines, Message for people, Hint what to do. The
// request's id is not in it but in X-Request-Id: in bodies, request_id is the caller's own word.
type ErrorObject struct {
	Code      string          `json:"code"`
	Message   string          `json:"message"`
	Retryable bool            `json:"retryable"`
	Hint      string          `json:"hint,omitempty"`
	Details   json.RawMessage `json:"details,omitempty"`
}

const errorSchema = `{"type":"object","required":["error"],"properties":{"error":{"type":"object",` +
	`"required":["code","message","retryable"],"properties":{` +
	`"code":{"type":"string","description":"a word for machines"},` +
	`"message":{"type":"string","description":"what went wrong, for people"},` +
	`"retryable":{"type":"boolean","description":"whether the same request may succeed later"},` +
	`"hint":{"type":"string","description":"what to do about it"},` +
	`"details":{"description":"a JSON value for machines, such as the fields at fault"}}}}}`

// WriteError answers e as an ErrorBody.
func WriteError(c *Ctx, row Row, e *abi.Error) error {
	return c.JSON(row.Status, ErrorBody{ErrorObject{
		Code: row.Code, Message: e.Message, Retryable: e.Retryable, Hint: e.Hint, Details: e.Details,
	}})
}

// fail is the one place where an error becomes an answer.
func (c *Ctx) fail(err error) {
	s := c.surface
	out := host.Outward(err)
	row := s.Row(out.Code)
	switch row.Status {
	case 401:
		challenge := s.Challenge
		if s.Challenges != nil {
			challenge = s.Challenges(c, out)
		}
		c.SetHeader("WWW-Authenticate", challenge)
	case 429, 503:
		if out.Retryable {
			c.SetHeader("Retry-After", retryAfter(err))
		}
	}
	if out.Code == abi.CodeInternal {
		c.server.cfg.Logger.Error("request failed inside", "request_id", c.RequestID(), "error", err)
	}
	c.logged = row.Code
	if werr := s.WriteError(c, row, out); werr != nil {
		c.server.cfg.Logger.Error("error could not be written", "request_id", c.RequestID(), "error", werr)
		c.raw.Status(row.Status)
	}
}

// retryAfter is the header for err in whole seconds, 1 where err does not say.
func retryAfter(err error) string {
	var he *host.Error
	if !errors.As(err, &he) || he.RetryAfter <= time.Second {
		return "1"
	}
	return strconv.FormatInt(int64((he.RetryAfter+time.Second-1)/time.Second), 10)
}

func bytesText(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return strconv.Itoa(n>>20) + " MiB"
	case n >= 1<<10 && n%(1<<10) == 0:
		return strconv.Itoa(n>>10) + " KiB"
	}
	return strconv.Itoa(n) + " bytes"
}
