// Copyright 2026 The Gantry Authors.

package metrics

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// reader is a Family as Prometheus asks for it.
type reader struct {
	Family
	desc *prometheus.Desc
	kind prometheus.ValueType
}

var _ prometheus.Collector = (*reader)(nil)

func newReader(f Family) (*reader, error) {
	if f.Name == "" || f.Help == "" || f.Read == nil || f.Counter != strings.HasSuffix(f.Name, "_total") {
		return nil, host.Errorf("metrics.New", abi.CodeInvalidArg,
			"family %q: needs a help text, something that reads it, and a name that ends in _total exactly where it is a counter", f.Name)
	}
	r := &reader{Family: f, desc: prometheus.NewDesc(f.Name, f.Help, f.Labels, nil), kind: prometheus.GaugeValue}
	if f.Counter {
		r.kind = prometheus.CounterValue
	}
	return r, nil
}

// Describe tells the metric's name.
func (r *reader) Describe(ch chan<- *prometheus.Desc) { ch <- r.desc }

// Collect reads the values. A value with other labels than the family's makes the scrape say so.
func (r *reader) Collect(ch chan<- prometheus.Metric) {
	type sum struct {
		labels []string
		value  float64
	}
	sums := map[string]*sum{}
	r.Read(func(value float64, labels ...string) {
		key := strings.Join(labels, "\x00")
		if s := sums[key]; s != nil {
			s.value += value
			return
		}
		sums[key] = &sum{labels, value}
	})
	for _, s := range sums {
		m, err := prometheus.NewConstMetric(r.desc, r.kind, s.value, s.labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(r.desc, err)
		}
		ch <- m
	}
}
