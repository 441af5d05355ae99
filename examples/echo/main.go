// Copyright 2026 The Gantry Authors.

// Command echo is a plugin that answers what it is told. The benchmarks call it because it costs
// nothing but the way to it and back; the end-to-end tests build it under several names and
// versions with the linker's -X, which is why these are variables.
package main

import "github.com/gantryhost/gantry/pdk"

var (
	plugin  = "echo"
	tool    = "echo"
	version = "1.0.0"
)

type echoIn struct {
	Text string `json:"text" doc:"What to say back"`
}

type echoOut struct {
	Text string `json:"text"`
}

type whoOut struct {
	Text    string `json:"text"`
	Tenant  string `json:"tenant"`
	Version string `json:"version"`
}

var _ = pdk.Serve(pdk.Plugin{Name: plugin, Version: version, Summary: "Says back what it is told"},
	pdk.Tool(tool, "Say a text back.", echo, pdk.ReadOnly),
	pdk.Tool(tool+"_who", "Say a text back, with the caller's tenant and the plugin's version.", who, pdk.ReadOnly))

func echo(_ *pdk.Context, in echoIn) (echoOut, error) { return echoOut(in), nil }

func who(ctx *pdk.Context, in echoIn) (whoOut, error) {
	return whoOut{Text: in.Text, Tenant: ctx.Tenant(), Version: version}, nil
}

func main() {}
