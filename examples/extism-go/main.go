// Copyright 2026 The Gantry Authors.

//go:build wasip1

// Extism-go is a plugin built with Extism's kit for Go. It describes its tools itself, by describe and
// call; shout and fail are plain functions of a text, tools only where the settings file says so.
package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/extism/go-pdk"
)

func main() {}

const tools = `{"tools": [
  {
    "name": "extism_go_greet",
    "description": "Greet somebody, in the words of the configuration, and say how often this instance has.",
    "inputSchema": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"], "additionalProperties": false}
  },
  {
    "name": "extism_go_fetch",
    "description": "Fetch a page and answer its status and its text.",
    "inputSchema": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"], "additionalProperties": false},
    "annotations": {"readOnlyHint": true, "openWorldHint": true}
  }
]}`

//go:wasmexport describe
func describe() int32 {
	pdk.OutputString(tools)
	return 0
}

type request struct {
	Params struct {
		Name      string
		Arguments struct{ Name, URL string }
	}
}

type content struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

//go:wasmexport call
func call() int32 {
	var r request
	if err := pdk.InputJSON(&r); err != nil {
		return broken(err)
	}
	var text string
	switch args := r.Params.Arguments; r.Params.Name {
	case "extism_go_greet":
		text = greet(args.Name)
	case "extism_go_fetch":
		text = fetch(args.URL)
	default:
		return broken(errors.New("there is no such tool"))
	}
	if err := pdk.OutputJSON(map[string][]content{"content": {{"text", text}}}); err != nil {
		return broken(err)
	}
	return 0
}

func greet(name string) string {
	greeting, ok := pdk.GetConfig("greeting")
	if !ok {
		greeting = "Hello"
	}
	times := pdk.GetVarInt("times") + 1
	pdk.SetVarInt("times", times)
	pdk.Log(pdk.LogInfo, "greeted "+name)
	return fmt.Sprintf("%s, %s! (%d)", greeting, name, times)
}

func fetch(url string) string {
	response := pdk.NewHTTPRequest(pdk.MethodGet, url).SetHeader("Accept", "text/plain").Send()
	return fmt.Sprintf("%d %s", response.Status(), response.Body())
}

//go:wasmexport shout
func shout() int32 {
	pdk.OutputString(strings.ToUpper(pdk.InputString()))
	return 0
}

// fail knows the ways to go wrong.
//
//go:wasmexport fail
func fail() int32 {
	switch how := pdk.InputString(); how {
	case "panic":
		panic("as it was told")
	case "loop":
		for n := 1; n != 0; n += 2 {
		}
		return 1
	case "memory":
		var hoard [][]byte
		for {
			hoard = append(hoard, make([]byte, 1<<20))
		}
	default:
		return broken(errors.New("it was told: " + how))
	}
}

func broken(err error) int32 {
	pdk.SetError(err)
	return 1
}
