// Copyright 2026 The Gantry Authors.

package metrics

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gantryhost/gantry/abi"
)

// maxOwnCodes bounds the codes of one tool that are told apart, since plugins make up their own.
const maxOwnCodes = 32

// calls are the metrics of calls, and the counters that were looked up once.
type calls struct {
	ended   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	fuel    *prometheus.CounterVec

	// byTool and byTenant are replaced and not changed, so that they are read without a lock.
	byTool   atomic.Pointer[map[toolKey]*tool]
	byTenant atomic.Pointer[map[tenantKey]prometheus.Counter]

	mu                   sync.Mutex
	maxTools, maxTenants int
}

type toolKey struct{ plugin, tool, kind, surface string }

type tenantKey struct{ plugin, tenant string }

// tool is what calls of one tool over one surface count on.
type tool struct {
	key     toolKey
	seconds prometheus.Observer
	ok      prometheus.Counter
	// failed is replaced and not changed.
	failed atomic.Pointer[map[abi.Code]prometheus.Counter]
}

func (c *calls) init(maxTools, maxTenants int) {
	c.maxTools, c.maxTenants = maxTools, maxTenants
	c.ended = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gantry_calls_total", Help: "Calls that have ended, by how: code is ok or the error's.",
	}, []string{"plugin", "tool", "surface", "code"})
	c.seconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "gantry_call_seconds", Help: "How long calls took in the plugin, waiting not counted.",
		Buckets: []float64{10e-6, 50e-6, 100e-6, 500e-6, 1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1, 5, 10, 60},
	}, []string{"plugin", "tool"})
	c.fuel = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gantry_fuel_total", Help: "Fuel that calls used: what the plugin computed, the same on every machine.",
	}, []string{"plugin", "tenant"})
	c.byTool.Store(&map[toolKey]*tool{})
	c.byTenant.Store(&map[tenantKey]prometheus.Counter{})
}

func (c *calls) count(e *Call) {
	t := (*c.byTool.Load())[toolKey{e.Plugin, e.Tool, e.Kind, e.Surface}]
	if t == nil {
		t = c.tool(e)
	}
	if e.Code == "" {
		t.ok.Inc()
	} else {
		c.failed(t, e.Code).Inc()
	}
	t.seconds.Observe(e.Wall.Seconds())
	if e.Fuel == 0 {
		return
	}
	f := (*c.byTenant.Load())[tenantKey{e.Plugin, string(e.Tenant)}]
	if f == nil {
		f = c.tenant(tenantKey{e.Plugin, string(e.Tenant)})
	}
	f.Add(float64(e.Fuel))
}

// tool makes the counters of a tool. What a caller wrote, and what has no room, is not kept by its
// name, or callers could fill the memory with names.
func (c *calls) tool(e *Call) *tool {
	key := toolKey{e.Plugin, e.Tool, e.Kind, e.Surface}
	switch {
	case e.Plugin == "":
		key.tool, key.kind = "", ""
	case e.Kind != "":
		key.tool = ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.byTool.Load()
	if t := known[key]; t != nil {
		return t
	}
	if len(known) >= c.maxTools {
		key = toolKey{Other, Other, "", Other}
		if t := known[key]; t != nil {
			return t
		}
	}
	name := key.tool
	if key.kind != "" {
		name = "(" + key.kind + ")"
	}
	t := &tool{
		key:     toolKey{plugin: key.plugin, tool: name, surface: key.surface},
		seconds: c.seconds.WithLabelValues(key.plugin, name),
		ok:      c.ended.WithLabelValues(key.plugin, name, key.surface, "ok"),
	}
	t.failed.Store(&map[abi.Code]prometheus.Counter{})
	more := maps.Clone(known)
	more[key] = t
	c.byTool.Store(&more)
	return t
}

// failed is the counter of a tool's failures of one code.
func (c *calls) failed(t *tool, code abi.Code) prometheus.Counter {
	if n := (*t.failed.Load())[code]; n != nil {
		return n
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *t.failed.Load()
	if len(known) >= maxOwnCodes {
		code = Other
	}
	if n := known[code]; n != nil {
		return n
	}
	n := c.ended.WithLabelValues(t.key.plugin, t.key.tool, t.key.surface, string(code))
	more := maps.Clone(known)
	more[code] = n
	t.failed.Store(&more)
	return n
}

// tenant is the counter of fuel for a plugin and tenant, or for the plugin alone where there is no
// room, or for neither.
func (c *calls) tenant(key tenantKey) prometheus.Counter {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := *c.byTenant.Load()
	for _, k := range []tenantKey{key, {key.plugin, Other}, {Other, Other}} {
		if n := known[k]; n != nil {
			return n
		}
		// The plugins' own "_other" have as much room again.
		if len(known) < c.maxTenants || k.tenant == Other && (len(known) < 2*c.maxTenants || k.plugin == Other) {
			n := c.fuel.WithLabelValues(k.plugin, k.tenant)
			more := maps.Clone(known)
			more[k] = n
			c.byTenant.Store(&more)
			return n
		}
	}
	return c.fuel.WithLabelValues(Other, Other) // not reached: the last key always has room
}
