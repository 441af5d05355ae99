// Copyright 2026 The Gantry Authors.

package invoke_test

import (
	"bufio"
	"context"
	"encoding/json"
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
	p, err := invoke.New(invoke.Config{Catalog: reg, Runs: s, MaxConcurrentPerTenant: 100_000, MaxRunsPerTenant: 100_000})
	if err != nil {
		fatal(err)
	}
	ctx := as("acme", "ann")
	for i := 0; ; i++ {
		id := fmt.Sprintf("r%d", i)
		r := invoke.Request{Tool: "trace", RequestID: id, Input: json.RawMessage(fmt.Sprintf(`{"ID":%q,"Then":%q}`, id, killedThen(i)))}
		run, err := p.Start(ctx, r)
		if err != nil {
			fatal(err)
		}
		fmt.Println(id, run.CallID)
	}
}

func killedThen(i int) string {
	if i%10 == 0 {
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
		h := startOn(t, s, nil, killed(dir))
		if cycle == 1 {
			if n, err := h.Recover(context.Background()); err != nil || n == 0 {
				t.Errorf("Recover found %d runs, %v; every tenth was waiting", n, err)
			}
		}
		interrupted := 0
		for i, callID := range acked {
			id := fmt.Sprintf("r%d", i)
			r := invoke.Request{Tool: "trace", RequestID: id, Input: json.RawMessage(fmt.Sprintf(`{"ID":%q,"Then":%q}`, id, killedThen(i)))}
			run, err := h.Start(as("acme", "ann"), r)
			if err != nil || run.CallID != callID || !run.Status.Ended() {
				t.Fatalf("%s: got %+v, %v; want the run %s that was acknowledged, ended", id, run, err, callID)
			}
			full, err := h.Run(as("acme", "ann"), callID)
			switch {
			case err != nil:
				t.Fatal(err)
			case full.Status == invoke.StatusFinished && full.Result.Content[0].Text != "did "+id:
				t.Fatalf("%s: got %+v", id, full.Result)
			case full.Status == invoke.StatusError:
				interrupted++
				if full.Error.Code != abi.CodeInterrupted || !full.Error.Retryable {
					t.Fatalf("%s: got %+v", id, full.Error)
				}
			}
		}
		if interrupted < len(acked)/10 {
			t.Errorf("%d of %d runs are interrupted; every tenth was waiting", interrupted, len(acked))
		}
		h.stop(t)
		if err := s.Close(); err != nil {
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

// runUntilKilled lets a child accept runs and kills it after n; it returns the acknowledged call
// ids in order.
func runUntilKilled(t *testing.T, dir string, n int) []string {
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
	var acked []string
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if f := strings.Fields(line); len(f) == 2 {
			acked = append(acked, f[1])
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
