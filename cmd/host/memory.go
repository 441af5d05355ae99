// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/memory"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

// memoryCmd are the commands of `gantry memory`, with the flags they share.
type memoryCmd struct {
	s            *settings
	tenant, user string
}

func newMemory(s *settings) *cobra.Command {
	m := &memoryCmd{s: s}
	cmd := &cobra.Command{
		Use:   "memory",
		Short: "Read and change what users have remembered, at read_memory and its like",
		Example: `  gantry memory list --tenant acme --user ann
  gantry memory write --user ann people/ada.md ada.md
  echo "call Ada" | gantry memory append --user ann todo.md`,
	}
	cmd.PersistentFlags().StringVar(&m.tenant, "tenant", string(host.DefaultTenant), "`tenant` of the user")
	cmd.PersistentFlags().StringVar(&m.user, "user", "", "`user` whose memory it is, as in their key (default: the tenant's own, of keys without a user)")
	cmd.AddCommand(m.list(), m.read(), m.write(), m.append(), m.delete(), m.search())
	return cmd
}

// run is a command on the memory of the user of the flags.
func (m *memoryCmd) run(fn func(*cobra.Command, controlapi.UserMemory, []string) error) func(*cobra.Command, []string) error {
	return m.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
		return fn(cmd, c.Memory(host.TenantID(m.tenant), m.user), args)
	})
}

func (m *memoryCmd) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "List the files, or those whose paths begin with PREFIX",
		Args:  cobra.MaximumNArgs(1),
		RunE: m.run(func(cmd *cobra.Command, um controlapi.UserMemory, args []string) error {
			in := abi.MemoryList{Limit: 1000}
			if len(args) > 0 {
				in.Prefix = args[0]
			}
			all := []abi.MemoryInfo{}
			for {
				page, err := um.List(cmd.Context(), in)
				if err != nil {
					return err
				}
				all = append(all, page.Entries...)
				if in.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if m.s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "PATH\tBYTES\tREVISION\tCHANGED")
			for _, f := range all {
				fmt.Fprintf(tw, "%s\t%d\t%d\t%s\n", f.Path, f.Size, f.Revision, f.Modified)
			}
			return tw.Flush()
		}),
	}
}

func (m *memoryCmd) read() *cobra.Command {
	return &cobra.Command{
		Use:   "read PATH",
		Short: "Print a file as it is, or with --json with its revision",
		Args:  cobra.ExactArgs(1),
		RunE: m.run(func(cmd *cobra.Command, um controlapi.UserMemory, args []string) error {
			f, err := um.Read(cmd.Context(), abi.MemoryRead{Path: args[0]})
			if err != nil {
				return err
			}
			if m.s.JSON {
				return printJSON(cmd, f)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), f.Content)
			return err
		}),
	}
}

// text reads the text of a change from the file named last, or from standard input.
func (m *memoryCmd) text(cmd *cobra.Command, args []string) (string, error) {
	in, name := cmd.InOrStdin(), "standard input"
	if len(args) > 1 && args[1] != "-" {
		name = args[1]
		f, err := os.Open(name)
		if err != nil {
			return "", usageError{err}
		}
		defer f.Close()
		in = f
	}
	// One byte more than fits tells the host's own words about the limit.
	data, err := io.ReadAll(io.LimitReader(in, memory.MaxFileBytes+1))
	switch {
	case err != nil:
		return "", usageError{fmt.Errorf("%s: %w", name, err)}
	case !utf8.Valid(data) && len(data) <= memory.MaxFileBytes:
		return "", usageError{fmt.Errorf("%s: it is not UTF-8; memory keeps text", name)}
	}
	return string(data), nil
}

// ifRevision adds the flag that binds a change to a revision; the function returns it where it is set.
func ifRevision(cmd *cobra.Command) func() *uint64 {
	var rev uint64
	cmd.Flags().Uint64Var(&rev, "if-revision", 0, "refuse where the file has another `revision` by now; 0: where there is one")
	return func() *uint64 {
		if !cmd.Flags().Changed("if-revision") {
			return nil
		}
		return &rev
	}
}

// tell prints what became of a file.
func (m *memoryCmd) tell(cmd *cobra.Command, info abi.MemoryInfo, err error) error {
	if err != nil {
		return err
	}
	if m.s.JSON {
		return printJSON(cmd, info)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d bytes, revision %d\n", info.Path, info.Size, info.Revision)
	return nil
}

func (m *memoryCmd) write() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "write PATH [FILE]",
		Short: "Write a file whole, from FILE or standard input",
		Args:  cobra.RangeArgs(1, 2),
	}
	rev := ifRevision(cmd)
	cmd.RunE = m.change(func(ctx context.Context, um controlapi.UserMemory, path, text string) (abi.MemoryInfo, error) {
		return um.Write(ctx, abi.MemoryWrite{Path: path, Content: text, IfRevision: rev()})
	})
	return cmd
}

func (m *memoryCmd) append() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "append PATH [FILE]",
		Short: "Add to the end of a file, on a new line, from FILE or standard input",
		Args:  cobra.RangeArgs(1, 2),
	}
	exact := cmd.Flags().Bool("exact", false, "do not begin a new line")
	rev := ifRevision(cmd)
	cmd.RunE = m.change(func(ctx context.Context, um controlapi.UserMemory, path, text string) (abi.MemoryInfo, error) {
		return um.Append(ctx, abi.MemoryAppend{Path: path, Content: text, NewLine: !*exact, IfRevision: rev()})
	})
	return cmd
}

// change is a command that reads a text before it speaks to the host.
func (m *memoryCmd) change(fn func(ctx context.Context, um controlapi.UserMemory, path, text string) (abi.MemoryInfo, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		text, err := m.text(cmd, args)
		if err != nil {
			return err
		}
		return m.run(func(cmd *cobra.Command, um controlapi.UserMemory, args []string) error {
			info, err := fn(cmd.Context(), um, args[0], text)
			return m.tell(cmd, info, err)
		})(cmd, args)
	}
}

func (m *memoryCmd) delete() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete PATH",
		Aliases: []string{"rm"},
		Short:   "Take a file away, for good",
		Args:    cobra.ExactArgs(1),
	}
	rev := ifRevision(cmd)
	cmd.RunE = m.run(func(cmd *cobra.Command, um controlapi.UserMemory, args []string) error {
		if err := um.Delete(cmd.Context(), abi.MemoryDelete{Path: args[0], IfRevision: rev()}); err != nil {
			return err
		}
		if !m.s.JSON {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: deleted\n", args[0])
		}
		return nil
	})
	return cmd
}

func (m *memoryCmd) search() *cobra.Command {
	var in abi.MemorySearch
	cmd := &cobra.Command{
		Use:   "search WORDS",
		Short: "Find files that hold all of the words, and show the lines",
		Args:  cobra.MinimumNArgs(1),
		RunE: m.run(func(cmd *cobra.Command, um controlapi.UserMemory, args []string) error {
			in.Query = args[0]
			for _, word := range args[1:] {
				in.Query += " " + word
			}
			hits, err := um.Search(cmd.Context(), in)
			if err != nil {
				return err
			}
			if m.s.JSON {
				return printJSON(cmd, hits)
			}
			printMemoryHits(cmd, &hits)
			return nil
		}),
	}
	cmd.Flags().StringVar(&in.Prefix, "prefix", "", "only files whose paths begin with it")
	cmd.Flags().IntVar(&in.Limit, "limit", 0, "how many files to show, at most 50 (default 10)")
	return cmd
}

// printMemoryHits prints hits as grep does, and on standard error what is missing from them.
func printMemoryHits(cmd *cobra.Command, hits *abi.MemoryHits) {
	w := cmd.OutOrStdout()
	for _, h := range hits.Hits {
		if len(h.Lines) == 0 {
			fmt.Fprintf(w, "%s\n", h.Path)
		}
		for _, l := range h.Lines {
			fmt.Fprintf(w, "%s:%d: %s\n", h.Path, l.Line, l.Text)
		}
	}
	if hits.Partial != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "gantry: %s\n", hits.Partial)
	} else if hits.More {
		fmt.Fprintln(cmd.ErrOrStderr(), "gantry: there are more files; see --limit")
	}
}
