// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/gantryhost/gantry/host/quota"
)

// limitSettings are the operator's choices about limits, quotas and the numbers of both; see
// docs/limits.md.
type limitSettings struct {
	// of serve
	MetricsListen  string // empty where the metrics have no address of their own
	MaxRequest     byteSize
	MaxConnections int
	MaxSessions    int
	SessionIdle    time.Duration
	SessionSleep   time.Duration // 0 where none sleeps

	// of a tenant, where it has none of its own
	Quota             quota.Limits
	TenantConcurrency int
	TenantWaiting     int
	TenantRuns        int
	RunLimit          time.Duration

	// of what a plugin keeps for a tenant
	KVQuota, FilesQuota byteSize
	MaxFiles            int

	// of what a user has remembered
	MemoryQuota byteSize
	MemoryFiles int64
}

// bindLimits declares the flags of serve alone.
func (s *limitSettings) bindLimits(f *pflag.FlagSet) {
	s.MaxRequest = 4 << 20
	f.StringVar(&s.MetricsListen, "metrics-listen", "", "`address` to serve /metrics on without a key, for your Prometheus (default: only with an admin key, beside the rest)")
	f.Var(&s.MaxRequest, "max-request", "most `bytes` of a request's body, a tool's input included")
	f.IntVar(&s.MaxConnections, "max-connections", 1024, "most connections of one address (IPv6: of one /64); loopback is not counted")
	f.IntVar(&s.MaxSessions, "max-sessions", 20_000, "most MCP sessions of all clients together, and most change streams")
	f.DurationVar(&s.SessionIdle, "session-idle", 4*time.Hour, "`time` after which an MCP session without a request ends")
	f.DurationVar(&s.SessionSleep, "session-sleep", time.Minute, "`time` after which an MCP session without a request sleeps until the next one; 0 is never")
}

// bindTenantLimits declares the flags that every command has, since each may run calls. Few operators
// need them, so --help leaves them out.
func (s *limitSettings) bindTenantLimits(f *pflag.FlagSet) {
	s.KVQuota, s.FilesQuota, s.MemoryQuota = 64<<20, 256<<20, 64<<20
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.Int64Var(&s.Quota.CallsPerMinute, "tenant-calls-per-minute", 0, "most calls of a tenant in one minute; 0 is no limit; see gantry quota")
	own.Int64Var(&s.Quota.CallsPerDay, "tenant-calls-per-day", 0, "most calls of a tenant on one day; 0 is no limit")
	own.Int64Var(&s.Quota.FuelPerDay, "tenant-fuel-per-day", 0, "most fuel of a tenant on one day; 0 is no limit")
	own.IntVar(&s.TenantConcurrency, "tenant-concurrency", 64, "most calls of a tenant that run at once")
	own.IntVar(&s.TenantWaiting, "tenant-waiting", 1024, "most calls of a tenant that wait")
	own.IntVar(&s.TenantRuns, "tenant-runs", 1000, "most runs of a tenant under way, waiting included")
	own.DurationVar(&s.RunLimit, "run-limit", 0, "longest `time` of a run, waiting included (default: 5m, or the plugin's wall where that is longer)")
	own.Var(&s.KVQuota, "kv-quota", "most `bytes` of keys and values that a plugin keeps for a tenant")
	own.Var(&s.FilesQuota, "files-quota", "most `bytes` of files that a plugin keeps for a tenant")
	own.IntVar(&s.MaxFiles, "files-count", 10_000, "most files and folders that a plugin keeps for a tenant")
	own.Var(&s.MemoryQuota, "memory-quota", "most `bytes` of a user's memory")
	own.Int64Var(&s.MemoryFiles, "memory-files", 10_000, "most files of a user's memory")
	own.VisitAll(func(fl *pflag.Flag) {
		fl.Hidden = true
		f.AddFlag(fl)
	})
}

// checkLimits names the flag that is out of its bounds. A limit of serve is 0 under other commands.
func (s *limitSettings) checkLimits() error {
	for flag, n := range map[string]int64{
		"tenant-calls-per-minute": s.Quota.CallsPerMinute, "tenant-calls-per-day": s.Quota.CallsPerDay,
		"tenant-fuel-per-day": s.Quota.FuelPerDay, "run-limit": int64(s.RunLimit), "session-idle": int64(s.SessionIdle),
		"session-sleep": int64(s.SessionSleep),
	} {
		if n < 0 {
			return usageError{fmt.Errorf("--%s: %d is negative", flag, n)}
		}
	}
	if s.RunLimit > 24*time.Hour {
		return usageError{fmt.Errorf("--run-limit: %v is more than 24h", s.RunLimit)}
	}
	for _, b := range []struct {
		bound
		serve bool
	}{
		{bound{"tenant-concurrency", int64(s.TenantConcurrency), 100_000}, false},
		{bound{"tenant-waiting", int64(s.TenantWaiting), 1_000_000}, false},
		{bound{"tenant-runs", int64(s.TenantRuns), 1_000_000}, false},
		{bound{"kv-quota", int64(s.KVQuota), 1 << 50}, false},
		{bound{"files-quota", int64(s.FilesQuota), 1 << 50}, false},
		{bound{"files-count", int64(s.MaxFiles), 100_000_000}, false},
		{bound{"memory-quota", int64(s.MemoryQuota), 1 << 50}, false},
		{bound{"memory-files", s.MemoryFiles, 100_000_000}, false},
		{bound{"max-request", int64(s.MaxRequest), 1 << 30}, true},
		{bound{"max-connections", int64(s.MaxConnections), 1_000_000}, true},
		{bound{"max-sessions", int64(s.MaxSessions), 10_000_000}, true},
	} {
		if b.serve && b.got == 0 && s.SessionIdle == 0 {
			continue // another command, which has no such flag
		}
		if b.got < 1 || b.got > b.most {
			return usageError{fmt.Errorf("--%s: %d is not between 1 and %d", b.flag, b.got, b.most)}
		}
	}
	return nil
}
