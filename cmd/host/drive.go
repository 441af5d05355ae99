// Copyright 2026 The Gantry Authors.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/drive"
	"github.com/gantryhost/gantry/host/web/controlapi"
)

// driveCmd are the commands of `gantry drive`, with the flag they share.
type driveCmd struct {
	s      *settings
	tenant string
}

func newDrive(s *settings) *cobra.Command {
	d := &driveCmd{s: s}
	cmd := &cobra.Command{
		Use:   "drive",
		Short: "Keep the documents of a tenant's knowledge base",
	}
	cmd.PersistentFlags().StringVar(&d.tenant, "tenant", string(host.DefaultTenant), "`tenant` whose documents they are")
	cmd.AddCommand(d.put(), d.list(), d.search(), d.get(), d.remove())
	return cmd
}

func (d *driveCmd) of() host.TenantID { return host.TenantID(d.tenant) }

// putFlags are those of drive put, as typed.
type putFlags struct {
	under, path, title, kind string
	tags                     []string
}

func (d *driveCmd) put() *cobra.Command {
	var f putFlags
	cmd := &cobra.Command{
		Use:   "put FILE|FOLDER|-…",
		Short: "Put text, Markdown or HTML files into the knowledge base; folders with all that is in them",
		Long: `Put text, Markdown or HTML files into the knowledge base, in place of those of the same path.

A folder goes with its name: put docs makes docs/a.md; put docs/ (or .) makes a.md. Hidden files are
left out, and those that are no text are told of and left out.`,
		Example: `  gantry drive put --under policies --tags policy refunds.md returns.html
  gantry drive put docs
  pdftotext lease.pdf - | gantry drive put - --path contracts/lease.txt --title "Office lease"`,
		Args: cobra.MinimumNArgs(1),
		RunE: d.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			if len(args) > 1 && (f.path != "" || f.title != "") {
				return usageError{errors.New("--path and --title are for one file")}
			}
			r := &putRun{d: d, cmd: cmd, c: c, f: &f}
			for _, arg := range args {
				if err := r.arg(arg); err != nil {
					return err
				}
			}
			return r.tell()
		}),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.under, "under", "", "`folder` of the knowledge base to put them into")
	flags.StringVar(&f.path, "path", "", "whole `path` of one document (default: the file's name)")
	flags.StringVar(&f.title, "title", "", "`title` of one document (default: from its text)")
	flags.StringSliceVar(&f.tags, "tags", nil, "`tags`, with commas between")
	flags.StringVar(&f.kind, "type", "", "media `type`, such as text/markdown (default: by the end of the path)")
	return cmd
}

// putRun is one drive put under way.
type putRun struct {
	d   *driveCmd
	cmd *cobra.Command
	c   *controlapi.Client
	f   *putFlags

	Put     []abi.DriveDocument `json:"put"`
	Skipped []skippedFile       `json:"skipped,omitempty"`
}

type skippedFile struct {
	File string `json:"file"`
	Why  string `json:"why"`
}

func (r *putRun) arg(arg string) error {
	if arg == "-" {
		if r.f.path == "" {
			return usageError{errors.New("standard input has no name; give --path")}
		}
		body, err := io.ReadAll(io.LimitReader(r.cmd.InOrStdin(), drive.MaxTextBytes+1))
		if err != nil {
			return err
		}
		return r.keep(r.f.path, body)
	}
	info, err := os.Stat(arg)
	switch {
	case err != nil:
		return usageError{err}
	case !info.IsDir():
		return r.file(arg, filepath.Base(arg))
	case r.f.path != "" || r.f.title != "":
		return usageError{errors.New("--path and --title are for one file")}
	}
	return r.folder(arg)
}

// folder puts what is in a folder. What is no text there is no mistake.
func (r *putRun) folder(dir string) error {
	base := filepath.Base(dir)
	if strings.HasSuffix(dir, "/") || base == "." || base == ".." {
		base = ""
	}
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != dir && strings.HasPrefix(e.Name(), "."):
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case !e.Type().IsRegular():
			return nil // folders are gone into, links and devices are not
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		err = r.file(name, path.Join(base, filepath.ToSlash(rel)))
		var refused *abi.Error
		if errors.As(err, &refused) && (refused.Code == abi.CodeInvalidArg || refused.Code == abi.CodeLimit && !strings.Contains(refused.Message, "quota")) {
			r.Skipped = append(r.Skipped, skippedFile{name, refused.Message})
			return nil
		}
		return err
	})
}

func (r *putRun) file(name, as string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, drive.MaxTextBytes+1))
	if err != nil {
		return err
	}
	if r.f.path != "" {
		as = r.f.path
	}
	return r.keep(as, body)
}

func (r *putRun) keep(as string, body []byte) error {
	doc, err := r.c.PutDocument(r.cmd.Context(), r.d.of(), drive.Put{
		Path: path.Join(r.f.under, as), Title: r.f.title, Tags: r.f.tags, MediaType: r.f.kind, Body: body,
	})
	if err != nil {
		return err
	}
	r.Put = append(r.Put, doc)
	if !r.d.s.JSON {
		fmt.Fprintf(r.cmd.OutOrStdout(), "%s: %d bytes, revision %d\n", doc.Path, doc.Size, doc.Revision)
	}
	return nil
}

func (r *putRun) tell() error {
	if r.d.s.JSON {
		if r.Put == nil {
			r.Put = []abi.DriveDocument{}
		}
		return printJSON(r.cmd, r)
	}
	for _, s := range r.Skipped {
		fmt.Fprintf(r.cmd.ErrOrStderr(), "%s: left out: %s\n", s.File, s.Why)
	}
	return nil
}

func (d *driveCmd) list() *cobra.Command {
	return &cobra.Command{
		Use:   "list [PREFIX]",
		Short: "List documents, all or those whose paths begin so",
		Args:  cobra.MaximumNArgs(1),
		RunE: d.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			all := []abi.DriveDocument{}
			for cursor := ""; ; {
				page, err := c.Documents(cmd.Context(), d.of(), strings.Join(args, ""), cursor)
				if err != nil {
					return err
				}
				all = append(all, page.Documents...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			if d.s.JSON {
				return printJSON(cmd, all)
			}
			tw := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 4, 2, ' ', 0)
			fmt.Fprintln(tw, "PATH\tBYTES\tTYPE\tMODIFIED\tTAGS\tTITLE")
			for _, doc := range all {
				fmt.Fprintf(tw, "%s\t%d\t%s\t%s\t%s\t%s\n", doc.Path, doc.Size, doc.MediaType, doc.Modified,
					dash(strings.Join(doc.Tags, ",")), dash(doc.Title))
			}
			return tw.Flush()
		}),
	}
}

func (d *driveCmd) search() *cobra.Command {
	var in abi.DriveSearch
	cmd := &cobra.Command{
		Use:     "search QUERY…",
		Short:   `Find documents by words, "words that stand together" and -words that must not occur`,
		Example: `  gantry drive search --under policies 'refund -"gift card"'`,
		Args:    cobra.MinimumNArgs(1),
		RunE: d.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			in.Query = strings.Join(args, " ")
			hits, err := c.SearchDocuments(cmd.Context(), d.of(), in)
			if err != nil {
				return err
			}
			if d.s.JSON {
				return printJSON(cmd, hits)
			}
			printHits(cmd.OutOrStdout(), &hits)
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&in.Under, "under", "", "only below this `folder`")
	f.StringSliceVar(&in.Tags, "tags", nil, "only with all of these `tags`")
	f.IntVar(&in.Limit, "limit", 10, "how many documents, at most 50")
	f.StringVar(&in.Cursor, "cursor", "", "next of the page before")
	return cmd
}

func printHits(w io.Writer, hits *abi.DriveHits) {
	if hits.Any {
		fmt.Fprintln(w, "no document has all of these words; these have some")
	}
	for _, h := range hits.Hits {
		fmt.Fprintf(w, "%s  %s\n", h.Path, h.Title)
		for _, s := range h.Snippets {
			fmt.Fprintf(w, "  %d: %s\n", s.Line, strings.Join(strings.Fields(s.Text), " "))
		}
	}
	fmt.Fprintf(w, "%d of %d\n", len(hits.Hits), hits.Total)
	if hits.Next != "" {
		fmt.Fprintf(w, "more with --cursor %s\n", hits.Next)
	}
}

func (d *driveCmd) get() *cobra.Command {
	return &cobra.Command{
		Use:   "get PATH",
		Short: "Print a document as it was put",
		Args:  cobra.ExactArgs(1),
		RunE: d.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			body, err := c.Document(cmd.Context(), d.of(), args[0])
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(body)
			return err
		}),
	}
}

func (d *driveCmd) remove() *cobra.Command {
	return &cobra.Command{
		Use:   "rm PATH…",
		Short: "Take documents away",
		Args:  cobra.MinimumNArgs(1),
		RunE: d.s.onHost(func(cmd *cobra.Command, c *controlapi.Client, args []string) error {
			for _, p := range args {
				if err := c.DeleteDocument(cmd.Context(), d.of(), p); err != nil {
					return err
				}
				fmt.Fprintf(cmd.OutOrStdout(), "%s: removed\n", p)
			}
			return nil
		}),
	}
}
