// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gantryhost/gantry/pdk"
)

const (
	fetchDoc = "Get a web page, a file or an API's answer by its URL. HTML becomes Markdown (or plain text); " +
		"pictures come as pictures. Scripts of the page are not run. Long texts are cut at max_chars: call again with start to read on."
	requestDoc = "Send an HTTP request of any method, such as POST with a JSON body to an API, and read the answer. " +
		"It may change things on the other side; to read a page, use fetch."
)

// maxBody is how much of a body is read; what is longer is cut.
const maxBody = 4 << 20

// reading is how an answer is to be shown; both tools take it.
type reading struct {
	Format   string `json:"format,omitempty" doc:"What becomes of the body: markdown and text turn HTML into readable text, raw leaves it, json wants JSON" enum:"markdown,text,raw,json" default:"markdown"`
	Start    int    `json:"start,omitempty" doc:"The character to begin at, to read on in a long text" minimum:"0"`
	MaxChars int    `json:"max_chars,omitempty" doc:"The most characters of text" default:"20000" minimum:"1" maximum:"1000000"`
}

type fetchIn struct {
	URL     string            `json:"url" doc:"An http or https URL" format:"uri"`
	Headers map[string]string `json:"headers,omitempty" doc:"Request headers"`
	reading
}

type requestIn struct {
	URL     string            `json:"url" doc:"An http or https URL" format:"uri"`
	Method  string            `json:"method,omitempty" enum:"GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS" default:"POST" doc:"The HTTP method"`
	Headers map[string]string `json:"headers,omitempty" doc:"Request headers; a body that is JSON gets its Content-Type by itself"`
	Body    string            `json:"body,omitempty" doc:"The request body"`
	reading
}

// out is the structured answer; the content beside it is the text alone, or the picture.
type out struct {
	Status      int             `json:"status"`
	URL         string          `json:"url"`
	ContentType string          `json:"content_type,omitempty"`
	Title       string          `json:"title,omitempty"`
	Text        string          `json:"text,omitempty"`
	JSON        json.RawMessage `json:"json,omitempty"`
	Bytes       int             `json:"bytes"`
	Truncated   bool            `json:"truncated"`
	Next        int             `json:"next,omitempty"`
}

const outSchema = `{"type":"object","required":["status","url","bytes","truncated"],"properties":{` +
	`"status":{"type":"integer","description":"The HTTP status"},` +
	`"url":{"type":"string","description":"Where the answer came from, after redirects"},` +
	`"content_type":{"type":"string"},"title":{"type":"string","description":"The page's title"},` +
	`"text":{"type":"string","description":"The readable text, at most max_chars of it"},` +
	`"json":{"description":"The body as a value, with format json"},` +
	`"bytes":{"type":"integer","description":"How much of the body was read"},` +
	`"truncated":{"type":"boolean","description":"More follows than is shown"},` +
	`"next":{"type":"integer","description":"The start to read on from"}}}`

func fetch(ctx *pdk.Context, in fetchIn) (pdk.Result, error) {
	return do(ctx, pdk.Request{URL: in.URL, Header: in.Headers}, &in.reading)
}

func request(ctx *pdk.Context, in requestIn) (pdk.Result, error) {
	req := pdk.Request{Method: in.Method, URL: in.URL, Header: in.Headers}
	if in.Body != "" {
		if in.Method == "GET" || in.Method == "HEAD" {
			return pdk.Result{}, pdk.Invalid("body", "%s takes no body; use another method", in.Method)
		}
		req.Body = []byte(in.Body)
		if header(in.Headers, "Content-Type") == "" && json.Valid(req.Body) {
			req.Header = map[string]string{"Content-Type": "application/json"}
			for k, v := range in.Headers {
				req.Header[k] = v
			}
		}
	}
	return do(ctx, req, &in.reading)
}

func header(headers map[string]string, name string) string {
	for k, v := range headers {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

func do(ctx *pdk.Context, req pdk.Request, how *reading) (pdk.Result, error) {
	req.Stream = true // so that a long body is cut instead of refused
	resp, err := ctx.Fetch(req)
	if err != nil {
		return pdk.Result{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return pdk.Result{}, err
	}
	o := &out{Status: resp.Status, URL: resp.URL, ContentType: resp.Header.Get("Content-Type")}
	if o.Truncated = len(body) > maxBody; o.Truncated {
		body = body[:maxBody]
	}
	o.Bytes = len(body)
	return o.show(body, how)
}

// show chooses the form that the body's kind and the caller's wish call for.
func (o *out) show(body []byte, how *reading) (pdk.Result, error) {
	kind := kindOf(o.ContentType, body)
	switch {
	case how.Format == "json":
		return o.showJSON(body, how)
	case (kind == kindImage || kind == kindAudio) && !o.Truncated && len(body) > 0:
		block := pdk.Image(mediaType(o.ContentType), body)
		if kind == kindAudio {
			block = pdk.Audio(mediaType(o.ContentType), body)
		}
		return o.result(block)
	case kind != kindText && kind != kindHTML:
		return o.result(pdk.Text(fmt.Sprintf("HTTP %d: %s of %s that is not text; its content is not shown", o.Status, size(o), o.typeName())))
	}
	s := decode(body, o.ContentType)
	if kind == kindHTML && how.Format != "raw" {
		page := render(s, o.URL, how.Format == "markdown")
		o.Title, s = page.title, page.text
		o.Truncated = o.Truncated || page.cut
	}
	o.cut(s, how)
	return o.result(pdk.Text(o.headline() + o.Text))
}

func (o *out) showJSON(body []byte, how *reading) (pdk.Result, error) {
	if o.Truncated {
		return pdk.Result{}, errors.New("the answer is longer than 4 MiB, so its JSON cannot be read; ask for less, or use format raw")
	}
	if !json.Valid(body) {
		o.cut(decode(body, o.ContentType), &reading{MaxChars: 200})
		return pdk.Result{}, fmt.Errorf("the answer (HTTP %d, %s) is not JSON; use another format. It begins: %s", o.Status, o.typeName(), o.Text)
	}
	o.cut(indent(body), how)
	if !o.Truncated && how.Start == 0 {
		o.JSON = body
	}
	block := pdk.Text(o.headline() + o.Text)
	if o.JSON != nil {
		o.Text = "" // once is enough
	}
	return o.result(block)
}

// headline tells a model what it would otherwise take for the page it asked for.
func (o *out) headline() string {
	if o.Status < 400 {
		return ""
	}
	return fmt.Sprintf("HTTP %d\n\n", o.Status)
}

func (o *out) result(block pdk.Content) (pdk.Result, error) {
	structured, err := json.Marshal(o)
	return pdk.Result{Content: []pdk.Content{block}, Structured: structured}, err
}

// cut keeps the asked-for characters of s.
func (o *out) cut(s string, how *reading) {
	n := 0
	from, to := len(s), len(s)
	for i := range s {
		if n == how.Start {
			from = i
		}
		if n == how.Start+how.MaxChars {
			to, o.Truncated, o.Next = i, true, n
			break
		}
		n++
	}
	o.Text = s[min(from, to):to]
}

func (o *out) typeName() string {
	if t := mediaType(o.ContentType); t != "" {
		return t
	}
	return "an unnamed type"
}

func size(o *out) string {
	if o.Truncated {
		return fmt.Sprintf("more than %d bytes", o.Bytes)
	}
	return fmt.Sprintf("%d bytes", o.Bytes)
}
