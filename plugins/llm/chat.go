// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk"
)

const chatDoc = "Ask a language model for the next message of a conversation. " +
	"Give the conversation so far in messages; the answer is the assistant's reply, streamed as it is written."

// settings are what the operator decides.
type settings struct {
	BaseURL string `json:"base_url" doc:"Where the API is, up to and with its version" default:"https://api.openai.com/v1"`
	Model   string `json:"model" doc:"The model where a call names none" default:"gpt-4o-mini"`
}

type message struct {
	Role    string `json:"role" doc:"Who says it" enum:"system,developer,user,assistant"`
	Content string `json:"content" doc:"What is said"`
}

type chatIn struct {
	Messages         []message `json:"messages" doc:"The conversation so far, oldest first" minItems:"1"`
	Model            string    `json:"model,omitempty" doc:"The model; the operator's default where missing" example:"gpt-4o-mini"`
	MaxTokens        int       `json:"max_tokens,omitempty" doc:"How long the answer may get, in tokens" minimum:"1"`
	Temperature      *float64  `json:"temperature,omitempty" doc:"0 is steady, 2 is wild" minimum:"0" maximum:"2"`
	TopP             *float64  `json:"top_p,omitempty" doc:"Only the likeliest tokens up to this share" minimum:"0" maximum:"1"`
	FrequencyPenalty *float64  `json:"frequency_penalty,omitempty" doc:"Above 0 repeats less" minimum:"-2" maximum:"2"`
	PresencePenalty  *float64  `json:"presence_penalty,omitempty" doc:"Above 0 takes up more new subjects" minimum:"-2" maximum:"2"`
	Stop             []string  `json:"stop,omitempty" doc:"Texts that end the answer" maxItems:"4"`
	Seed             *int64    `json:"seed,omitempty" doc:"The same seed gives, if the model can, the same answer"`
	ResponseFormat   string    `json:"response_format,omitempty" doc:"json_object asks for valid JSON" enum:"text,json_object"`
}

// chatOut is the structured answer; the text content beside it is Text alone.
type chatOut struct {
	Text         string `json:"text"`
	Model        string `json:"model"`
	FinishReason string `json:"finish_reason,omitempty"`
	Usage        *usage `json:"usage,omitempty"`
}

type usage struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
}

const chatOutSchema = `{"type":"object","required":["text","model"],"properties":{` +
	`"text":{"type":"string","description":"The complete answer"},` +
	`"model":{"type":"string","description":"The model that answered"},` +
	`"finish_reason":{"type":"string","description":"Why the answer ended: stop, length, content_filter …"},` +
	`"usage":{"type":"object","properties":{"prompt_tokens":{"type":"integer"},` +
	`"completion_tokens":{"type":"integer"},"total_tokens":{"type":"integer"}}}}}`

// wireRequest is the body of POST /chat/completions.
type wireRequest struct {
	Model               string         `json:"model"`
	Messages            []message      `json:"messages"`
	MaxTokens           int            `json:"max_tokens,omitempty"`
	MaxCompletionTokens int            `json:"max_completion_tokens,omitempty"`
	Temperature         *float64       `json:"temperature,omitempty"`
	TopP                *float64       `json:"top_p,omitempty"`
	FrequencyPenalty    *float64       `json:"frequency_penalty,omitempty"`
	PresencePenalty     *float64       `json:"presence_penalty,omitempty"`
	Stop                []string       `json:"stop,omitempty"`
	Seed                *int64         `json:"seed,omitempty"`
	ResponseFormat      *format        `json:"response_format,omitempty"`
	Stream              bool           `json:"stream"`
	StreamOptions       *streamOptions `json:"stream_options,omitempty"`
}

type format struct {
	Type string `json:"type"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

func chat(ctx *pdk.Context, in chatIn) (pdk.Result, error) {
	var s settings
	if err := ctx.Config(&s); err != nil {
		return pdk.Result{}, err
	}
	if !strings.HasPrefix(s.BaseURL, "https://") && !strings.HasPrefix(s.BaseURL, "http://") {
		return pdk.Result{}, pdk.With(pdk.Errorf(abi.CodeInvalidArg, "the setting base_url is %q, which is no http or https URL", s.BaseURL),
			pdk.More{Hint: "the operator sets it under config: in llm.yaml, or with OPENAI_BASE_URL"})
	}
	req := request(&s, &in)
	resp, err := send(ctx, s.BaseURL, req)
	if err != nil {
		return pdk.Result{}, err
	}
	defer resp.Body.Close()
	out, err := read(ctx, resp)
	if err != nil {
		return pdk.Result{}, err
	}
	if out.Model == "" {
		out.Model = req.Model
	}
	structured, err := json.Marshal(out)
	return pdk.Result{Content: []pdk.Content{pdk.Text(out.Text)}, Structured: structured}, err
}

func request(s *settings, in *chatIn) *wireRequest {
	r := &wireRequest{
		Model: in.Model, Messages: in.Messages, MaxTokens: in.MaxTokens, Temperature: in.Temperature, TopP: in.TopP,
		FrequencyPenalty: in.FrequencyPenalty, PresencePenalty: in.PresencePenalty, Stop: in.Stop, Seed: in.Seed,
		Stream: true, StreamOptions: &streamOptions{IncludeUsage: true},
	}
	if r.Model == "" {
		r.Model = s.Model
	}
	if in.ResponseFormat != "" {
		r.ResponseFormat = &format{in.ResponseFormat}
	}
	return r
}

// send posts the request, and once more for each parameter that this model or server spells in
// another way. A status other than 2xx is an error that holds what the server said.
func send(ctx *pdk.Context, baseURL string, r *wireRequest) (*pdk.Response, error) {
	for {
		resp, err := ctx.Fetch(pdk.Request{
			URL: strings.TrimRight(baseURL, "/") + "/chat/completions", JSON: r, Stream: true,
			Header: map[string]string{"Accept": "text/event-stream, application/json"},
		})
		if err != nil {
			return nil, err
		}
		if resp.OK() {
			return resp, nil
		}
		said := readFault(resp)
		resp.Body.Close()
		if !adapt(r, resp.Status, said) {
			return nil, said.asError(resp)
		}
	}
}

// adapt changes r where the server has refused a parameter that can be said otherwise, and tells
// whether it did: reasoning models take max_completion_tokens, older servers know no stream_options.
func adapt(r *wireRequest, status int, said fault) bool {
	refused := func(param string) bool {
		return said.Param == param || strings.Contains(said.Message, "'"+param+"'") || strings.Contains(said.Message, `"`+param+`"`)
	}
	switch {
	case status != 400 && status != 422:
		return false
	case r.MaxTokens > 0 && refused("max_tokens"):
		r.MaxTokens, r.MaxCompletionTokens = 0, r.MaxTokens
	case r.StreamOptions != nil && refused("stream_options"):
		r.StreamOptions = nil
	default:
		return false
	}
	return true
}
