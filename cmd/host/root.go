// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const rootLong = `Gantry hosts tools as sandboxed WebAssembly plugins and serves them to MCP clients,
REST callers and this command line.

  gantry serve --quickstart        serve on 127.0.0.1:8000 and print a key to paste
  gantry call text_hash --input '{"text":"hello"}'
  gantry plugin new weather        begin a plugin of your own
  gantry plugin install weather.wasm

While a host runs on a data folder, the other commands speak to it; otherwise they open the
folder themselves. Every flag can be set by a variable (--min-free is GANTRY_MIN_FREE) or by a
line in the settings file (min-free: 1GiB), in this order: flag, variable, file.`

const rootExample = `  gantry token create --tenant acme --scopes read:tools,write:tools --expires 90d --name ci`

const exitCodes = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the tool answered with an error.
`

func newRoot(std stdio) *cobra.Command {
	s := &settings{}
	root := &cobra.Command{
		Use:           "gantry",
		Short:         "Host tools as sandboxed WebAssembly plugins",
		Long:          rootLong,
		Example:       rootExample,
		Version:       version,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return s.fill(cmd, os.LookupEnv)
		},
	}
	root.SetIn(std.in)
	root.SetOut(std.out)
	root.SetErr(std.err)
	root.SetHelpTemplate(root.HelpTemplate() + exitCodes)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see `%s --help`", err, cmd.CommandPath())}
	})
	s.bind(root.PersistentFlags())
	root.AddCommand(newServe(s), newToken(s), newPlugin(s), newCall(s), newConnect(s), newSkill(s), newDrive(s), newMemory(s), newTenant(s), newQuota(s), newDoctor(s), newCompile(std))
	wrapArgs(root)
	return root
}

// wrapArgs makes cobra's complaints about arguments usage errors, so that they end with code 2.
func wrapArgs(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())}
			}
			return nil
		}
	} else if cmd.HasSubCommands() {
		cmd.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
		cmd.Args = func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q; see `%s --help`", args[0], c.CommandPath())}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}

// envName is the variable of a flag: --min-free is GANTRY_MIN_FREE.
func envName(flag string) string {
	return "GANTRY_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// defaultData is ~/.gantry, or .gantry here for a user without a home.
func defaultData() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".gantry"
	}
	return filepath.Join(home, ".gantry")
}

// unset calls fn for each flag that the command line did not set.
func unset(flags *pflag.FlagSet, fn func(*pflag.Flag) error) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		if !f.Changed && first == nil {
			first = fn(f)
		}
	})
	return first
}
