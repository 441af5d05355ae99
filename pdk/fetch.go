// Copyright 2026 The Gantry Authors.

package pdk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
)

// Request is one outbound HTTP request. URL is all it needs; Method is GET, or POST where there is
// a body.
type Request struct {
	Method string
	URL    string
	// Header has one value for each name. Credentials that the operator declared are added by the host.
	Header map[string]string
	Body   []byte
	// JSON, where it is not nil, is encoded as the body, with its content type.
	JSON any
	// Timeout bounds the whole exchange; 0 is what the call has left.
	Timeout time.Duration
	// MaxBytes bounds the response's body; 0 is the host's limit. A longer one is abi.CodeLimit.
	MaxBytes int64
	// Stream returns after the headers, and Response.Body reads as the bytes arrive.
	Stream bool
}

// Response is the answer, whatever its status; Check turns a bad one into an error.
type Response struct {
	Status int
	// URL is where the answer came from, after redirects.
	URL    string
	Header Headers
	// Body is never nil. Close ends a stream early; the host closes what is left open when the call ends.
	Body io.ReadCloser
}

// Headers are header lines in the order they came.
type Headers []abi.Header

// Get is the first value of the name, in any case, or "".
func (h Headers) Get(name string) string {
	for _, line := range h {
		if strings.EqualFold(line.Name, name) {
			return line.Value
		}
	}
	return ""
}

// Values are all values of the name, in any case.
func (h Headers) Values(name string) []string {
	var out []string
	for _, line := range h {
		if strings.EqualFold(line.Name, name) {
			out = append(out, line.Value)
		}
	}
	return out
}

// Fetch does an HTTP request. Needs Rights.Hosts; a host that is not granted is abi.CodeForbidden,
// one that does not answer abi.CodeUpstream. A status of 400 or more is no error: see Check.
func (c *Context) Fetch(req Request) (*Response, error) {
	wire, err := req.wire()
	if err != nil {
		return nil, err
	}
	resp, err := ask[abi.FetchResponse](c, abi.OpFetch, wire)
	if err != nil {
		return nil, err
	}
	out := &Response{Status: resp.Status, URL: resp.URL, Header: resp.Headers}
	if req.Stream {
		out.Body = &stream{ctx: c, handle: resp.Stream, rest: resp.Body, done: resp.Stream == 0}
	} else {
		out.Body = io.NopCloser(bytes.NewReader(resp.Body))
	}
	return out, nil
}

// Get is Fetch of a URL.
func (c *Context) Get(url string) (*Response, error) { return c.Fetch(Request{URL: url}) }

func (r *Request) wire() (*abi.FetchRequest, error) {
	out := &abi.FetchRequest{Method: r.Method, URL: r.URL, Body: r.Body, MaxBytes: r.MaxBytes,
		TimeoutMS: r.Timeout.Milliseconds(), Stream: r.Stream}
	for name, value := range r.Header {
		out.Headers = append(out.Headers, abi.Header{Name: name, Value: value})
	}
	slices.SortFunc(out.Headers, func(a, b abi.Header) int { return strings.Compare(a.Name, b.Name) })
	if r.JSON != nil {
		if r.Body != nil {
			return nil, fmt.Errorf("request to %s: set Body or JSON, one of them", r.URL)
		}
		body, err := encodeJSON(r.JSON)
		if err != nil {
			return nil, fmt.Errorf("request to %s: %w", r.URL, err)
		}
		out.Body = body
		if Headers(out.Headers).Get("Content-Type") == "" {
			out.Headers = append(out.Headers, abi.Header{Name: "Content-Type", Value: "application/json"})
		}
	}
	if out.Method == "" && out.Body != nil {
		out.Method = "POST"
	}
	return out, nil
}

// OK tells whether the status is 200 to 299.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Bytes reads the rest of the body.
func (r *Response) Bytes() ([]byte, error) { return io.ReadAll(r.Body) }

// Text reads the rest of the body as text.
func (r *Response) Text() (string, error) {
	data, err := r.Bytes()
	return string(data), err
}

// JSON decodes the rest of the body, after Check. A body that does not parse is abi.CodeUpstream.
func (r *Response) JSON(v any) error {
	if err := r.Check(); err != nil {
		return err
	}
	data, err := r.Bytes()
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return Errorf(abi.CodeUpstream, "the answer of %s is not the JSON expected: %w", r.URL, err)
	}
	return nil
}

// Check is nil where OK; otherwise an *Error with abi.CodeUpstream, retryable for 408, 429 and 5xx
// only, whose Details hold the status and the beginning of the body. It reads the body.
func (r *Response) Check() error {
	if r.OK() {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 2<<10))
	if err != nil {
		body = []byte(err.Error())
	}
	e := Errorf(abi.CodeUpstream, "%s answered with status %d", r.URL, r.Status)
	temporary := r.Status == 408 || r.Status == 429 || r.Status >= 500
	return With(e, More{Final: !temporary, Details: struct {
		Status int    `json:"status"`
		Body   string `json:"body,omitempty"`
	}{r.Status, strings.ToValidUTF8(string(body), "\ufffd")}})
}

// stream reads a response as it arrives.
type stream struct {
	ctx    *Context
	handle int32
	rest   []byte
	done   bool
	closed bool
}

// Read blocks until there is something to read.
func (s *stream) Read(p []byte) (int, error) {
	if s.closed {
		return 0, Errorf(CodeTool, "read of a closed response body")
	}
	for len(s.rest) == 0 {
		if s.done {
			return 0, io.EOF
		}
		chunk, err := ask[abi.FetchChunk](s.ctx, abi.OpFetchNext, abi.FetchNext{Stream: s.handle})
		if err != nil {
			return 0, err
		}
		s.rest, s.done = chunk.Data, chunk.End
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

// Close ends the stream; a second call does nothing.
func (s *stream) Close() error {
	if s.closed || s.done {
		s.closed = true
		return nil
	}
	s.closed = true
	_, err := ask[abi.FetchChunk](s.ctx, abi.OpFetchNext, abi.FetchNext{Stream: s.handle, Close: true})
	return err
}
