// Copyright 2026 The Gantry Authors.

// Command hostile shows how the sandbox ends plugins that run away: each shape of host/sandbox/hostile
// with the limit it meets, how long after that limit it was over, with which code and message, and
// what another plugin on the same engine noticed meanwhile.
//
//	make build && go run ./bench/hostile [-d 2s] [-pause 500µs] [-only TEXT] [-gantry bin/gantry] [-json]
//
// A shape runs again and again for -d, with -pause in between: those that are over at once come to some
// 1,500 runs a second. The neighbour is called without a pause from one goroutine; its 99th percentile
// is held against that of quiet windows before each shape. Then one tenant storms a plugin of few
// slots from many goroutines, and another's calls of it and of a second plugin are held against quiet
// ones. At the end come the
// heaviest modules that admission lets in, compiled by -gantry in a process of its own, with what
// that took; an empty -gantry leaves them out. It is a program, not a test: it asserts nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"text/tabwriter"
	"time"
)

// slack is what a shape may take beyond its limit.
const slack = 50 * time.Millisecond

// maxSlowdown is how much longer the neighbour's 99th percentile may become.
const maxSlowdown = 2

// row is one line of the result, for machines.
type row struct {
	Row      string  `json:"row"`
	Unit     string  `json:"unit"`
	Ours     float64 `json:"ours"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
	Target   float64 `json:"target"`
	Most     bool    `json:"at_most"`
	Holds    bool    `json:"holds"`
}

func main() {
	window := flag.Duration("d", 2*time.Second, "how long each shape is run again and again")
	pause := flag.Duration("pause", 500*time.Microsecond, "pause between the runs of a shape")
	gantry := flag.String("gantry", "bin/gantry", "the program that compiles the heaviest modules; empty leaves them out")
	only := flag.String("only", "", "only the shapes with this in their names, and nothing else")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	// The heaviest come first: what the system says of a child's memory begins with that of its parent.
	var heavy []compiled
	var err error
	if *gantry != "" && *only == "" {
		if heavy, err = compileHeaviest(*gantry); err != nil {
			log.Fatal(err)
		}
	}
	results, err := run(*window, *pause, *only)
	if err != nil {
		log.Fatal(err)
	}
	var stormed []storm
	if *only == "" {
		if stormed, err = storms(*window); err != nil {
			log.Fatal(err)
		}
	}
	if *asJSON {
		all := rows(results)
		for i := range stormed {
			all = append(all, stormed[i].row())
		}
		err = json.NewEncoder(os.Stdout).Encode(all)
	} else {
		err = print(results, stormed, heavy)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func rows(results []result) []row {
	var out []row
	for _, r := range results {
		late := row{Row: r.shape + ": after its limit", Unit: "ms", Ours: ms(r.over()), Target: ms(slack), Most: true}
		late.Holds = r.over() <= slack && r.asExpected
		near := row{Row: r.shape + ": another plugin's p99", Unit: "µs", Ours: us(r.near), Baseline: us(r.quiet), Target: maxSlowdown, Most: true}
		near.Ratio = near.Ours / near.Baseline
		near.Holds = near.Ratio <= maxSlowdown
		out = append(out, late, near)
	}
	return out
}

func us(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func print(results []result, stormed []storm, heavy []compiled) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "shape\tlimit\tover after\tbeyond\truns\tneighbour p99\tquiet\tratio\tcode\tmessage")
	late, slow, strange := 0, 0, 0
	for _, r := range results {
		ratio := us(r.near) / us(r.quiet)
		note := ""
		if !r.asExpected {
			note = " (not what was expected)"
			strange++
		}
		if r.over() > slack {
			late++
		}
		if ratio > maxSlowdown {
			slow++
		}
		fmt.Fprintf(w, "%s\t%v\t%.1f ms\t%.1f ms\t%d\t%.1f µs\t%.1f µs\t%.1f\t%s\t%.70s%s\n",
			r.shape, r.limit, ms(r.longest), ms(r.over()), r.runs, us(r.near), us(r.quiet), ratio, r.code, r.message, note)
	}
	for i := range stormed {
		r := stormed[i].row()
		fmt.Fprintf(w, "%s\t\t\t\t\t%.1f µs\t%.1f µs\t%.1f\n", r.Row, r.Ours, r.Baseline, r.Ratio)
	}
	if len(heavy) > 0 {
		fmt.Fprintln(w, "\nas heavy as admission allows\tfile\tcompiled in\tCPU time\tmemory\tresult")
		for _, c := range heavy {
			fmt.Fprintf(w, "%s\t%d KiB\t%.1f s\t%.1f s\t%d MiB\t%s\n", c.shape, c.bytes>>10, c.took.Seconds(), c.cpu.Seconds(), c.peak>>20, c.result)
		}
	}
	fmt.Fprintf(w, "\n%d shapes; %d over %v beyond their limit; %d with another code or message; the neighbour's p99 more than %d times that of quiet beside %d\n",
		len(results), late, slack, strange, maxSlowdown, slow)
	return w.Flush()
}
