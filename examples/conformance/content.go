// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gantryhost/gantry/pdk"
)

// none is the input of a tool that takes none.
type none struct{}

// The smallest picture (one pixel) and sound (eight samples of silence) that are valid.
const (
	pngBase64 = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNQSDgAAAHkAUGi6zIMAAAAAElFTkSuQmCC"
	wavBase64 = "UklGRiwAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQgAAACAgICAgICAgA=="
)

const watchedURI = "test://watched-resource"

// schema202012 has to reach clients word for word.
const schema202012 = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "$defs": {
    "address": {
      "$anchor": "addressDef",
      "type": "object",
      "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
    }
  },
  "properties": {
    "name": {"type": "string"},
    "address": {"$ref": "#/$defs/address"},
    "contactMethod": {"type": "string", "enum": ["phone", "email"]},
    "phone": {"type": "string"},
    "email": {"type": "string"}
  },
  "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
  "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
  "then": {"required": ["phone"]},
  "else": {"required": ["email"]},
  "additionalProperties": false
}`

const headerSchema = `{
  "type": "object",
  "properties": {
    "region": {"type": "string", "description": "Goes into a header too.", "x-mcp-header": "Region"},
    "level": {"type": "integer", "description": "Stays in the arguments."}
  }
}`

func picture() []byte { return fromBase64(pngBase64) }

func fromBase64(s string) []byte {
	data, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil // cannot happen: the constants above are valid
	}
	return data
}

func simpleText(*pdk.Context, none) (string, error) {
	return "This is a simple text response for testing.", nil
}

func imageContent(*pdk.Context, none) (pdk.Result, error) {
	return pdk.Contents(pdk.Image("image/png", picture())), nil
}

func audioContent(*pdk.Context, none) (pdk.Result, error) {
	return pdk.Contents(pdk.Audio("audio/wav", fromBase64(wavBase64))), nil
}

func embeddedResource(*pdk.Context, none) (pdk.Result, error) {
	return pdk.Contents(pdk.Embed("test://embedded-resource", "text/plain", "This is an embedded resource content.")), nil
}

func multipleContent(*pdk.Context, none) (pdk.Result, error) {
	return pdk.Contents(
		pdk.Text("Multiple content types test:"),
		pdk.Image("image/png", picture()),
		pdk.Embed("test://mixed-content-resource", "application/json", `{"test":"data","value":123}`),
	), nil
}

func errorHandling(*pdk.Context, none) (string, error) {
	return "", errors.New("this tool intentionally returns an error for testing")
}

func echoInput(_ *pdk.Context, in json.RawMessage) (string, error) {
	return fmt.Sprintf("JSON Schema 2020-12 tool called with: %s", in), nil
}

func mirroredArgument(_ *pdk.Context, in struct {
	Region string `json:"region,omitempty"`
}) (string, error) {
	return "region=" + in.Region, nil
}

func withProgress(ctx *pdk.Context, _ none) (string, error) {
	for _, done := range []float64{0, 50, 100} {
		ctx.Progress(done, 100, fmt.Sprintf("Completed step %.0f of 100", done))
		time.Sleep(50 * time.Millisecond)
	}
	return string(ctx.Client().ProgressToken), nil
}

func withLogging(ctx *pdk.Context, _ none) (string, error) {
	for _, line := range []string{"Tool execution started", "Tool processing data", "Tool execution completed"} {
		ctx.Infof("%s", line)
		time.Sleep(50 * time.Millisecond)
	}
	return "Tool with logging executed successfully", nil
}

func oneLogLine(ctx *pdk.Context, _ none) (string, error) {
	ctx.Infof("test_logging_tool executed")
	return "A line was logged; only clients that asked for it have seen it.", nil
}

func noQuestion(*pdk.Context, none) (string, error) {
	return "Nothing was asked of the client.", nil
}

func reconnection(*pdk.Context, none) (string, error) {
	time.Sleep(100 * time.Millisecond)
	return "Reconnection test completed successfully.", nil
}

func announce(what string) func(*pdk.Context, none) (string, error) {
	return func(ctx *pdk.Context, _ none) (string, error) {
		return "announced a change of " + what, ctx.Changed(what)
	}
}

func simplePrompt(*pdk.Context, none) (pdk.PromptResult, error) {
	return pdk.Messages(pdk.User(pdk.Text("This is a simple prompt for testing."))), nil
}

func promptWithArguments(_ *pdk.Context, in struct {
	Arg1 string `json:"arg1" doc:"First test argument"`
	Arg2 string `json:"arg2" doc:"Second test argument"`
}) (pdk.PromptResult, error) {
	return pdk.Messages(pdk.User(pdk.Text(fmt.Sprintf("Prompt with arguments: arg1='%s', arg2='%s'", in.Arg1, in.Arg2)))), nil
}

func promptWithResource(_ *pdk.Context, in struct {
	ResourceURI string `json:"resourceUri" doc:"URI of the resource to embed"`
}) (pdk.PromptResult, error) {
	return pdk.Messages(
		pdk.User(pdk.Embed(in.ResourceURI, "text/plain", "Embedded resource content for testing.")),
		pdk.User(pdk.Text("Please process the embedded resource above.")),
	), nil
}

func promptWithImage(*pdk.Context, none) (pdk.PromptResult, error) {
	return pdk.Messages(
		pdk.User(pdk.Image("image/png", picture())),
		pdk.User(pdk.Text("Please analyze the image above.")),
	), nil
}

func staticText(*pdk.Context) (string, error) {
	return "This is the content of the static text resource.", nil
}

func staticBinary(*pdk.Context) ([]byte, error) { return picture(), nil }

func watched(*pdk.Context) (string, error) { return "Watched resource content", nil }

func templated(_ *pdk.Context, req pdk.ReadRequest) (string, error) {
	id := req.Variables["id"]
	data, err := json.Marshal(map[string]any{"id": id, "templateTest": true, "data": "Data for ID: " + id})
	return string(data), err
}

func complete(_ *pdk.Context, req pdk.CompleteRequest) ([]string, error) {
	if req.Prompt != "test_prompt_with_arguments" {
		return nil, nil
	}
	return []string{req.Value + "1", req.Value + "2"}, nil
}
