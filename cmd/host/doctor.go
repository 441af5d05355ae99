// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host/web/controlapi"
)

func newDoctor(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check the data folder, the plugins, their settings and credentials, and say what to mend",
		Args:  cobra.NoArgs,
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			checks, err := c.Doctor(cmd.Context())
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, checks)
			}
			failed := 0
			for _, k := range checks {
				fmt.Fprintf(cmd.OutOrStdout(), "%-5s %-12s %s\n", k.State, k.Name, k.Text)
				if k.Mend != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "                   mend: %s\n", k.Mend)
				}
				if k.State == "fail" {
					failed++
				}
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d checks failed", failed, len(checks))
			}
			return nil
		}),
	}
}
