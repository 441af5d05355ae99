// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// fault is the error object of the API.
type fault struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Param   string `json:"param"`
	// Code is a word, a number or null, as the server likes.
	Code any `json:"code"`
}

// readFault reads the body of an answer with a bad status, whatever form it has.
func readFault(resp *pdk.Response) fault {
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil && len(body) == 0 {
		return fault{Message: err.Error()}
	}
	var wrapped struct {
		Error json.RawMessage `json:"error"`
	}
	if json.Unmarshal(body, &wrapped) == nil && len(wrapped.Error) > 0 {
		return parseFault(wrapped.Error)
	}
	return parseFault(body)
}

// parseFault takes an error object, an error text in JSON, or any other text.
func parseFault(raw []byte) fault {
	var f fault
	if json.Unmarshal(raw, &f) == nil && f.Message != "" {
		return f
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return fault{Message: text}
	}
	return fault{Message: string(raw)}
}

// asError tells the fault to the caller. Status 200 is an error in the midst of a stream.
func (f fault) asError(resp *pdk.Response) error {
	said := cut(f.Message)
	if said == "" {
		said = "it gave no reason"
	}
	status := resp.Status
	more := pdk.More{Details: struct {
		Status     int    `json:"status,omitempty"`
		Type       string `json:"type,omitempty"`
		Code       any    `json:"code,omitempty"`
		Param      string `json:"param,omitempty"`
		RetryAfter string `json:"retry_after,omitempty"`
	}{status, cut(f.Type), shortCode(f.Code), cut(f.Param), cut(resp.Header.Get("Retry-After"))}}
	where := fmt.Sprintf("the model's server answered with status %d", status)
	switch {
	case resp.OK():
		where = "the model's server broke the answer off with an error"
	case status == 401 || status == 403:
		more.Hint = "check the key in OPENAI_API_KEY and that base_url is the server it belongs to"
	case status == 404:
		more.Hint = "check the model's name and base_url"
	}
	more.Final = !resp.OK() && status != 408 && status != 429 && status < 500
	if f.Type == "insufficient_quota" || f.Code == "insufficient_quota" {
		more.Final, more.Hint = true, "the account behind OPENAI_API_KEY has no credit left"
	}
	return pdk.With(pdk.Errorf(abi.CodeUpstream, "%s: %s", where, said), more)
}

func shortCode(c any) any {
	switch c := c.(type) {
	case string:
		if c != "" {
			return cut(c)
		}
	case float64:
		return c
	}
	return nil
}

// cut keeps what a stranger said short and whole in its characters.
func cut(s string) string {
	const most = 500
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\ufffd"))
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
