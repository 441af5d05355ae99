// Copyright 2026 The Gantry Authors.

// Command mcp measures a sandboxed echo tool through MCP and REST beside the official Go SDK's own
// server with a native echo tool and a bare Fiber handler, all in one run on one machine.
//
//	make build && go run ./bench/mcp [-d 3s] [-c 32,256] [-rounds 3] [-only REGEXP] [-json]
//
// Every server is a process of its own; the load comes from this one. Trust the CPU per request and
// the ratios: the rates share two cores with the load generator. It is a program, not a test: it
// asserts nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// subject is one server and one way to call it.
type subject struct {
	Name  string
	Start func() (*server, error)
	Talk  func(*server) talk
}

// figures are what one subject showed, medians over the rounds.
type figures struct {
	Name   string  `json:"name"`
	Conns  int     `json:"connections"`
	PerSec float64 `json:"per_second"`
	P50    float64 `json:"p50_ms"`
	P99    float64 `json:"p99_ms"`
	CPU    float64 `json:"cpu_us"`
}

// row is one line of the result: ours against a baseline.
type row struct {
	Row      string  `json:"row"`
	Conns    int     `json:"connections"`
	Ours     float64 `json:"ours"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
	Target   float64 `json:"target"`
	Holds    bool    `json:"holds"`
}

func main() {
	if mode := os.Getenv(childMode); mode != "" {
		log.Fatal(serveBaseline(mode, os.Getenv(childAddr)))
	}
	window := flag.Duration("d", 3*time.Second, "how long each measurement lasts")
	conns := flag.String("c", "32,256", "numbers of connections")
	rounds := flag.Int("rounds", 3, "rounds, interleaved; the median counts")
	only := flag.String("only", "", "measure the servers whose name matches; rows that lack one are left out")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	wanted, err := regexp.Compile(*only)
	if err != nil {
		log.Fatalf("-only: %v", err)
	}
	all, err := subjects()
	if err != nil {
		log.Fatal(err)
	}
	all = slices.DeleteFunc(all, func(s subject) bool { return !wanted.MatchString(s.Name) })
	var table []figures
	for part := range strings.SplitSeq(*conns, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil || n < 1 {
			log.Fatalf("-c: %q is no number of connections", part)
		}
		some, err := compare(all, n, *rounds, *window)
		if err != nil {
			log.Fatal(err)
		}
		table = append(table, some...)
	}
	if err := report(table, *asJSON); err != nil {
		log.Fatal(err)
	}
}

// compare measures every subject in turn, round by round, and returns the medians.
func compare(all []subject, conns, rounds int, window time.Duration) ([]figures, error) {
	results := make([][]figures, len(all))
	for r := range rounds {
		for i, s := range all {
			f, err := measure(s, conns, window)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", s.Name, r+1, err)
			}
			results[i] = append(results[i], f)
			fmt.Fprintf(os.Stderr, "%3d connections, round %d  %-34s %8.0f/s  %6.1f µs CPU\n", conns, r+1, s.Name, f.PerSec, f.CPU)
		}
	}
	table := make([]figures, len(all))
	for i, rs := range results {
		table[i] = median(rs)
	}
	return table, nil
}

func measure(s subject, conns int, window time.Duration) (figures, error) {
	srv, err := s.Start()
	if err != nil {
		return figures{}, err
	}
	defer srv.stop()
	l := load{addr: srv.addr, conns: conns, talk: s.Talk(srv)}
	if _, err := l.run(window / 2); err != nil { // warm-up
		return figures{}, err
	}
	before, err := srv.cpu()
	if err != nil {
		return figures{}, err
	}
	took, err := l.run(window)
	if err != nil {
		return figures{}, err
	}
	after, err := srv.cpu()
	if err != nil {
		return figures{}, err
	}
	slices.Sort(took)
	n := len(took)
	return figures{
		Name: s.Name, Conns: conns, PerSec: float64(n) / window.Seconds(),
		P50: ms(took[n/2]), P99: ms(took[n*99/100]),
		CPU: float64((after - before).Microseconds()) / float64(n),
	}, nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(rs []figures) figures {
	mid := func(get func(figures) float64) float64 {
		var v []float64
		for _, r := range rs {
			v = append(v, get(r))
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	return figures{
		Name:   rs[0].Name,
		Conns:  rs[0].Conns,
		PerSec: mid(func(f figures) float64 { return f.PerSec }),
		P50:    mid(func(f figures) float64 { return f.P50 }),
		P99:    mid(func(f figures) float64 { return f.P99 }),
		CPU:    mid(func(f figures) float64 { return f.CPU }),
	}
}

// rowsOf compares CPU per request: how many times cheaper ours is than the SDK's (target at least),
// and how many times dearer than the bare handler (target at most).
func rowsOf(table []figures) []row {
	var out []row
	add := func(name, ours, base string, target float64, cheaper bool) {
		for _, o := range table {
			for _, b := range table {
				if o.Name != ours || b.Name != base || o.Conns != b.Conns {
					continue
				}
				r := row{name, o.Conns, o.CPU, b.CPU, o.CPU / b.CPU, target, o.CPU/b.CPU <= target}
				if cheaper {
					r.Ratio = b.CPU / o.CPU
					r.Holds = r.Ratio >= target
				}
				out = append(out, r)
			}
		}
	}
	add("MCP modern, Go guest: cheaper than the SDK, stateless + JSON", oursModern, sdkStateless, 6, true)
	add("MCP session, Go guest: cheaper than the SDK, stateful + SSE", oursSession, sdkStateful, 4, true)
	add("MCP modern, Go guest: dearer than a bare Fiber handler", oursModern, bareFiber, 2.5, false)
	add("MCP modern, C guest: dearer than a bare Fiber handler", oursC, bareFiber, 1.6, false)
	add("REST execute + stream: dearer than a bare Fiber handler", oursREST, bareFiber, 4, false)
	return out
}

func report(table []figures, asJSON bool) error {
	rows := rowsOf(table)
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(map[string]any{"figures": table, "rows": rows})
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "server\tconnections\tcalls/s\tp50 ms\tp99 ms\tCPU µs per call")
	for _, f := range table {
		fmt.Fprintf(tw, "%s\t%d\t%.0f\t%.2f\t%.2f\t%.1f\n", f.Name, f.Conns, f.PerSec, f.P50, f.P99, f.CPU)
	}
	fmt.Fprintln(tw, "\nrow\tconnections\tours µs\tbaseline µs\tratio\ttarget\tholds")
	for _, r := range rows {
		fmt.Fprintf(tw, "%s\t%d\t%.1f\t%.1f\t%.2f\t%.1f\t%v\n", r.Row, r.Conns, r.Ours, r.Baseline, r.Ratio, r.Target, r.Holds)
	}
	return tw.Flush()
}
