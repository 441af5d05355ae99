// Copyright 2026 The Gantry Authors.

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

// maxEvent bounds one event of the stream; a token is a few hundred bytes.
const maxEvent = 1 << 20

// wireChunk is one event of a stream, or the whole of an answer that is not streamed.
type wireChunk struct {
	Model   string `json:"model"`
	Choices []struct {
		Delta        wireMessage `json:"delta"`
		Message      wireMessage `json:"message"`
		FinishReason string      `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage          `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type wireMessage struct {
	Content string `json:"content"`
	Refusal string `json:"refusal"`
}

// read takes the answer in either form, shows its text as it comes, and returns the whole. Servers
// that do not stream, or that call their JSON something else, are understood too.
func read(ctx *pdk.Context, resp *pdk.Response) (*chatOut, error) {
	if strings.HasPrefix(strings.ToLower(resp.Header.Get("Content-Type")), "text/html") {
		return nil, upstream("the answer is a web page, not the API's; is base_url right?", true)
	}
	c := &collector{ctx: ctx, resp: resp}
	body := bufio.NewReader(resp.Body)
	var err error
	if first, _ := body.Peek(1); string(first) == "{" {
		err = c.whole(body)
	} else {
		err = eachEvent(body, c.event)
	}
	if err != nil && !errors.Is(err, errDone) {
		return nil, err
	}
	if !c.done && c.out.FinishReason == "" {
		return nil, upstream("the stream broke off before the answer was complete", false)
	}
	c.out.Text = c.text.String()
	return &c.out, nil
}

// collector puts an answer together.
type collector struct {
	ctx  *pdk.Context
	resp *pdk.Response
	text strings.Builder
	out  chatOut
	done bool
}

// errDone ends a stream that has said [DONE], whatever follows.
var errDone = errors.New("done")

func (c *collector) event(data []byte) error {
	if string(data) == "[DONE]" {
		c.done = true
		return errDone
	}
	var chunk wireChunk
	if err := json.Unmarshal(data, &chunk); err != nil {
		return upstream("an event of the stream is not the JSON expected: "+cut(string(data)), false)
	}
	return c.add(&chunk)
}

func (c *collector) whole(body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	var answer wireChunk
	if err := json.Unmarshal(data, &answer); err != nil {
		return upstream("the answer is not the JSON expected: "+cut(string(data)), false)
	}
	if len(answer.Choices) == 0 && len(answer.Error) == 0 {
		return upstream("the answer holds no choices: "+cut(string(data)), false)
	}
	c.done = true
	return c.add(&answer)
}

func (c *collector) add(chunk *wireChunk) error {
	if len(chunk.Error) > 0 && string(chunk.Error) != "null" {
		return parseFault(chunk.Error).asError(c.resp)
	}
	if chunk.Model != "" {
		c.out.Model = chunk.Model
	}
	if chunk.Usage != nil {
		c.out.Usage = chunk.Usage
	}
	if len(chunk.Choices) == 0 { // the event that carries the usage has none
		return nil
	}
	first := &chunk.Choices[0]
	for _, piece := range []string{first.Message.Content, first.Message.Refusal, first.Delta.Content, first.Delta.Refusal} {
		c.text.WriteString(piece)
		c.ctx.Partial(piece)
	}
	if first.FinishReason != "" {
		c.out.FinishReason = first.FinishReason
	}
	return nil
}

// eachEvent calls fn with the data of each server-sent event, however the bytes are cut, until the
// stream ends or fn returns an error. Comments and fields other than data are passed over; an event
// without its empty line at the end of the stream counts too.
func eachEvent(body io.Reader, fn func(data []byte) error) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(make([]byte, 0, 4<<10), maxEvent)
	var data []byte
	has := false
	flush := func() error {
		if !has {
			return nil
		}
		err := fn(bytes.TrimSpace(data))
		data, has = data[:0], false
		return err
	}
	for lines.Scan() {
		line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if err := flush(); err != nil {
				return err
			}
			continue
		}
		value, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		if has {
			data = append(data, '\n')
		}
		data, has = append(data, bytes.TrimPrefix(value, []byte(" "))...), true
		if len(data) > maxEvent {
			return tooLong()
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return tooLong()
	} else if err != nil {
		return err
	}
	return flush()
}

func tooLong() error { return upstream("an event of the stream is longer than 1 MiB", true) }

// upstream says that the server failed in a way that HTTP does not tell. Final is for failures that
// come again.
func upstream(what string, final bool) error {
	return pdk.With(pdk.Errorf(abi.CodeUpstream, "the model's server failed: %s", what), pdk.More{Final: final})
}
