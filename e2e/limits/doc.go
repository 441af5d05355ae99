// Copyright 2026 The Gantry Authors.

// Package limits proves quotas, the limits of requests and /metrics over the real binary, as callers,
// operators and Prometheus meet them. Its tests are behind the build tag e2e; it has no code of its own.
package limits
