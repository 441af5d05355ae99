// Copyright 2026 The Gantry Authors.

package sandbox

import (
	"bytes"
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox/hostile"
)

// patience is what a shape may take beyond its limit on a machine that is busy with other tests and
// the race detector. bench/hostile shows the figure itself.
const patience = 20 * time.Second

// wallOf is the time limit a shape is run under: short where time is what ends it, and otherwise long
// enough for a busy machine to come to what does.
func wallOf(s *hostile.Shape) time.Duration {
	if s.Code == abi.CodeDeadline {
		return 100 * time.Millisecond
	}
	return 10 * time.Second
}

// runAway lets a shape run to its end, and returns how long that took and what came of it.
func runAway(t *testing.T, e *Engine, s *hostile.Shape) (time.Duration, error) {
	t.Helper()
	wasm := s.Wasm("hostile")
	art := Artifact{Name: "hostile", Digest: digestOf(wasm), Wasm: wasm, Limits: s.Limits}
	art.Limits.Wall = wallOf(s)
	start := time.Now()
	g, _, err := e.Load(t.Context(), art)
	if s.AtLoad {
		return time.Since(start), err
	}
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	b := &border{op: func(ctx context.Context, name string, _ []byte) ([]byte, error) {
		if name == "" {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, host.Errorf("test.Op", abi.CodeNotFound, "no operation %s", name)
	}}
	start = time.Now()
	_, err = callTool(t.Context(), g.(*guest), 0, string(bytes.Repeat([]byte("x"), s.Input)), b)
	return time.Since(start), err
}

// Every shape ends within its limit, with a code and a message of its own, while another plugin on
// the same engine is called and answers.
func TestRunaways(t *testing.T) {
	e := newEngine(t, Config{InitTimeout: hostile.Wall, VerifyEvery: 1})
	neighbour := load(t, e, echo().bytes(), host.Limits{})
	answered := make(chan struct{}, 1)
	stop := make(chan struct{})
	ended := make(chan struct{})
	var wrong atomic.Value
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if out, err := callTool(context.Background(), neighbour, 0, "hello", nil); err != nil || out != "hello" {
				wrong.Store("got " + out + ", error " + errorText(err))
				return
			}
			select {
			case answered <- struct{}{}:
			default:
			}
		}
	}()
	shapes := hostile.Shapes()
	if len(shapes) < 40 {
		t.Errorf("%d shapes; some went missing", len(shapes))
	}
	for _, s := range shapes {
		t.Run(s.Name, func(t *testing.T) {
			for len(answered) > 0 {
				<-answered
			}
			took, err := runAway(t, e, &s)
			out := host.Outward(err)
			if out == nil || out.Code != s.Code || !strings.Contains(out.Message, s.Text) {
				t.Errorf("got %+v (%v), want %s with %q", out, err, s.Code, s.Text)
			}
			if limit := min(wallOf(&s), hostile.Wall); took > limit+patience {
				t.Errorf("it took %v; its limit is %v", took, limit)
			}
			select {
			case <-answered:
			case <-time.After(patience):
				t.Errorf("the other plugin does not answer: %v", wrong.Load())
			}
		})
	}
	close(stop)
	<-ended
	if s := e.Stats(); s.Totals.Mismatches != 0 || s.Totals.Resets == 0 {
		t.Errorf("%d of %d resets did not put everything back", s.Totals.Mismatches, s.Totals.Resets)
	}
	if why := wrong.Load(); why != nil {
		t.Errorf("the other plugin: %v", why)
	}
}

func errorText(err error) string {
	if err == nil {
		return "none"
	}
	return err.Error()
}

// What admission lets in is compiled in a process with a ceiling; here it is proven that such modules
// are let in, and so are a question of that ceiling.
func TestTheHeaviestModulesAreAdmitted(t *testing.T) {
	e := newEngine(t, Config{})
	for _, s := range hostile.Heaviest() {
		t.Run(s.Name, func(t *testing.T) {
			if _, err := admit(s.Wasm("heavy"), e.known, e.cfg.Admission); err != nil {
				t.Fatal(err)
			}
			if _, _, err := prepare(s.Wasm("heavy"), e.cfg.Admission); err != nil {
				t.Error(err)
			}
		})
	}
}
