// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

func newToken(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Create, list and revoke keys",
	}
	cmd.AddCommand(newTokenCreate(s), newTokenList(s), newTokenRevoke(s))
	return cmd
}

// tokenFlags are those of token create, as typed.
type tokenFlags struct {
	kind, tenant, user, workspace, scopes, expires, name, tools string
}

func newTokenCreate(s *settings) *cobra.Command {
	var t tokenFlags
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a key and print it, alone, on standard output; it is shown only once",
		Example: `  gantry token create --tenant acme --scopes read:tools --expires 90d --name "read only"
  KEY=$(gantry token create)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req, err := t.request()
			if err != nil {
				return err
			}
			c, done, err := s.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			tok, err := c.CreateToken(cmd.Context(), req)
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, tok)
			}
			fmt.Fprintln(cmd.OutOrStdout(), tok.Secret)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&t.kind, "kind", "org", "org, admin or workspace")
	f.StringVar(&t.tenant, "tenant", string(host.DefaultTenant), "`tenant` it belongs to")
	f.StringVar(&t.user, "user", "", "`user` whose calls these are")
	f.StringVar(&t.workspace, "workspace", "", "`workspace`, for --kind workspace")
	f.StringVar(&t.scopes, "scopes", "", "comma-separated `scopes`: read:tools, write:tools, read:data, admin, chat (default: the kind's)")
	f.StringVar(&t.expires, "expires", "", "`time` it is good for, such as 90d or 12h (default: until revoked)")
	f.StringVar(&t.tools, "tools", controlapi.ToolsAll, "which tools MCP clients see listed: all, or meta (search_tools and call_tool, by which they reach the others)")
	f.StringVar(&t.name, "name", "", "a `note` for listings")
	return cmd
}

func (t *tokenFlags) request() (controlapi.TokenRequest, error) {
	req := controlapi.TokenRequest{
		Kind: host.Kind(t.kind), Tenant: host.TenantID(t.tenant),
		User: t.user, Workspace: t.workspace, Name: t.name, Tools: t.tools,
	}
	if t.tools != controlapi.ToolsAll && t.tools != controlapi.ToolsMeta {
		return req, usageError{fmt.Errorf("--tools: %q is not all or meta", t.tools)}
	}
	var err error
	if req.Scopes, err = host.ParseScopes(t.scopes); err != nil {
		return req, usageError{fmt.Errorf("--scopes: %w", err)}
	}
	if t.expires != "" {
		if req.TTL, err = parseTTL(t.expires); err != nil {
			return req, usageError{fmt.Errorf("--expires: %w", err)}
		}
	}
	return req, nil
}

// parseTTL reads a duration that may also be in days or weeks.
func parseTTL(s string) (time.Duration, error) {
	for suffix, unit := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(s, suffix); ok {
			days, err := strconv.Atoi(n)
			if err != nil || days <= 0 || days > 36500 {
				return 0, fmt.Errorf("%q is not a time such as 90d or 12h", s)
			}
			return time.Duration(days) * unit, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a time such as 90d or 12h", s)
	}
	return d, nil
}

func newTokenList(s *settings) *cobra.Command {
	var tenant string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List keys, without their secrets",
		Args:  cobra.NoArgs,
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			all, err := c.Tokens(cmd.Context(), host.TenantID(tenant))
			if err != nil {
				return err
			}
			if s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tKIND\tTENANT\tUSER\tSCOPES\tTOOLS\tEXPIRES\tLAST USED\tNAME")
			for i := range all {
				t := &all[i]
				fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Kind, t.Tenant, dash(t.User),
					scopeList(t.Scopes), t.Tools, tokenEnd(t), when(t.LastUsed), dash(t.Name))
			}
			return tw.Flush()
		}),
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only this `tenant`'s")
	return cmd
}

func tokenEnd(t *controlapi.Token) string {
	if !t.RevokedAt.IsZero() {
		return "revoked"
	}
	if t.ExpiresAt.IsZero() {
		return "never"
	}
	return when(t.ExpiresAt)
}

func scopeList(scopes []host.Scope) string {
	parts := make([]string, len(scopes))
	for i, sc := range scopes {
		parts[i] = string(sc)
	}
	return dash(strings.Join(parts, ","))
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}

func newTokenRevoke(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke ID",
		Short: "End a key at once; see token list for the ids",
		Args:  cobra.ExactArgs(1),
		RunE: s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			if err := c.RevokeToken(cmd.Context(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: revoked\n", args[0])
			return nil
		}),
	}
}
