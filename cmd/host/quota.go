// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/quota"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

func newQuota(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "quota",
		Short: "Bound what tenants use: calls per minute and day, fuel per day",
		Long: `Bound what tenants use: calls per minute and day, and fuel per day, which is what plugins
compute. Days and minutes are UTC's. A call over a limit fails with RATE_LIMITED, which says
which limit and when it begins anew; over REST with 429 and Retry-After.

Tenants without limits of their own have the host's: --tenant-calls-per-minute,
--tenant-calls-per-day and --tenant-fuel-per-day, none unless set.`,
	}
	cmd.AddCommand(newQuotaShow(s), newQuotaSet(s), newQuotaReset(s), newQuotaList(s))
	return cmd
}

// onQuota is a command about one tenant's quota, which it prints.
func (s *settings) onQuota(fn func(*cobra.Command, *controlapi.Client, host.TenantID) (quota.Status, error)) func(*cobra.Command, []string) error {
	return s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
		st, err := fn(cmd, c, host.TenantID(args[0]))
		if err != nil {
			return err
		}
		if s.JSON {
			return printJSON(cmd, st)
		}
		return printQuota(cmd.OutOrStdout(), &st)
	})
}

func newQuotaShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "show TENANT",
		Short: "Show a tenant's limits and what it has used",
		Args:  cobra.ExactArgs(1),
		RunE: s.onQuota(func(cmd *cobra.Command, c *controlapi.Client, t host.TenantID) (quota.Status, error) {
			return c.Quota(cmd.Context(), t)
		}),
	}
}

func newQuotaReset(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "reset TENANT",
		Short: "Give a tenant the host's default limits; what it has used stays used",
		Args:  cobra.ExactArgs(1),
		RunE: s.onQuota(func(cmd *cobra.Command, c *controlapi.Client, t host.TenantID) (quota.Status, error) {
			return c.ResetQuota(cmd.Context(), t)
		}),
	}
}

func newQuotaSet(s *settings) *cobra.Command {
	var l quota.Limits
	cmd := &cobra.Command{
		Use:     "set TENANT",
		Short:   "Change a tenant's limits, those that are named, from its next call on; 0 is no limit",
		Example: `  gantry quota set acme --calls-per-minute 600 --fuel-per-day 500_000_000_000`,
		Args:    cobra.ExactArgs(1),
	}
	f := cmd.Flags()
	f.Int64Var(&l.CallsPerMinute, "calls-per-minute", 0, "most calls of one minute")
	f.Int64Var(&l.CallsPerDay, "calls-per-day", 0, "most calls of one day")
	f.Int64Var(&l.FuelPerDay, "fuel-per-day", 0, "most fuel of one day; see the fuel of calls in the journal and in /metrics")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var change quota.Own
		for name, to := range map[string]struct {
			own   **int64
			value *int64
		}{
			"calls-per-minute": {&change.CallsPerMinute, &l.CallsPerMinute},
			"calls-per-day":    {&change.CallsPerDay, &l.CallsPerDay},
			"fuel-per-day":     {&change.FuelPerDay, &l.FuelPerDay},
		} {
			if !f.Changed(name) {
				continue
			}
			if *to.value < 0 {
				return usageError{fmt.Errorf("--%s: %d is negative; 0 is no limit", name, *to.value)}
			}
			*to.own = to.value
		}
		if change == (quota.Own{}) {
			return usageError{fmt.Errorf("name a limit: --calls-per-minute, --calls-per-day or --fuel-per-day")}
		}
		return s.onQuota(func(cmd *cobra.Command, c *controlapi.Client, t host.TenantID) (quota.Status, error) {
			return c.SetQuota(cmd.Context(), t, change)
		})(cmd, args)
	}
	return cmd
}

func newQuotaList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tenants that have limits of their own",
		Args:  cobra.NoArgs,
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			all, err := c.Quotas(cmd.Context())
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "TENANT\tCALLS/MINUTE\tCALLS/DAY\tFUEL/DAY")
			for i := range all {
				l := &all[i].Limits
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\n", all[i].Tenant, bounded(l.CallsPerMinute), bounded(l.CallsPerDay), bounded(l.FuelPerDay))
			}
			return tw.Flush()
		}),
	}
}

func bounded(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return fmt.Sprint(n)
}

func printQuota(w io.Writer, st *quota.Status) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "LIMIT\tMOST\tUSED\tBEGINS ANEW\tSET FOR")
	row := func(name string, most, used int64, own *int64, ends time.Time) {
		count, from := fmt.Sprint(used), "all tenants"
		if most == 0 {
			count = "not counted"
		}
		if own != nil {
			from = string(st.Tenant)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", name, bounded(most), count, ends.Format(time.RFC3339), from)
	}
	row("calls per minute", st.Limits.CallsPerMinute, st.Used.CallsPerMinute, st.Own.CallsPerMinute, st.MinuteEnds)
	row("calls per day", st.Limits.CallsPerDay, st.Used.CallsPerDay, st.Own.CallsPerDay, st.DayEnds)
	row("fuel per day", st.Limits.FuelPerDay, st.Used.FuelPerDay, st.Own.FuelPerDay, st.DayEnds)
	return tw.Flush()
}
