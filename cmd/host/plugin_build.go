// Copyright 2026 The Gantry Authors.

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/pdk/scaffold"
	"github.com/gantryhost/gantry/registry"
)

func newPluginNew() *cobra.Command {
	var dir, pdk string
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Begin a plugin: a folder with a tool, its test and its settings",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if !abi.ValidPluginName(name) {
				return usageError{fmt.Errorf("%q is not a plugin name; use a small letter, then up to 63 of a-z, 0-9, _ and -", name)}
			}
			if dir == "" {
				dir = name
			}
			if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
				return usageError{fmt.Errorf("folder %s is not empty; name another with --dir", dir)}
			}
			if pdk == "" {
				pdk = checkout()
			}
			return writeScaffold(cmd, name, dir, pdk)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "`folder` to write (default: the name)")
	cmd.Flags().StringVar(&pdk, "pdk", "", "`checkout` of Gantry to build against (default: the one this program is in, else the release)")
	return cmd
}

const modulePath = "github.com/gantryhost/gantry"

// checkout is the checkout of Gantry that this program was built in, or "".
func checkout() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	dir := filepath.Dir(filepath.Dir(self)) // bin/gantry
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil || !strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
		return ""
	}
	return dir
}

func writeScaffold(cmd *cobra.Command, name, dir, pdk string) error {
	files, err := scaffold.Files(name)
	if err != nil {
		return err
	}
	if pdk != "" {
		abs, err := filepath.Abs(pdk)
		if err != nil {
			return err
		}
		const any = "v0.0.0-00010101000000-000000000000" // a replaced module has no version of its own
		files["go.mod"] = fmt.Appendf(files["go.mod"], "\nrequire %s %s\n\nreplace %s => %s\n", modulePath, any, modulePath, abs)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for file, body := range files {
		if err := os.WriteFile(filepath.Join(dir, file), body, 0o644); err != nil {
			return err
		}
		names = append(names, file)
	}
	slices.Sort(names)
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n\nnext:\n  cd %s\n  go mod tidy && go test\n  gantry plugin build --install\n", dir, strings.Join(names, ", "), dir)
	return nil
}

// buildFlags are those of plugin build.
type buildFlags struct {
	out                    string
	install, watch, agreed bool
}

func newPluginBuild(s *settings) *cobra.Command {
	var b buildFlags
	cmd := &cobra.Command{
		Use:   "build [FOLDER]",
		Short: "Build a Go plugin; with --install serve it, with --watch again on every save",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := "."
			if len(args) == 1 {
				dir = args[0]
			}
			if b.watch {
				return s.buildOnSave(cmd, dir, b)
			}
			return s.buildOnce(cmd, dir, b)
		},
	}
	cmd.Flags().StringVarP(&b.out, "out", "o", "", "`file` to write (default: FOLDER/NAME.wasm)")
	cmd.Flags().BoolVar(&b.install, "install", false, "then prove and serve it")
	bindAgreed(cmd, &b.agreed)
	cmd.Flags().BoolVar(&b.watch, "watch", false, "stay, and build again whenever a file changes")
	return cmd
}

func (s *settings) buildOnce(cmd *cobra.Command, dir string, b buildFlags) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	name := filepath.Base(abs)
	if b.out == "" {
		b.out = filepath.Join(dir, name+".wasm")
	}
	stop := s.spin(cmd, "building "+b.out)
	err = goBuild(cmd.Context(), dir, b.out)
	stop()
	if err != nil {
		return err
	}
	wasm, err := os.ReadFile(b.out)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %.1f MiB\n", b.out, float64(len(wasm))/(1<<20))
	if !b.install {
		return nil
	}
	return s.install(cmd, strings.TrimSuffix(filepath.Base(b.out), ".wasm"), wasm, registry.Consent(b.agreed))
}

// goBuild runs the Go toolchain; the error is what the compiler said.
func goBuild(ctx context.Context, dir, out string) error {
	abs, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildmode=c-shared", "-o", abs, ".")
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	said, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// buildOnSave builds at every change of a Go file until ctx ends. A build that fails is told and
// waited past: the version before stays served.
func (s *settings) buildOnSave(cmd *cobra.Command, dir string, b buildFlags) error {
	var seen time.Time
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for {
		if newest := newestSource(dir); newest.After(seen) {
			seen = newest
			if err := s.buildOnce(cmd, dir, b); err != nil {
				printError(cmd.ErrOrStderr(), err)
			}
		}
		select {
		case <-cmd.Context().Done():
			return nil
		case <-tick.C:
		}
	}
}

// newestSource is when a Go file or go.mod below dir was last written.
func newestSource(dir string) time.Time {
	var newest time.Time
	walk := func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".go" && d.Name() != "go.mod" {
			return nil // a file that vanished meanwhile shows at the next look
		}
		if info, err := d.Info(); err == nil && info.ModTime().After(newest) {
			newest = info.ModTime()
		}
		return nil
	}
	if err := filepath.WalkDir(dir, walk); err != nil {
		return time.Time{}
	}
	return newest
}
