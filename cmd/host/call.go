// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

func newCall(s *settings) *cobra.Command {
	var input, tenant string
	var yes bool
	cmd := &cobra.Command{
		Use:   "call TOOL",
		Short: "Call a tool and print its answer, partial text as it comes",
		Example: `  gantry call text_hash --input '{"text":"hello"}'
  echo '{"url":"https://example.com"}' | gantry call fetch --input -`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			raw, err := readInput(cmd.InOrStdin(), input)
			if err != nil {
				return err
			}
			return s.call(cmd, controlapi.CallRequest{Tool: args[0], Input: raw, Tenant: host.TenantID(tenant), Confirm: yes})
		},
	}
	cmd.Flags().StringVarP(&input, "input", "i", "", "the arguments in `JSON`, @FILE, or - for standard input")
	cmd.Flags().StringVar(&tenant, "tenant", string(host.DefaultTenant), "`tenant` to call as")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "confirm the call, where the tenant wants calls of destructive tools confirmed")
	return cmd
}

// readInput returns the JSON that --input names.
func readInput(stdin io.Reader, input string) (json.RawMessage, error) {
	raw := []byte(input)
	var err error
	switch {
	case input == "":
		raw = []byte("{}")
	case input == "-":
		raw, err = io.ReadAll(io.LimitReader(stdin, 64<<20))
	case input[0] == '@':
		raw, err = os.ReadFile(input[1:])
	}
	if err != nil {
		return nil, usageError{fmt.Errorf("--input: %w", err)}
	}
	if !json.Valid(raw) {
		return nil, usageError{fmt.Errorf("--input: this is not JSON: %.80q", raw)}
	}
	return raw, nil
}

func (s *settings) call(cmd *cobra.Command, req controlapi.CallRequest) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt)
	defer stop()
	c, done, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer done()
	p := &callPrinter{out: cmd.OutOrStdout(), err: cmd.ErrOrStderr(), json: s.JSON, tty: isTerminal(cmd.ErrOrStderr())}
	if err := c.Call(ctx, req, p.event); err != nil {
		return err
	}
	return p.end()
}

// callPrinter shows a call as it goes: answers on out, everything else on err.
type callPrinter struct {
	out, err  io.Writer
	json, tty bool
	partial   bool
	failed    *abi.Error
	answered  bool
	isError   bool
}

func (p *callPrinter) event(ev controlapi.CallEvent) {
	if p.json {
		_ = json.NewEncoder(p.out).Encode(ev) // a broken pipe ends the command by itself
	}
	switch {
	case ev.Result != nil:
		p.answered, p.isError = true, ev.Result.IsError
		if !p.json {
			p.result(ev.Result)
		}
	case ev.Error != nil:
		p.answered, p.failed = true, ev.Error
	case p.json:
	case ev.Partial != "":
		p.partial = true
		fmt.Fprint(p.out, ev.Partial)
	case ev.Progress != nil:
		p.progress(ev.Progress)
	case ev.Log != nil:
		fmt.Fprintf(p.err, "log: %s\n", ev.Log.Text)
	}
}

func (p *callPrinter) progress(pr *abi.Progress) {
	line := fmt.Sprintf("%g", pr.Done)
	if pr.Total > 0 {
		line = fmt.Sprintf("%.0f%%", 100*pr.Done/pr.Total)
	}
	if pr.Message != "" {
		line += " " + pr.Message
	}
	if p.tty {
		fmt.Fprintf(p.err, "\r\033[K%s", line)
		if pr.Total > 0 && pr.Done >= pr.Total {
			fmt.Fprint(p.err, "\r\033[K")
		}
		return
	}
	fmt.Fprintln(p.err, line)
}

// result prints the answer. Text that came in pieces already is not printed twice.
func (p *callPrinter) result(r *abi.Result) {
	if p.partial {
		fmt.Fprintln(p.out)
		return
	}
	for _, c := range r.Content {
		switch c.Type {
		case abi.ContentText:
			fmt.Fprintln(p.out, c.Text)
		case abi.ContentLink:
			fmt.Fprintf(p.out, "[%s](%s)\n", c.Name, c.URI)
		case abi.ContentResource:
			fmt.Fprintf(p.out, "%s\n%s\n", c.URI, c.Text)
		default:
			fmt.Fprintf(p.out, "[%s %s, %d bytes]\n", c.Type, c.MIMEType, len(c.Data))
		}
	}
}

func (p *callPrinter) end() error {
	switch {
	case p.failed != nil:
		if !p.json {
			fmt.Fprintf(p.err, "gantry: %s: %s\n", p.failed.Code, p.failed.Message)
			if p.failed.Hint != "" {
				fmt.Fprintf(p.err, "  hint: %s\n", p.failed.Hint)
			}
		}
		return toolError{p.failed}
	case p.isError:
		return toolError{fmt.Errorf("the tool answered with an error")}
	case !p.answered:
		return fmt.Errorf("the host ended the call without an answer")
	}
	return nil
}
