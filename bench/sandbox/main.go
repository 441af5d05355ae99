// Copyright 2026 The Gantry Authors.

// Command sandbox measures what a sandboxed call costs, beside the same guests on wazero alone and
// on Extism's Go SDK, all in one run on one machine.
//
//	go run ./bench/sandbox [-d 200ms] [-rounds 7] [-quick] [-only echo,fresh,stop,reload,many] [-json]
//
// Run it from the repository's root; it builds its guests with the go tool. The C guest is a module
// written by hand, of the kind that C compiles to. It is a program, not a test: it asserts nothing
// about speed, only that the answers are right.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"text/tabwriter"
	"time"
)

// row is one line of the result: ours against a baseline. Target is what the ratio has to be at
// least, or for a Most row at most.
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

// cheaper wants baseline to be at least target times ours.
func cheaper(name, unit string, ours, baseline, target float64) row {
	return row{Row: name, Unit: unit, Ours: ours, Baseline: baseline, Ratio: baseline / ours, Target: target, Holds: baseline/ours >= target}
}

// dearer wants ours to be at most target times baseline.
func dearer(name, unit string, ours, baseline, target float64) row {
	return row{Row: name, Unit: unit, Ours: ours, Baseline: baseline, Ratio: ours / baseline, Target: target, Most: true, Holds: ours/baseline <= target}
}

// within wants ours to be at most the baseline, which is a bound and not a measurement.
func within(name, unit string, ours, bound float64) row { return dearer(name, unit, ours, bound, 1) }

// part is one of the program's measurements.
type part struct {
	name string
	run  func(*bench) ([]row, error)
}

func parts() []part {
	return []part{{"echo", echoes}, {"fresh", fresh}, {"stop", interruptible}, {"reload", reloads}, {"many", many}}
}

func main() {
	if os.Getenv(childDir) != "" {
		if err := serveChild(os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	window := flag.Duration("d", 200*time.Millisecond, "how long each measurement of a round lasts")
	rounds := flag.Int("rounds", 7, "rounds, interleaved; the median counts")
	quick := flag.Bool("quick", false, "a short look: 3 rounds of 50 ms, and fewer plugins")
	only := flag.String("only", "", "the parts to run, with commas between them; all where empty")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	b := &bench{contest: contest{*rounds, *window}, quick: *quick, progress: os.Stderr}
	if *quick {
		b.contest = contest{3, 50 * time.Millisecond}
	}
	if err := run(b, *only, *asJSON); err != nil {
		log.Fatal(err)
	}
}

func run(b *bench, only string, asJSON bool) (err error) {
	if err := b.open(); err != nil {
		return err
	}
	defer func() { err = b.close(err) }()
	var rows []row
	for _, p := range parts() {
		if only != "" && !strings.Contains(","+only+",", ","+p.name+",") {
			continue
		}
		fmt.Fprintln(b.progress, "measuring:", p.name)
		more, err := p.run(b)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, more...)
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return report(os.Stdout, rows)
}

func report(w io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "row\tours\tbaseline\tunit\tratio\ttarget\tholds")
	for _, r := range rows {
		sign, holds := "≥", "yes"
		if r.Most {
			sign = "≤"
		}
		if !r.Holds {
			holds = "no"
		}
		fmt.Fprintf(tw, "%s\t%.2f\t%.2f\t%s\t%.2f\t%s %g\t%s\n", r.Row, r.Ours, r.Baseline, r.Unit, r.Ratio, sign, r.Target, holds)
	}
	return tw.Flush()
}
