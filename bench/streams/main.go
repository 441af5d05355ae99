// Copyright 2026 The Gantry Authors.

// Command streams measures what open, silent event streams cost the real host: it opens thousands of
// them, in both eras of MCP, looks at the host's memory before, with them and after they have left,
// and lets some clients stop reading in the middle of an answer.
//
//	make build && go run ./bench/streams [-n 10000] [-slow 50] [-only 2026-07-28|2025-11-25|slow] [-settle 75s] [-sleep 1m] [-json]
//
// The host is a process of its own on this machine. Memory is what the kernel counts as the process's
// resident set. It needs as many descriptors as streams (ulimit -n). It is a program, not a test: it
// asserts nothing.
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

// row is one line of the result.
type row struct {
	Row    string  `json:"row"`
	Ours   float64 `json:"ours"`
	Unit   string  `json:"unit"`
	Target float64 `json:"target,omitempty"`
	Holds  bool    `json:"holds"`
	Note   string  `json:"note,omitempty"`
}

func main() {
	n := flag.Int("n", 10_000, "how many streams of each era")
	slow := flag.Int("slow", 50, "how many clients stop reading")
	only := flag.String("only", "", "a version of the protocol, or slow, for the readers that are; all where empty")
	flag.DurationVar(&settle, "settle", settle, "how long the open streams are left alone before the host's memory is looked at")
	flag.DurationVar(&sleep, "sleep", sleep, "the host's --session-sleep")
	asJSON := flag.Bool("json", false, "print rows as JSON")
	flag.Parse()
	rows, err := run(*n, *slow, *only)
	if err != nil {
		log.Fatal(err)
	}
	if err := print(rows, *asJSON); err != nil {
		log.Fatal(err)
	}
}

// settle is long enough for comments on every stream, and for the host to have had its minute to give
// memory back.
var settle = 75 * time.Second

// sleep is when sessions sleep that have nothing but a silent stream: the host's own default.
var sleep = time.Minute

func run(n, slow int, only string) ([]row, error) {
	var rows []row
	for _, era := range []string{"2026-07-28", "2025-11-25"} {
		if only != "" && only != era {
			continue
		}
		h, err := start()
		if err != nil {
			return nil, err
		}
		some, err := h.idle(era, n)
		h.stop()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", era, err)
		}
		rows = append(rows, some...)
	}
	if only != "" && only != "slow" {
		return rows, nil
	}
	h, err := start()
	if err != nil {
		return nil, err
	}
	defer h.stop()
	some, err := h.slowReaders(slow)
	return append(rows, some...), err
}

// idle opens n streams of an era and closes them again.
func (h *host) idle(era string, n int) ([]row, error) {
	open, err := h.opener(era)
	if err != nil {
		return nil, err
	}
	warm, err := open(0)
	if err != nil {
		return nil, err
	}
	defer warm.close()
	before, err := h.settled()
	if err != nil {
		return nil, err
	}
	streams := make([]*stream, 0, n)
	for i := range n {
		s, err := open(i)
		if err != nil {
			return nil, fmt.Errorf("stream %d: %w", i, err)
		}
		streams = append(streams, s)
	}
	fmt.Fprintf(os.Stderr, "%s: %d streams are open\n", era, len(streams))
	time.Sleep(settle)
	with, err := h.vitals()
	if err != nil {
		return nil, err
	}
	each := float64(with.resident-before.resident) / float64(n) / 1024
	fmt.Fprintf(os.Stderr, "%s: %.1f KiB each\n", era, each)
	for _, s := range streams {
		s.close()
	}
	left := func(v vitals) bool {
		return v.descriptors <= before.descriptors+8 && v.goroutines <= before.goroutines+80
	}
	gone, took, err := h.until(2*time.Minute, left)
	if err != nil {
		return nil, err
	}
	stays, note := int64(16<<20), ""
	if era < "2026" {
		stays += int64(n) * 4 << 10
		note = "; its sessions stay, asleep"
	}
	after, _, err := h.until(150*time.Second, func(v vitals) bool { return v.inUse <= before.inUse+stays })
	if err != nil {
		return nil, err
	}
	return []row{
		{fmt.Sprintf("%d silent streams of %s: resident memory each", n, era), each, "KiB", 40, each <= 40, fmt.Sprintf("%d goroutines", with.goroutines)},
		{fmt.Sprintf("%d streams of %s have left: goroutines and descriptors as before", n, era), took.Seconds(), "s", 0,
			left(gone),
			fmt.Sprintf("goroutines %d → %d → %d, descriptors %d → %d → %d", before.goroutines, with.goroutines, gone.goroutines, before.descriptors, with.descriptors, gone.descriptors)},
		{fmt.Sprintf("%d streams of %s have left: memory in use by Go against before", n, era), float64(after.inUse) / (1 << 20), "MiB", 0,
			after.inUse <= before.inUse+stays, fmt.Sprintf("%.1f → %.1f → %.1f MiB%s", mib(before.inUse), mib(with.inUse), mib(after.inUse), note)},
	}, nil
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

func print(rows []row, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(os.Stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(rows)
	}
	tw := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "row\tours\tunit\ttarget\tholds\tnote")
	for _, r := range rows {
		target := "-"
		if r.Target > 0 {
			target = fmt.Sprintf("≤ %g", r.Target)
		}
		fmt.Fprintf(tw, "%s\t%.1f\t%s\t%s\t%v\t%s\n", r.Row, r.Ours, r.Unit, target, r.Holds, r.Note)
	}
	return tw.Flush()
}
