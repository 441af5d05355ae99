// Copyright 2026 The Gantry Authors.

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/skills"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

// skillCmd are the commands of `gantry skill`, with the flag they share.
type skillCmd struct {
	s      *settings
	tenant string
}

func newSkill(s *settings) *cobra.Command {
	k := &skillCmd{s: s}
	cmd := &cobra.Command{
		Use:   "skill",
		Short: "Keep the skills that a tenant's models read at skill://ID",
	}
	cmd.PersistentFlags().StringVar(&k.tenant, "tenant", string(host.DefaultTenant), "`tenant` whose skills they are")
	cmd.AddCommand(k.list(), k.show(), k.create(), k.edit(), k.importFrom(), k.export(),
		k.enable("enable", true), k.enable("disable", false), k.delete())
	return cmd
}

func (k *skillCmd) of() host.TenantID { return host.TenantID(k.tenant) }

func (k *skillCmd) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the skills",
		Args:  cobra.NoArgs,
		RunE: k.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, _ []string) error {
			all, err := c.Skills(cmd.Context(), k.of())
			if err != nil {
				return err
			}
			if k.s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "ID\tSTATE\tSERVICE\tFILES\tCHANGED\tNAME")
			for i := range all {
				fmt.Fprintf(tw, "%s\t%s\t%s\t%d\t%s\t%s\n", all[i].ID, onOff(all[i].Enabled), dash(all[i].Service),
					len(all[i].Files), when(all[i].UpdatedAt), all[i].Name)
			}
			return tw.Flush()
		}),
	}
}

func onOff(on bool) string {
	if on {
		return "enabled"
	}
	return "disabled"
}

func (k *skillCmd) show() *cobra.Command {
	var text bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a skill, or with --text what models read",
		Args:  cobra.ExactArgs(1),
		RunE: k.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			if text {
				t, err := c.SkillText(cmd.Context(), k.of(), args[0])
				if err != nil {
					return err
				}
				_, err = fmt.Fprint(cmd.OutOrStdout(), t)
				return err
			}
			got, err := c.Skill(cmd.Context(), k.of(), args[0])
			if err != nil {
				return err
			}
			if k.s.JSON {
				return printJSON(cmd, got)
			}
			printSkill(cmd.OutOrStdout(), &got)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&text, "text", false, "print the text at skill://ID and nothing else")
	return cmd
}

func printSkill(w io.Writer, k *skills.Skill) {
	fmt.Fprintf(w, "%s  %s  %s\n%s\n", k.ID, k.Name, onOff(k.Enabled), k.Description)
	fmt.Fprintf(w, "service:  %s\nchanged:  %s, revision %d\n", dash(k.Service), k.UpdatedAt.Local().Format(time.DateTime), k.Revision)
	for _, f := range k.Files {
		fmt.Fprintf(w, "file:     %s (%d bytes)\n", f.Path, f.Size)
	}
	fmt.Fprintf(w, "\n%s\n", strings.TrimRight(k.SystemPrompt, "\n"))
}

// skillFlags are what create and edit can set, as typed.
type skillFlags struct {
	name, description, service, prompt, license, compatibility, allowedTools string
}

func (f *skillFlags) bind(flags *pflag.FlagSet) {
	flags.StringVar(&f.name, "name", "", "`name` for people (default: the id)")
	flags.StringVar(&f.description, "description", "", "what it does and when to use it, in a sentence or two")
	flags.StringVar(&f.service, "service", "", "`connector` it works with")
	flags.StringVar(&f.prompt, "prompt", "", "`text` the model reads; @FILE reads a file, - standard input")
	flags.StringVar(&f.license, "license", "", "its licence")
	flags.StringVar(&f.compatibility, "compatibility", "", "what it needs to work")
	flags.StringVar(&f.allowedTools, "allowed-tools", "", "`tools` it may use without asking, for clients that heed it")
}

// readPrompt reads the prompt from where the flag says.
func (f *skillFlags) readPrompt(in io.Reader) (string, error) {
	name, isFile := strings.CutPrefix(f.prompt, "@")
	var data []byte
	var err error
	switch {
	case isFile:
		data, err = os.ReadFile(name)
	case f.prompt == "-":
		data, err = io.ReadAll(in)
	default:
		return f.prompt, nil
	}
	if err != nil {
		return "", usageError{fmt.Errorf("--prompt: %w", err)}
	}
	return string(data), nil
}

func (k *skillCmd) create() *cobra.Command {
	var f skillFlags
	var disabled bool
	cmd := &cobra.Command{
		Use:     "create ID",
		Short:   "Make a skill of flags; `skill import` makes one of a folder",
		Example: `  gantry skill create wb_analytics --service wildberries --description "Sales by article." --prompt @prompt.md`,
		Args:    cobra.ExactArgs(1),
		RunE: k.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			prompt, err := f.readPrompt(cmd.InOrStdin())
			if err != nil {
				return err
			}
			got, err := c.CreateSkill(cmd.Context(), k.of(), &skills.Draft{Skill: skills.Skill{
				ID: args[0], Name: f.name, Description: f.description, SystemPrompt: prompt, Service: f.service, Enabled: !disabled,
				License: f.license, Compatibility: f.compatibility, AllowedTools: f.allowedTools,
			}})
			return k.tell(cmd, got, err)
		}),
	}
	f.bind(cmd.Flags())
	cmd.Flags().BoolVar(&disabled, "disabled", false, "do not show it to models yet")
	return cmd
}

// tell prints what became of a skill.
func (k *skillCmd) tell(cmd *cobra.Command, got skills.Skill, err error) error {
	if err != nil {
		return err
	}
	if k.s.JSON {
		return printJSON(cmd, got)
	}
	fmt.Fprintf(cmd.OutOrStdout(), "skill://%s: %s, %d files, revision %d\n", got.ID, onOff(got.Enabled), len(got.Files), got.Revision)
	return nil
}

func (k *skillCmd) edit() *cobra.Command {
	var f skillFlags
	var rev uint64
	cmd := &cobra.Command{
		Use:   "edit ID",
		Short: "Change what the flags name",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			prompt, err := f.readPrompt(cmd.InOrStdin())
			if err != nil {
				return err
			}
			e := skills.Edit{IfRevision: rev}
			given := false
			for flag, set := range map[string]func(){
				"name": func() { e.Name = &f.name }, "description": func() { e.Description = &f.description },
				"service": func() { e.Service = &f.service }, "prompt": func() { e.SystemPrompt = &prompt },
				"license": func() { e.License = &f.license }, "compatibility": func() { e.Compatibility = &f.compatibility },
				"allowed-tools": func() { e.AllowedTools = &f.allowedTools },
			} {
				if cmd.Flags().Changed(flag) {
					set()
					given = true
				}
			}
			if !given {
				return usageError{fmt.Errorf("nothing to change; name it with a flag, see `%s --help`", cmd.CommandPath())}
			}
			return k.change(cmd, args[0], e)
		},
	}
	f.bind(cmd.Flags())
	cmd.Flags().Uint64Var(&rev, "if-revision", 0, "refuse where the skill has another `revision` by now")
	return cmd
}

func (k *skillCmd) change(cmd *cobra.Command, id string, e skills.Edit) error {
	c, done, err := k.s.dial(cmd.Context())
	if err != nil {
		return err
	}
	defer done()
	got, err := c.EditSkill(cmd.Context(), k.of(), id, e)
	return k.tell(cmd, got, err)
}

func (k *skillCmd) enable(use string, on bool) *cobra.Command {
	short := "Show a skill to models"
	if !on {
		short = "Hide a skill from models; it stays as it is"
	}
	return &cobra.Command{
		Use:   use + " ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return k.change(cmd, args[0], skills.Edit{Enabled: &on})
		},
	}
}

func (k *skillCmd) importFrom() *cobra.Command {
	var replace, disabled bool
	cmd := &cobra.Command{
		Use:   "import FOLDER|FILE.zip",
		Short: "Make a skill of a folder with a SKILL.md, or of an archive of one",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			archive, err := skillArchive(args[0])
			if err != nil {
				return err
			}
			c, done, err := k.s.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer done()
			got, err := c.ImportSkill(cmd.Context(), k.of(), archive, replace, disabled)
			return k.tell(cmd, got, err)
		},
	}
	cmd.Flags().BoolVar(&replace, "replace", false, "a skill of this id becomes what the folder says")
	cmd.Flags().BoolVar(&disabled, "disabled", false, "do not show a new skill to models yet")
	return cmd
}

// skillArchive reads the archive, or packs the folder, at path. A folder is checked before it goes
// anywhere.
func skillArchive(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, usageError{err}
	}
	if !info.IsDir() {
		return os.ReadFile(path)
	}
	folder, err := skills.ReadFolder(path)
	if err != nil {
		return nil, err
	}
	d, err := skills.ReadDraft(folder)
	if err != nil {
		return nil, err
	}
	return folder.Zip(d.ID, time.Time{})
}

func (k *skillCmd) export() *cobra.Command {
	return &cobra.Command{
		Use:   "export ID FOLDER|FILE.zip",
		Short: "Write a skill as the folder it is; the folder must be new or empty",
		Args:  cobra.ExactArgs(2),
		RunE: k.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			archive, err := c.ExportSkill(cmd.Context(), k.of(), args[0])
			if err != nil {
				return err
			}
			if err := writeSkill(archive, args[1]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: written to %s\n", args[0], args[1])
			return nil
		}),
	}
}

func writeSkill(archive []byte, to string) error {
	if strings.HasSuffix(to, ".zip") {
		f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		if _, err := f.Write(archive); err != nil {
			_ = f.Close() // the failed write says more
			return err
		}
		return f.Close()
	}
	folder, err := skills.ReadZip(archive)
	if err != nil {
		return err
	}
	return folder.WriteFolder(to)
}

func (k *skillCmd) delete() *cobra.Command {
	return &cobra.Command{
		Use:     "delete ID",
		Aliases: []string{"rm"},
		Short:   "Take a skill and its files away",
		Args:    cobra.ExactArgs(1),
		RunE: k.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			if err := c.DeleteSkill(cmd.Context(), k.of(), args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: deleted\n", args[0])
			return nil
		}),
	}
}
