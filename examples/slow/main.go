// Copyright 2026 The Gantry Authors.

// Command slow is a plugin whose tools take their time: for trying out progress, streaming, cancelling
// and tasks against a host, and what a person has to confirm.
package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/gantryhost/gantry/pdk"
)

type countIn struct {
	N       int `json:"n" doc:"How far to count" minimum:"1" maximum:"100000"`
	DelayMS int `json:"delay_ms,omitempty" doc:"How long to wait before each number" default:"100" minimum:"0" maximum:"10000"`
}

// clock is a picture that clients may show beside slow_count.
const clock = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E" +
	"%3Ccircle cx='8' cy='8' r='7' fill='none' stroke='%23456'/%3E%3Cpath d='M8 4v4l3 2' fill='none' stroke='%23456'/%3E%3C/svg%3E"

var _ = pdk.Serve(pdk.Plugin{Name: "slow", Summary: "Tools that take their time"},
	pdk.Tool("slow_count", "Counts slowly, and tells how far it is.", count,
		pdk.ReadOnly, pdk.Idempotent, pdk.LongRunning, pdk.Icon(clock, "any")),
	pdk.Tool("slow_erase", "Says that it erases a thing, after a moment, and erases nothing.", erase, pdk.Destructive),
	pdk.Tool("slow_around", "Calls slow_erase, if it may.", around))

func count(ctx *pdk.Context, in countIn) (string, error) {
	var said strings.Builder
	for i := 1; i <= in.N; i++ {
		time.Sleep(time.Duration(in.DelayMS) * time.Millisecond)
		piece := fmt.Sprintf("%d ", i)
		said.WriteString(piece)
		ctx.Partial(piece)
		ctx.Progress(float64(i), float64(in.N), fmt.Sprintf("counted to %d", i))
	}
	return said.String(), nil
}

type eraseIn struct {
	What string `json:"what" doc:"What to erase"`
}

func erase(_ *pdk.Context, in eraseIn) (string, error) {
	time.Sleep(20 * time.Millisecond)
	return "erased " + in.What, nil
}

func around(ctx *pdk.Context, in eraseIn) (string, error) {
	r, err := ctx.CallResult("slow_erase", in)
	if err != nil {
		return "", err
	}
	return "by way of slow_around: " + r.Content[0].Text, nil
}

func main() {}
