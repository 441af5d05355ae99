// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host/web/controlapi"
	"github.com/gantryhost/gantry/registry"
)

func newPlugin(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Write, build, install and look after plugins",
	}
	cmd.AddCommand(newPluginNew(), newPluginBuild(s), newPluginList(s), newPluginInfo(s),
		newPluginInstall(s), newPluginApprove(s), newPluginRemove(s), newPluginRollback(s))
	return cmd
}

func newPluginList(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the plugins: served, refused (with the reason), disabled",
		Args:  cobra.NoArgs,
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			all, err := c.Plugins(cmd.Context())
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "NAME\tSTATE\tVERSION\tDIGEST\tTOOLS\tSOURCE")
			for _, p := range all {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%d\t%s\n", p.Name, p.State, p.Version, short(p.Digest), len(p.Tools), p.Source)
			}
			if err := tw.Flush(); err != nil {
				return err
			}
			for _, p := range all {
				if p.Reason != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "\n%s: %s\n", p.Name, p.Reason)
				}
			}
			return nil
		}),
	}
}

func newPluginInfo(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "info NAME",
		Short: "Show a plugin's tools, what it asks for, what it has, and its versions",
		Args:  cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			p, err := c.Plugin(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, p)
			}
			printPlugin(cmd.OutOrStdout(), &p)
			return nil
		}),
	}
}

func printPlugin(w io.Writer, p *registry.Status) {
	fmt.Fprintf(w, "%s  %s  %s\n", p.Name, p.Version, p.State)
	if p.Summary != "" {
		fmt.Fprintf(w, "%s\n", p.Summary)
	}
	if p.Reason != "" {
		fmt.Fprintf(w, "refused:    %s\n", p.Reason)
	}
	if p.Waiting != nil {
		fmt.Fprintf(w, "waiting:    %s %s\n", short(p.Waiting.Digest), p.Waiting.Version)
	}
	fmt.Fprintf(w, "digest:     %s\nsource:     %s\ngeneration: %d, served since %s\n",
		p.Digest, p.Source, p.Generation, p.LoadedAt.Local().Format(time.DateTime))
	fmt.Fprintf(w, "tools:      %s\n", strings.Join(p.Tools, ", "))
	fmt.Fprintf(w, "asks for:   %v\nhas:        %v\n", p.Wants, p.Granted)
	for _, v := range p.Versions {
		mark := " "
		if v.Digest == p.Digest {
			mark = "*"
		}
		fmt.Fprintf(w, "%s %s  %s  served %s\n", mark, short(v.Digest), v.Version, v.ServedAt.Local().Format(time.DateTime))
	}
}

func newPluginInstall(s *settings) *cobra.Command {
	var name string
	var agreed bool
	cmd := &cobra.Command{
		Use:   "install FILE",
		Short: "Prove a plugin and serve it; a broken one is refused and changes nothing",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wasm, err := os.ReadFile(args[0])
			if err != nil {
				return usageError{err}
			}
			if name == "" {
				name = strings.TrimSuffix(filepath.Base(args[0]), ".wasm")
			}
			return s.install(cmd, name, wasm, registry.Consent(agreed))
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "the plugin's `name` (default: the file's)")
	bindAgreed(cmd, &agreed)
	return cmd
}

func bindAgreed(cmd *cobra.Command, agreed *bool) {
	cmd.Flags().BoolVar(agreed, "agree", false, "serve it even if it asks for more rights than the version before it")
}

// install is the shared end of `plugin install` and `plugin build --install`.
func (s *settings) install(cmd *cobra.Command, name string, wasm []byte, consent registry.Consent) error {
	c, done, err := s.dial(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	stop := s.spin(cmd, "proving "+name)
	p, err := c.Install(cmd.Context(), name, wasm, consent)
	stop()
	if err != nil {
		return err
	}
	if s.JSON {
		return printJSON(cmd, p)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s, %d tools: %s\n", p.Name, short(p.Digest), p.State, len(p.Tools), strings.Join(p.Tools, ", "))
	return nil
}

func newPluginApprove(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "approve NAME",
		Short: "Serve the version that waits because it asks for more rights; it gets none that are not in NAME.yaml",
		Args:  cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			p, err := c.Plugin(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			digest := ""
			if p.Waiting != nil {
				digest = p.Waiting.Digest
			}
			if p, err = c.Approve(cmd.Context(), args[0], digest); err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, p)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: now serving %s %s\nasks for:   %v\nhas:        %v\n",
				p.Name, short(p.Digest), p.Version, p.Wants, p.Granted)
			return nil
		}),
	}
}

func newPluginRemove(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "remove NAME",
		Aliases: []string{"rm"},
		Short:   "Take a plugin out of the plugins folder; calls in flight end first",
		Args:    cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			if err := c.Remove(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: removed\n", args[0])
			return nil
		}),
	}
}

func newPluginRollback(s *settings) *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "rollback NAME",
		Short: "Serve the version before, or the one named by --to, until the file changes",
		Args:  cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			p, err := c.Rollback(cmd.Context(), args[0], to)
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, p)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: now serving %s %s\n", p.Name, short(p.Digest), p.Version)
			return nil
		}),
	}
	cmd.Flags().StringVar(&to, "to", "", "`digest` to serve (see plugin info), or latest to end a rollback")
	return cmd
}

// short is a digest as listings show it.
func short(digest string) string {
	digest = strings.TrimPrefix(digest, "sha256:")
	if len(digest) > 12 {
		return digest[:12]
	}
	return digest
}
