// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/keys"
)

// quickstartTTL is how long the key of serve --quickstart is good for.
const quickstartTTL = 30 * 24 * time.Hour

// greet tells a person where the host is and, with --quickstart, gives them a key and snippets.
func (s *settings) greet(ctx context.Context, cmd *cobra.Command, a *app) error {
	url := s.baseURL()
	out := cmd.OutOrStdout()
	if !s.Quickstart {
		fmt.Fprintf(out, "gantry %s serves MCP at %s/mcp\n", version, url)
		return nil
	}
	secret, _, err := a.keys.Issue(ctx, keys.IssueRequest{
		Kind: host.KindOrg, Tenant: host.DefaultTenant, TTL: quickstartTTL,
		Scopes: []host.Scope{host.ScopeReadTools, host.ScopeWriteTools, host.ScopeReadData},
		Name:   "quickstart " + time.Now().Format(time.DateOnly),
	})
	if err != nil {
		return err
	}
	printSnippets(out, s.ServerName, url, secret)
	return nil
}

// reachable is the address a client on this machine uses for a listener on every interface.
func reachable(listen string) string {
	hostname, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(hostname); hostname == "" || ip != nil && ip.IsUnspecified() {
		hostname = "127.0.0.1"
	}
	return net.JoinHostPort(hostname, port)
}

func printSnippets(w io.Writer, name, url, key string) {
	fmt.Fprintf(w, `gantry %[1]s serves MCP at %[2]s/mcp

Your key, good for 30 days and shown only now:

  %[3]s

Claude Code:

  claude mcp add --transport http %[4]s %[2]s/mcp --header "Authorization: Bearer %[3]s"

Cursor (.cursor/mcp.json), Claude Code (.mcp.json, with "type": "http") and others:

  {
    "mcpServers": {
      "%[4]s": {
        "url": "%[2]s/mcp",
        "headers": { "Authorization": "Bearer %[3]s" }
      }
    }
  }

curl:

  curl -s %[2]s/mcp/execute -H "Authorization: Bearer %[3]s" \
    -H "Content-Type: application/json" \
    -d '{"tool":"text_hash","input":{"text":"hello"}}'

`, version, url, key, name)
}
