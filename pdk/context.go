// Copyright 2026 The Gantry Authors.

package pdk

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/gantryhost/gantry/abi"
)

// Context is one call: for whom it runs, and what it may ask of the host. It is a context.Context
// and an io.Writer of partial text. It is for the goroutine that fn runs on and ends with the call.
type Context struct {
	border border
	served *Served
	info   *abi.Context
	// asked is when info was, for the deadline in it.
	asked time.Time
	// tail is the beginning of a character that Write has not seen the end of.
	tail []byte
}

var _ context.Context = (*Context)(nil)

// Info is everything the host says of the call. It asks once; an error gives the zero value.
func (c *Context) Info() abi.Context { return *c.about() }

func (c *Context) about() *abi.Context {
	if c.info == nil {
		c.asked = time.Now()
		info, err := ask[abi.Context](c, abi.OpContext, nil)
		if err != nil {
			c.Warnf("asking for the call's context: %v", err)
		}
		c.info = &info
	}
	return c.info
}

// Tenant is the organisation for which the call runs.
func (c *Context) Tenant() string { return c.about().Tenant }

// User is who calls, "" where the host does not know.
func (c *Context) User() string { return c.about().User }

// Workspace is the caller's workspace, "" where there is none.
func (c *Context) Workspace() string { return c.about().Workspace }

// CallID names this call in the host's log and journal.
func (c *Context) CallID() string { return c.about().CallID }

// Client is what the calling MCP client said of itself; zero on other surfaces.
func (c *Context) Client() abi.Client { return c.about().Client }

// Can tells whether the calling client can do abi.ClientElicitation, ClientSampling or ClientRoots.
func (c *Context) Can(ability string) bool { return slices.Contains(c.about().Client.Can, ability) }

// Metadata decodes what a REST caller sent beside the input; nothing leaves v as it is.
func (c *Context) Metadata(v any) error {
	if data := c.about().Metadata; len(data) > 0 {
		return json.Unmarshal(data, v)
	}
	return nil
}

// Deadline is when the host will end the call.
func (c *Context) Deadline() (time.Time, bool) {
	info := c.about()
	return c.asked.Add(time.Duration(info.DeadlineMS) * time.Millisecond), info.DeadlineMS > 0
}

// Done never closes inside a host, which ends the call itself; in a test it is the test's context's.
func (c *Context) Done() <-chan struct{} { return c.border.context().Done() }

// Err is nil inside a host; see Done.
func (c *Context) Err() error { return c.border.context().Err() }

// Value is nil inside a host; see Done.
func (c *Context) Value(key any) any { return c.border.context().Value(key) }

// Config decodes the plugin's settings into v, a pointer to a struct, with the tags that Tool
// explains. Settings that do not fit are an error that names the field, for the operator.
func (c *Context) Config(v any) error {
	raw, err := c.border.op(abi.OpConfig, nil)
	if err != nil {
		return err
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return fmt.Errorf("Config needs a pointer to a struct, not %T", v)
	}
	shape := c.served.config
	if shape == nil || shape.root.typ != target.Type().Elem() {
		if shape, err = newShape(target.Type().Elem()); err != nil {
			return fmt.Errorf("Config: %w", err)
		}
		shape.loose = c.served.config != nil // a part of the settings is enough
	}
	if err := shape.decode(raw, target.Elem()); err != nil {
		return With(Errorf(abi.CodeInvalidArg, "the settings of plugin %s: %w", c.served.plugin.Name, err),
			More{Hint: fmt.Sprintf("the operator sets it under config: in %s.yaml", c.served.plugin.Name)})
	}
	return nil
}

// Partial shows a piece of the answer's text at once to callers that stream. The pieces in order
// have to be the beginning of, or the whole of, the text that the tool returns.
func (c *Context) Partial(text string) {
	if text != "" {
		c.border.emit(abi.EventPartial, []byte(text))
	}
}

// Write is Partial for an io.Writer. A character that is cut in two waits for its other half. It
// never fails.
func (c *Context) Write(p []byte) (int, error) {
	data := p
	if len(c.tail) > 0 {
		data = append(c.tail, p...)
	}
	whole := len(data) - cut(data)
	if whole > 0 {
		c.border.emit(abi.EventPartial, data[:whole])
	}
	c.tail = slices.Clone(data[whole:])
	return len(p), nil
}

// cut counts the bytes at the end of p that begin a character and do not end it.
func cut(p []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(p); n++ {
		if b := p[len(p)-n]; utf8.RuneStart(b) {
			if utf8.FullRune(p[len(p)-n:]) {
				return 0
			}
			return n
		}
	}
	return 0
}

func (c *Context) flush() {
	if len(c.tail) > 0 {
		c.border.emit(abi.EventPartial, []byte("\ufffd"))
	}
}

// Progress says how far the call is: done grows from one to the next, total is 0 where unknown.
func (c *Context) Progress(done, total float64, message string) {
	data, err := json.Marshal(abi.Progress{Done: done, Total: total, Message: message})
	if err != nil {
		c.Warnf("progress %v of %v: %v", done, total, err)
		return
	}
	c.border.emit(abi.EventProgress, data)
}

// Debugf, Infof, Warnf and Errorf write a line of the plugin's log, which operators and, on some
// surfaces, callers read. Do not log secrets.
func (c *Context) Debugf(format string, args ...any) {
	c.logLine(abi.LogDebug, fmt.Sprintf(format, args...))
}

// Infof is explained at Debugf.
func (c *Context) Infof(format string, args ...any) {
	c.logLine(abi.LogInfo, fmt.Sprintf(format, args...))
}

// Warnf is explained at Debugf.
func (c *Context) Warnf(format string, args ...any) {
	c.logLine(abi.LogWarn, fmt.Sprintf(format, args...))
}

// Errorf is explained at Debugf. It logs; pdk.Errorf makes an error.
func (c *Context) Errorf(format string, args ...any) {
	c.logLine(abi.LogError, fmt.Sprintf(format, args...))
}

func (c *Context) logLine(level abi.LogLevel, line string) { c.border.log(level, line) }

// Call calls another plugin's tool as the same caller and decodes its structured answer into out,
// or its text where out is a *string; a nil out takes any answer. Needs Rights.Tools.
func (c *Context) Call(tool string, in, out any) error {
	res, err := c.CallResult(tool, in)
	if err != nil {
		return err
	}
	text := ""
	for _, block := range res.Content {
		text += block.Text
	}
	if res.IsError {
		return Errorf(abi.CodeUpstream, "tool %s failed: %s", tool, text)
	}
	if s, ok := out.(*string); ok {
		*s = text
		return nil
	}
	if out == nil {
		return nil
	}
	if res.Structured == nil {
		return Errorf(abi.CodeContract, "tool %s answered without a structured result", tool)
	}
	return json.Unmarshal(res.Structured, out)
}

// CallResult is Call for the whole answer. A tool that ran and failed is a Result with IsError.
func (c *Context) CallResult(tool string, in any) (*Result, error) {
	input, err := encodeJSON(in)
	if err != nil {
		return nil, err
	}
	res, err := ask[Result](c, abi.OpCall, abi.CallRequest{Tool: tool, Input: input})
	return &res, err
}

// Changed tells connected clients what changed: "tools", "prompts", "resources" for a list, and the
// URI of each resource whose text is new.
func (c *Context) Changed(what ...string) error {
	var req abi.Changed
	for _, w := range what {
		switch w {
		case "tools", "prompts", "resources":
			req.Lists = append(req.Lists, w)
		default:
			req.URIs = append(req.URIs, w)
		}
	}
	_, err := ask[struct{}](c, abi.OpChanged, req)
	return err
}

// ask does one operation: req as JSON (nothing where nil), the answer as Resp.
func ask[Resp any](c *Context, op string, req any) (resp Resp, err error) {
	var data []byte
	if req != nil {
		if data, err = json.Marshal(req); err != nil {
			return resp, fmt.Errorf("%s: %w", op, err)
		}
	}
	answer, err := c.border.op(op, data)
	if err != nil {
		return resp, err
	}
	if err := json.Unmarshal(answer, &resp); err != nil {
		return resp, Errorf(abi.CodeInternal, "the host's answer to %s does not parse: %w", op, err)
	}
	return resp, nil
}
