// Copyright 2026 The Gantry Authors.

// Command slow is a plugin whose tool takes its time: for trying out progress, streaming and
// cancelling against a host.
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

var _ = pdk.Serve(pdk.Plugin{Name: "slow", Summary: "A tool that takes its time"},
	pdk.Tool("slow_count", "Counts slowly, and tells how far it is.", count, pdk.ReadOnly, pdk.Idempotent))

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

func main() {}
