// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/invoke"
	"github.com/gantryhost/gantry/host/runlog"
	"github.com/gantryhost/gantry/host/store/badgerstore"
	"github.com/gantryhost/gantry/registry"
)

// killedChildDir is set in the process that TestAcceptedRunsSurviveAKill starts and kills.
func killedChildDir() string { return os.Getenv("GANTRY_TEST_RUNS_DIR") }

// killed is a plugin that leaves a trace of each execution in a file, and never ends for "wait".
func killed(dir string) *plugin {
	p := &plugin{manifest: abi.Manifest{ABI: abi.Version, Name: "killed"}}
	return p.tool(abi.Tool{Name: "trace"}, func(ctx context.Context, c *host.GuestCall) (host.Output, error) {
		var in struct{ ID, Then string }
		if err := json.Unmarshal(c.Input, &in); err != nil {
			return host.Output{}, err
		}
		f, err := os.OpenFile(dir+"/trace", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return host.Output{}, err
		}
		_, err = fmt.Fprintln(f, in.ID)
		_ = f.Close()
		if err != nil {
			return host.Output{}, err
		}
		if in.Then == "wait" {
			<-ctx.Done()
			return host.Output{}, ctx.Err()
		}
		return text("did " + in.ID)
	})
}

// killedChild accepts runs for ever and prints the id of each that it has acknowledged.
func killedChild(dir string) {
	s, err := badgerstore.Open(badgerstore.Config{Dir: dir + "/runs"})
	if err != nil {
		fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	reg, err := registry.Open(registry.Config{Loader: loader{"killed": killed(dir)}, Logger: log,
		Embedded: fstest.MapFS{"killed.wasm": &fstest.MapFile{Data: []byte("\x00asm\x01\x00\x00\x00")}}})
	if err != nil {
		fatal(err)
	}
	runs, err := runlog.Open(runlog.Config{Dir: dir + "/log", Store: s, FlushEvery: 10 * time.Millisecond})
	if err != nil {
		fatal(err)
	}
	p, err := invoke.New(invoke.Config{Catalog: reg, Runs: s, Log: runs, MaxConcurrentPerTenant: 100_000, MaxRunsPerTenant: 100_000})
	if err != nil {
		fatal(err)
	}
	ctx := as("acme", "ann")
	for i := 0; ; i++ {
		r := killedRequest(i)
		run, err := p.Start(ctx, r)
		if err != nil {
			fatal(err)
		}
		fmt.Println(i, run.CallID)
		if killedThen(i) == "" {
			fmt.Println(i, run.CallID, lastWord(p, ctx, run.CallID))
		}
	}
}

// killedRequest is the i-th request; every second has a request id.
func killedRequest(i int) invoke.Request {
	id := fmt.Sprintf("r%d", i)
	r := invoke.Request{Tool: "trace", Input: json.RawMessage(fmt.Sprintf(`{"ID":%q,"Then":%q}`, id, killedThen(i)))}
	if i%2 == 0 {
		r.RequestID = id
	}
	return r
}

// lastWord is the type of a run's last event.
func lastWord(p *invoke.Pipeline, ctx context.Context, id string) string {
	events, err := p.Events(ctx, id, 0)
	if err != nil {
		fatal(err)
	}
	for last := invoke.EventType(""); ; {
		e, err := events.Next(ctx)
		if err != nil {
			return string(last)
		}
		last = e.Type
	}
}

func killedThen(i int) string {
	if i%10 < 2 {
		return "wait"
	}
	return ""
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func TestAcceptedRunsSurviveAKill(t *testing.T) {
	for cycle := range 3 {
		dir := t.TempDir()
		acked := runUntilKilled(t, dir, 150+100*cycle)
		s, err := badgerstore.Open(badgerstore.Config{Dir: dir + "/runs"})
		if err != nil {
			t.Fatal(err)
		}
		runs, err := runlog.Open(runlog.Config{Dir: dir + "/log", Store: s})
		if err != nil {
			t.Fatal(err)
		}
		h := startOn(t, s, func(c *invoke.Config) { c.Log = runs }, killed(dir))
		if cycle == 1 {
			if n, err := h.Recover(context.Background()); err != nil || n < len(acked)/5-1 {
				t.Errorf("Recover found %d runs, %v; a fifth of %d was waiting", n, err, len(acked))
			}
		}
		checkSurvivors(t, h, acked)
		h.stop(t)
		if err := errors.Join(runs.Close(context.Background()), s.Close()); err != nil {
			t.Error(err)
		}
		trace, err := os.ReadFile(dir + "/trace")
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, id := range strings.Fields(string(trace)) {
			if seen[id] {
				t.Errorf("%s was executed twice", id)
			}
			seen[id] = true
		}
	}
}

// checkSurvivors holds what a host tells after a kill against what the one before has told.
func checkSurvivors(t *testing.T, h *harness, acked []ack) {
	t.Helper()
	interrupted := 0
	for i, a := range acked {
		if r := killedRequest(i); r.RequestID != "" {
			run, err := h.Start(as("acme", "ann"), r)
			if err != nil || run.CallID != a.callID || !run.Status.Ended() {
				t.Fatalf("%d: got %+v, %v; want the run %s that was acknowledged, ended", i, run, err, a.callID)
			}
		}
		full, err := h.Run(as("acme", "ann"), a.callID)
		switch {
		case err != nil:
			t.Fatalf("run %d of %d, %+v: %v", i, len(acked), a, err)
		case full.Status == invoke.StatusFinished && full.Result.Content[0].Text == fmt.Sprintf("did r%d", i):
		case full.Status == invoke.StatusError && full.Error.Code == abi.CodeInterrupted && full.Error.Retryable && a.last == "":
			interrupted++
		default:
			t.Fatalf("%d, told as %+v: got %+v, %+v", i, a, full, full.Error)
		}
		if again, err := h.Run(as("acme", "ann"), a.callID); err != nil || again.Status != full.Status || !again.EndedAt.Equal(full.EndedAt) {
			t.Fatalf("%d: asked twice it is %+v and %+v, %v", i, full, again, err)
		}
	}
	if interrupted < len(acked)/5-1 {
		t.Errorf("%d of %d runs are interrupted; every fifth was waiting", interrupted, len(acked))
	}
}

// ack is what the child was told of a run: its call id, and the last event where it has seen that.
type ack struct{ callID, last string }

// runUntilKilled lets a child accept runs and kills it after n; it returns what was told of each
// run, in order.
func runUntilKilled(t *testing.T, dir string, n int) []ack {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "GANTRY_TEST_RUNS_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	var acked []ack
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		switch f := strings.Fields(line); len(f) {
		case 2:
			acked = append(acked, ack{callID: f[1]})
		case 3:
			acked[len(acked)-1].last = f[2]
		}
		if len(acked) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if len(acked) < n {
		t.Fatalf("the child acknowledged %d runs: %s", len(acked), stderr.String())
	}
	return acked
}
