// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func printJSON(cmd *cobra.Command, v any) error {
	enc := json.NewEncoder(cmd.OutOrStdout())
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// spin shows on a terminal that something takes its time, from half a second on, until the returned
// function is called. Elsewhere it shows nothing.
func (s *settings) spin(cmd *cobra.Command, what string) (stop func()) {
	w := cmd.ErrOrStderr()
	if s.JSON || !isTerminal(w) {
		return func() {}
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-done:
				fmt.Fprint(w, "\r\033[K")
				return
			case <-tick.C:
				if n >= 4 {
					fmt.Fprintf(w, "\r\033[K%c %s … %ds", `|/-\`[n%4], what, n/10)
				}
			}
		}
	})
	return func() { close(done); wg.Wait() }
}
