// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
	"github.com/gantryhost/gantry/host/sandbox/hostile"
)

// result is what one shape showed.
type result struct {
	shape string
	// limit is the time it may take; 0 for what is refused before it runs.
	limit time.Duration
	// longest is the longest of its runs.
	longest     time.Duration
	runs        int
	near, quiet time.Duration
	code        abi.Code
	message     string
	asExpected  bool
}

// over is how long after its limit the longest run ended.
func (r *result) over() time.Duration { return max(0, r.longest-r.limit) }

// run measures the shapes whose names have the text only in them; empty is all.
func run(window, pause time.Duration, only string) (out []result, err error) {
	e, err := sandbox.New(sandbox.Config{InitTimeout: hostile.Wall, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	quiet := hostile.Neighbour()
	neighbour, err := load(e, artifact(&quiet))
	if err != nil {
		return nil, err
	}
	var calm []time.Duration
	for _, s := range hostile.Shapes() {
		if !strings.Contains(s.Name, only) {
			continue
		}
		before, err := beside(neighbour, func() error { time.Sleep(window / 2); return nil })
		if err != nil {
			return nil, err
		}
		calm = append(calm, before...)
		r := result{shape: s.Name, limit: limitOf(&s)}
		during, err := beside(neighbour, func() error { return r.repeat(e, &s, window, pause) })
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		r.near = p99(during)
		out = append(out, r)
	}
	for i := range out {
		out[i].quiet = p99(calm)
	}
	return out, nil
}

// limitOf is the time a shape has: none where admission refuses it.
func limitOf(s *hostile.Shape) time.Duration {
	if s.AtLoad && s.Code == abi.CodeLimit {
		return 0
	}
	return cmp.Or(s.Limits.Wall, hostile.Wall)
}

// artifact is a shape as the engine takes it.
func artifact(s *hostile.Shape) sandbox.Artifact {
	wasm := s.Wasm("hostile")
	sum := sha256.Sum256(wasm)
	art := sandbox.Artifact{Name: "hostile", Digest: "sha256:" + hex.EncodeToString(sum[:]), Wasm: wasm, Limits: s.Limits}
	art.Limits.Wall = cmp.Or(art.Limits.Wall, hostile.Wall)
	return art
}

func load(e *sandbox.Engine, art sandbox.Artifact) (host.Guest, error) {
	g, _, err := e.Load(context.Background(), art)
	return g, err
}

// repeat runs a shape for a window of time, once at least, with a pause between its runs.
func (r *result) repeat(e *sandbox.Engine, s *hostile.Shape, window, pause time.Duration) error {
	var g host.Guest
	art := artifact(s)
	if !s.AtLoad {
		var err error
		if g, err = load(e, art); err != nil {
			return err
		}
		defer func() { _ = g.Close(context.Background()) }() // nothing of it runs any more
	}
	r.asExpected = true
	for end := time.Now().Add(window); r.runs == 0 || time.Now().Before(end); r.runs++ {
		took, err := timed(func() error { return once(e, g, art, s.Input) })
		time.Sleep(pause)
		r.longest = max(r.longest, took)
		told := host.Outward(err)
		if told == nil {
			told = &abi.Error{Message: "it ended well"}
		}
		r.code, r.message = told.Code, told.Message
		r.asExpected = r.asExpected && told.Code == s.Code && strings.Contains(told.Message, s.Text)
	}
	return nil
}

// once calls the guest or, where there is none, loads the module.
func once(e *sandbox.Engine, g host.Guest, art sandbox.Artifact, input int) error {
	if g == nil {
		_, err := load(e, art)
		return err
	}
	in := bytes.Repeat([]byte("x"), input)
	_, _, err := g.Call(context.Background(), &host.GuestCall{Tenant: "a", Input: in, Border: border{}})
	return err
}

func timed(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start), err
}

// beside calls the neighbour without a pause while f runs, and returns how long each call took.
func beside(neighbour host.Guest, f func() error) (took []time.Duration, err error) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	var failed error
	in := bytes.Repeat([]byte("x"), 1024)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			d, err := timed(func() error {
				_, _, err := neighbour.Call(context.Background(), &host.GuestCall{Tenant: "b", Input: in, Border: border{}})
				return err
			})
			if err != nil {
				failed = fmt.Errorf("the neighbour failed: %w", err)
				return
			}
			took = append(took, d)
		}
	})
	err = f()
	close(stop)
	wg.Wait()
	return took, errors.Join(err, failed)
}

func p99(took []time.Duration) time.Duration {
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}

// border lets the operation without a name wait, and knows no other.
type border struct{}

func (border) Emit(context.Context, abi.EventKind, []byte) error { return nil }

func (border) Log(context.Context, abi.LogLevel, []byte) {}

func (border) Op(ctx context.Context, name string, _ []byte) ([]byte, error) {
	if name == "" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return nil, host.Errorf("bench.Op", abi.CodeNotFound, "there is no such operation")
}
