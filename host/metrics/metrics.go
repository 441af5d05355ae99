// Copyright 2026 The Gantry Authors.

// Package metrics counts what the host does, for Prometheus: calls as they end, and, at each scrape,
// what the parts of the host tell of themselves.
//
// Counting a call looks its counters up and adds: it takes no lock, allocates nothing and makes no
// label. The number of label values is bounded; what comes beyond is counted under "_other", which is
// no tenant's and no plugin's name. It keeps nothing over a restart, sees no inputs or answers, and
// opens no port: it is an http.Handler.
package metrics

import (
	"cmp"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Other is the label value under which everything is counted that has no room for its own.
const Other = "_other"

// Config is what Metrics is made of. The zero value is usable.
type Config struct {
	// Version of the host, for gantry_build_info.
	Version string
	// Families are read at each scrape.
	Families []Family
	// MaxTools bounds the pairs of a plugin and a tool, or another entry, and surface that are told
	// apart; 0 means 2,000.
	MaxTools int
	// MaxTenants bounds the pairs of a plugin and a tenant that are told apart; 0 means 2,000.
	MaxTenants int
}

// Family is one metric that a part of the host reads off itself.
type Family struct {
	// Name ends in _total where Counter is set, and in its unit where it has one.
	Name, Help string
	// Counter says that the value only grows; otherwise it goes up and down.
	Counter bool
	// Labels are the names of the labels.
	Labels []string
	// Read tells the values: add once for each, with the label values in order of Labels. Values of the
	// same labels are added up. It may be called from several goroutines at once.
	Read func(add func(value float64, labels ...string))
}

// Call is one call that has ended, however it did.
type Call struct {
	Tenant host.TenantID
	// Plugin is empty for a call that found none, and then Tool, a caller's own word, is not told.
	Plugin, Tool string
	// Kind is what was called where it is no tool: "prompt", "read", "complete". The Tool, then a
	// caller's word too, is not told.
	Kind    string
	Surface string
	// Code is empty for a call that went well.
	Code abi.Code
	Wall time.Duration
	Fuel uint64
}

// Metrics counts. All methods may be called concurrently.
type Metrics struct {
	registry *prometheus.Registry
	calls    calls
	handler  http.Handler
}

// New makes Metrics. The error is of CodeInvalidArg and names the family that is wrong or there twice.
func New(c Config) (*Metrics, error) {
	const op = "metrics.New"
	if c.MaxTools < 0 || c.MaxTenants < 0 {
		return nil, host.Errorf(op, abi.CodeInvalidArg, "MaxTools and MaxTenants must not be negative; 0 is the default")
	}
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.calls.init(cmp.Or(c.MaxTools, 2000), cmp.Or(c.MaxTenants, 2000))
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gantry_build_info", Help: "Always 1; the version is in the label.", ConstLabels: prometheus.Labels{"version": c.Version},
	})
	build.Set(1)
	all := []prometheus.Collector{
		m.calls.ended, m.calls.seconds, m.calls.fuel, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	for _, f := range c.Families {
		r, err := newReader(f)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	for _, c := range all {
		if err := m.registry.Register(c); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "a metric cannot be registered: %w", err)
		}
	}
	m.handler = promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4, DisableCompression: true,
	})
	return m, nil
}

// ServeHTTP answers with every metric in Prometheus's text format. A family whose part fails is left
// out.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, r *http.Request) { m.handler.ServeHTTP(w, r) }

// Call counts a call. c is not kept.
func (m *Metrics) Call(c *Call) { m.calls.count(c) }
