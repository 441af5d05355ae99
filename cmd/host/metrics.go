// Copyright 2026 The Gantry Authors.

package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gantryhost/gantry/host/journal"
	"github.com/gantryhost/gantry/host/metrics"
)

// hearers tell of every call to the journal and to the metrics.
type hearers struct {
	journal *journal.Journal
	metrics *metrics.Metrics
}

// Record implements invoke.Journal.
func (h hearers) Record(e journal.Entry) {
	h.metrics.Call(&metrics.Call{
		Tenant: e.Tenant, Plugin: e.Plugin, Tool: e.Tool, Kind: e.Kind, Surface: e.Surface, Code: e.Code,
		Wall: time.Duration(e.WallMicros) * time.Microsecond, Fuel: e.Fuel,
	})
	h.journal.Record(e)
}

// one is a family with one value and no labels.
func one(name, help string, read func() float64) metrics.Family {
	return metrics.Family{
		Name: name, Help: help, Counter: strings.HasSuffix(name, "_total"),
		Read: func(add func(float64, ...string)) { add(read()) },
	}
}

// families are what the parts of the host tell of themselves at each scrape. They are read while the
// host serves, when every part is there.
func (a *app) families() []metrics.Family {
	return append(a.poolFamilies(),
		one("gantry_resets_total", "Calls after which the instance was put back to its clean state.",
			func() float64 { return float64(a.engine.Stats().Totals.Resets) }),
		one("gantry_reset_bytes_total", "Bytes that those copied.",
			func() float64 { return float64(a.engine.Stats().Totals.ResetBytes) }),
		one("gantry_traps_total", "Calls in which the plugin crashed.",
			func() float64 { return float64(a.engine.Stats().Totals.Traps) }),
		one("gantry_compiles_total", "Modules that were compiled, or read from the cache of compiled ones.",
			func() float64 { return float64(a.engine.Stats().Totals.Compiles) }),
		one("gantry_compile_seconds_total", "Time that took.",
			func() float64 { return a.engine.Stats().Totals.Compiling.Seconds() }),
		one("gantry_egress_requests_total", "HTTP requests that plugins were let make.",
			func() float64 { return float64(a.egress.Stats().Requests) }),
		one("gantry_egress_received_bytes_total", "Bytes that plugins received over HTTP.",
			func() float64 { return float64(a.egress.Stats().Received) }),
		one("gantry_calls_active", "Calls and runs under way, waiting ones included.",
			func() float64 { return float64(a.pipeline.Stats().Active) }),
		one("gantry_calls_waiting", "Those that wait for others of their tenant to end.",
			func() float64 { return float64(a.pipeline.Stats().Waiting) }),
		one("gantry_runs_active", "Runs under way, waiting ones included.",
			func() float64 { return float64(a.pipeline.Stats().Runs) }),
		one("gantry_mcp_sessions", "MCP sessions that are open.",
			func() float64 { return float64(a.mcp.Sessions()) }),
		one("gantry_mcp_sessions_asleep", "Those of them that sleep.",
			func() float64 { return float64(a.mcp.Asleep()) }),
		one("gantry_http_connections", "Connections that are open.",
			func() float64 { return float64(a.net.web.Stats().Connections) }),
		one("gantry_http_streams", "Answers under way that are streams, or may become one.",
			func() float64 { return float64(a.net.web.Stats().Streams) }),
		one("gantry_journal_written_total", "Entries of the journal that were written.",
			func() float64 { return float64(a.journal.Stats().Written) }),
		one("gantry_journal_lost_total", "Entries of the journal that were lost, because the store was slow or full.",
			func() float64 { return float64(a.journal.Stats().Lost) }),
	)
}

// The two runners, as the label says it.
const (
	runnerNative = "native"
	runnerExtism = "extism"
)

// poolFamilies tell of plugins' instances and memory, by runner.
func (a *app) poolFamilies() []metrics.Family {
	return []metrics.Family{
		{Name: "gantry_plugin_instances", Help: "Instances of plugins, by whether a call has them.",
			Labels: []string{"plugin", "state"}, Read: a.readInstances},
		{Name: "gantry_plugin_waiting", Help: "Calls that wait for an instance of the plugin.",
			Labels: []string{"plugin"}, Read: a.readWaiting},
		{Name: "gantry_pool_waits_total", Help: "Calls that had to wait for an instance.",
			Counter: true, Labels: []string{"runner"}, Read: func(add func(float64, ...string)) {
				add(float64(a.engine.Stats().Totals.Waits), runnerNative)
				add(float64(a.extism.Stats().Waits), runnerExtism)
			}},
		{Name: "gantry_pool_wait_seconds_total", Help: "Time that all of them waited.",
			Counter: true, Labels: []string{"runner"}, Read: func(add func(float64, ...string)) {
				add(a.engine.Stats().Totals.Waited.Seconds(), runnerNative)
				add(a.extism.Stats().Waited.Seconds(), runnerExtism)
			}},
		{Name: "gantry_plugin_memory_bytes", Help: "Linear memory of all instances.",
			Labels: []string{"runner"}, Read: func(add func(float64, ...string)) {
				add(float64(a.engine.Stats().MemoryBytes), runnerNative)
				add(float64(a.extism.Stats().MemoryBytes), runnerExtism)
			}},
		{Name: "gantry_plugin_memory_budget_bytes", Help: "What that may be; see --memory.",
			Labels: []string{"runner"}, Read: func(add func(float64, ...string)) {
				add(float64(a.engine.Stats().MemoryBudget), runnerNative)
				add(float64(a.extism.Stats().MemoryBudget), runnerExtism)
			}},
	}
}

func (a *app) readInstances(add func(float64, ...string)) {
	tell := func(plugin string, instances, idle int) {
		add(float64(idle), plugin, "idle")
		add(float64(instances-idle), plugin, "busy")
	}
	native, extism := a.engine.Stats(), a.extism.Stats()
	for i := range native.Plugins {
		p := &native.Plugins[i]
		tell(p.Name, p.Instances, p.Idle)
	}
	for i := range extism.Plugins {
		p := &extism.Plugins[i]
		tell(p.Name, p.Instances, p.Idle)
	}
}

func (a *app) readWaiting(add func(float64, ...string)) {
	native, extism := a.engine.Stats(), a.extism.Stats()
	for i := range native.Plugins {
		add(float64(native.Plugins[i].Waiting), native.Plugins[i].Name)
	}
	for i := range extism.Plugins {
		add(float64(extism.Plugins[i].Waiting), extism.Plugins[i].Name)
	}
}

// openMetricsDoor serves the metrics without a key on an address of their own, where the operator
// gave one; otherwise it does nothing. It has to be told of in n before n is waited for.
func (a *app) openMetricsDoor(n *listeners) error {
	if a.s.MetricsListen == "" {
		return nil
	}
	ln, err := net.Listen("tcp", a.s.MetricsListen)
	if err != nil {
		return fmt.Errorf("--metrics-listen %s: %w", a.s.MetricsListen, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.metrics)
	n.metrics = &http.Server{
		Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 8 << 10,
	}
	a.log.Info("metrics", "url", "http://"+ln.Addr().String()+"/metrics")
	n.wg.Go(func() {
		if err := n.metrics.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			a.log.Error("metrics", "err", err)
		}
	})
	return nil
}
