// Copyright 2026 The Gantry Authors.

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/sandbox"
	"github.com/gantryhost/gantry/host/sandbox/hostile"
)

// stormCallers call one plugin of stormSlots slots without a pause, all of one tenant.
const (
	stormCallers = 64
	stormSlots   = 4
)

// storm is what a tenant notices when another one storms a plugin: of that plugin, and of another.
type storm struct {
	plugin      string
	near, quiet time.Duration
}

// storms measures another tenant's calls, one after the other, in quiet and in the storm.
func storms(window time.Duration) (out []storm, err error) {
	e, err := sandbox.New(sandbox.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close(context.Background())) }()
	shape := hostile.Neighbour()
	stormed := artifact(&shape)
	stormed.Limits.Concurrency = stormSlots
	p, err := load(e, stormed)
	if err != nil {
		return nil, err
	}
	q, err := load(e, artifact(&shape))
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		name  string
		guest host.Guest
	}{{"the stormed plugin", p}, {"another plugin", q}} {
		calm, err := beside(s.guest, func() error { time.Sleep(window); return nil })
		if err != nil {
			return nil, err
		}
		during, err := beside(s.guest, func() error { return stormOn(p, window) })
		if err != nil {
			return nil, err
		}
		out = append(out, storm{s.name, p99(during), p99(calm)})
	}
	return out, nil
}

// stormOn calls p from many goroutines of the tenant a for a window of time.
func stormOn(p host.Guest, window time.Duration) error {
	in := bytes.Repeat([]byte("x"), 1024)
	end := time.Now().Add(window)
	var wg sync.WaitGroup
	failed := make(chan error, stormCallers)
	for range stormCallers {
		wg.Go(func() {
			for time.Now().Before(end) {
				if _, _, err := p.Call(context.Background(), &host.GuestCall{Tenant: "a", Input: in, Border: border{}}); err != nil {
					failed <- fmt.Errorf("the storm failed: %w", err)
					return
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func (s *storm) row() row {
	r := row{Row: fmt.Sprintf("%d callers of one tenant: another's p99 of %s", stormCallers, s.plugin), Unit: "µs",
		Ours: us(s.near), Baseline: us(s.quiet), Target: maxSlowdown, Most: true}
	r.Ratio = r.Ours / r.Baseline
	r.Holds = r.Ratio <= maxSlowdown
	return r
}
