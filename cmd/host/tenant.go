// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/tenants"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

func newTenant(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tenant",
		Short: "Say which calls of a tenant a person has to confirm",
	}
	cmd.AddCommand(newTenantList(s), newTenantShow(s), newTenantSet(s))
	return cmd
}

func newTenantList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tenants that have keys or a policy",
		Args:  cobra.NoArgs,
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			all, err := c.Tenants(cmd.Context())
			if err != nil {
				return err
			}
			return s.printTenants(cmd, all, all)
		}),
	}
}

func newTenantShow(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "show TENANT",
		Short: "Show the policy that holds for a tenant",
		Args:  cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			t, err := c.Tenant(cmd.Context(), host.TenantID(args[0]))
			if err != nil {
				return err
			}
			return s.printTenants(cmd, []tenants.Tenant{t}, t)
		}),
	}
}

func newTenantSet(s *settings) *cobra.Command {
	var confirm string
	cmd := &cobra.Command{
		Use:   "set TENANT",
		Short: "Set a tenant's policy; it holds from the next call on",
		Example: `  gantry tenant set acme --confirm destructive
  gantry tenant set acme --confirm default`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			choice, err := tenants.ParseConfirm(confirm)
			if err != nil {
				return usageError{fmt.Errorf("--confirm: %q is not never, destructive or default", confirm)}
			}
			c, done, err := s.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			t, err := c.SetTenant(cmd.Context(), host.TenantID(args[0]), tenants.Policy{Confirm: choice})
			if err != nil {
				return err
			}
			return s.printTenants(cmd, []tenants.Tenant{t}, t)
		},
	}
	cmd.Flags().StringVar(&confirm, "confirm", "", "`calls` that a person has to confirm: never, destructive, or default, which leaves it to --confirm-default")
	return cmd
}

// printTenants prints a table, or for programs v.
func (s *settings) printTenants(cmd *cobra.Command, all []tenants.Tenant, v any) error {
	if s.JSON {
		return printJSON(cmd, v)
	}
	tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
	fmt.Fprintln(tw, "TENANT\tCONFIRM\tSET")
	for _, t := range all {
		confirm := string(t.Confirm)
		if t.Default {
			confirm += " (default)"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\n", t.ID, confirm, when(t.UpdatedAt))
	}
	return tw.Flush()
}
