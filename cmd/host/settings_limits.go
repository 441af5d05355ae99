// Copyright 2026 The Gantry Authors.

package main

import "github.com/spf13/pflag"

// limitSettings are the operator's choices about limits, quotas and the numbers of both; see
// docs/limits.md.
type limitSettings struct {
	// MetricsListen is empty where the metrics have no address of their own.
	MetricsListen string
}

// bindLimits declares the flags of serve alone.
func (s *limitSettings) bindLimits(f *pflag.FlagSet) {
	f.StringVar(&s.MetricsListen, "metrics-listen", "", "`address` to serve /metrics on without a key, for your Prometheus (default: only with an admin key, beside the rest)")
}
