// Copyright 2026 The Gantry Authors.

// Command limits measures what each limit costs a call, as the same work with the limit and without
// it, in turn in one run on one machine.
//
//	go run ./bench/limits [-d 100ms] [-rounds 11] [-quick] [-json]
//
// Times are CPU time of the whole process, which other programs on the machine change little, and with it
// what is done in the background. The price is the median over the rounds of the difference between two
// neighbouring measurements. It is a program, not a test: it asserts nothing about speed, only that calls
// succeed.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

// pair is one limit: an operation with it, and the same without. Either tells what went wrong.
type pair struct {
	row           string
	with, without func() error
	// per divides what is measured, where one operation meets the limit often; 0 is 1.
	per int
	// most is what the price may be at most; 0 sets no target.
	most time.Duration
}

// row is one line of the result, in nanoseconds.
type row struct {
	Row      string  `json:"row"`
	Ours     float64 `json:"ours"`
	Baseline float64 `json:"baseline"`
	Price    float64 `json:"price"`
	Ratio    float64 `json:"ratio"`
	// Target bounds the price; 0 is none.
	Target float64 `json:"target"`
	Holds  bool    `json:"holds"`
}

func main() {
	window := flag.Duration("d", 100*time.Millisecond, "how long each measurement of a round lasts")
	rounds := flag.Int("rounds", 11, "rounds, interleaved; the median counts")
	quick := flag.Bool("quick", false, "a short look: 3 rounds of 20 ms")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	if *quick {
		*window, *rounds = 20*time.Millisecond, 3
	}
	if err := run(*window, *rounds, *asJSON); err != nil {
		log.Fatal(err)
	}
}

func run(window time.Duration, rounds int, asJSON bool) error {
	b, err := open()
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, p := range b.pairs() {
		r, err := p.measure(window, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", p.row, err)
		}
		rows = append(rows, r)
	}
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	return report(os.Stdout, rows)
}

// measure takes both in turn; who is first changes with the round.
func (p *pair) measure(window time.Duration, rounds int) (row, error) {
	var with, without, price []float64
	for i := range rounds {
		ops := [2]func() error{p.with, p.without}
		var took [2]float64
		for j := range ops {
			k := (i + j) % 2
			n, err := perOperation(ops[k], window)
			if err != nil {
				return row{}, err
			}
			took[k] = n / float64(max(p.per, 1))
		}
		with, without, price = append(with, took[0]), append(without, took[1]), append(price, took[0]-took[1])
	}
	r := row{Row: p.row, Ours: median(with), Baseline: median(without), Price: median(price), Target: float64(p.most.Nanoseconds())}
	r.Ratio = r.Ours / r.Baseline
	r.Holds = r.Target == 0 || r.Price <= r.Target
	return r, nil
}

// cpu is the time that this process has computed.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// perOperation is the mean CPU time of an operation over a window, in nanoseconds.
func perOperation(op func() error, window time.Duration) (float64, error) {
	const batch = 64
	n, start := 0, cpu()
	for cpu()-start < window {
		for range batch {
			if err := op(); err != nil {
				return 0, err
			}
		}
		n += batch
	}
	return float64((cpu() - start).Nanoseconds()) / float64(n), nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}

func report(w io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "limit\twith (ns)\twithout (ns)\tprice (ns)\tratio\ttarget\tholds")
	for _, r := range rows {
		target, holds := "-", "-"
		if r.Target > 0 {
			target, holds = fmt.Sprintf("≤ %g", r.Target), "yes"
			if !r.Holds {
				holds = "no"
			}
		}
		fmt.Fprintf(tw, "%s\t%.1f\t%.1f\t%.1f\t%.2f\t%s\t%s\n", r.Row, r.Ours, r.Baseline, r.Price, r.Ratio, target, holds)
	}
	return tw.Flush()
}
