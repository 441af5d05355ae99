// Copyright 2026 The Gantry Authors.

// Hello is the smallest plugin: one typed tool.
package main

import "github.com/gantryhost/gantry/pdk"

type helloIn struct {
	Name string `json:"name" doc:"Whom to greet" example:"Ada" maxLength:"200"`
	Tone string `json:"tone,omitempty" enum:"warm,formal" default:"warm"`
}

var _ = pdk.Serve(pdk.Plugin{Name: "hello", Summary: "Greets"},
	pdk.Tool("hello", "Greet somebody by name.", hello, pdk.ReadOnly))

func hello(ctx *pdk.Context, in helloIn) (string, error) {
	if in.Tone == "formal" {
		return "Good day, " + in.Name + ".", nil
	}
	return "Hello, " + in.Name + "!", nil
}

func main() {}
