// Copyright 2026 The Gantry Authors.

package main

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host/tenants"
	"github.com/gantryhost/gantry/host/wasmbin"
	"github.com/gantryhost/gantry/host/yamlfile"
)

// settings are every choice an operator has, from flags, GANTRY_ variables and the settings file.
type settings struct {
	// of every command
	Data   string
	Config string
	JSON   bool

	// of serve
	Listen     string
	PublicURL  string
	ServerName string
	PageSize   int
	Plugins    string
	Cache      string
	Origins    []string
	Hosts      []string
	Issuers    issuerList
	LogFormat  string
	LogLevel   string
	AccessLog  bool
	Memory     byteSize
	MinFree    byteSize
	CallLimit  time.Duration
	Confirm    string
	Drain      time.Duration
	Quickstart bool
	NoHotPath  bool

	limitSettings
	driveSettings

	// what a module may be; see docs/limits.md
	MaxModule, MaxBody         byteSize
	MaxFunctions, MaxLocals    int
	MaxNesting                 int
	CompileCPU                 time.Duration
	CompileMemory              byteSize
	MaxTables, MaxTableEntries int
}

// bind declares the flags that every command has.
func (s *settings) bind(f *pflag.FlagSet) {
	f.StringVar(&s.Data, "data", defaultData(), "data `folder`: keys, runs, compiled plugins")
	f.StringVar(&s.Config, "config", "", "settings `file` in YAML (default: gantry.yaml in the data folder, if there)")
	f.StringVar(&s.Plugins, "plugins", "", "plugins `folder`, watched (default: plugins in the data folder)")
	f.StringVar(&s.Cache, "cache", "", "`folder` for compiled plugins, for this user alone: what lies there is run (default: cache in the data folder)")
	f.StringVar(&s.LogFormat, "log-format", "text", "text or json")
	f.StringVar(&s.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&s.JSON, "json", false, "print JSON, for programs")
	s.Memory, s.MinFree = 2<<30, 256<<20
	f.Var(&s.Memory, "memory", "most `bytes` that all plugin instances together may hold")
	f.Var(&s.MinFree, "min-free", "below so many free `bytes` on the disk the host turns read-only")
	s.bindAdmission(f)
	s.bindTenantLimits(f)
	s.bindDrive(f)
	f.StringVar(&s.Confirm, "confirm-default", string(tenants.ConfirmNever), "calls that a person has to confirm: never or destructive, where a tenant has no policy of its own")
	f.DurationVar(&s.CallLimit, "call-limit", time.Minute, "longest `time` of one call, where a plugin's settings name none")
}

// bindServe declares the flags of serve alone.
func (s *settings) bindServe(f *pflag.FlagSet) {
	f.StringVar(&s.Listen, "listen", "127.0.0.1:8000", "`address` to serve on")
	f.StringVar(&s.PublicURL, "public-url", "", "`URL` that clients reach this host by, such as https://api.example.com (default: from --listen)")
	f.StringVar(&s.ServerName, "server-name", defaultServerName, "`name` of this host in MCP and in snippets for clients")
	f.IntVar(&s.PageSize, "page-size", 1000, "most tools on a page of MCP's tools/list; not every client asks for a second page")
	s.bindLimits(f)
	f.StringSliceVar(&s.Origins, "origins", nil, "`origins` of web pages that may call, such as https://app.example.com (loopback always may)")
	f.StringSliceVar(&s.Hosts, "hosts", nil, "`names` this host is reached by, checked against the Host header (any, unless on loopback)")
	f.Var(&s.Issuers, "issuers", "`URLs` of authorization servers whose access tokens are taken; the settings file says what they mean (docs/authentication.md)")
	f.BoolVar(&s.AccessLog, "access-log", false, "log every request")
	f.DurationVar(&s.Drain, "drain", 30*time.Second, "on stop, `time` that running calls get to end")
	f.BoolVar(&s.Quickstart, "quickstart", false, "print a new key (30 days) and client snippets")
	f.BoolVar(&s.NoHotPath, "no-hot-path", false, "send every MCP call through the SDK, to compare the two")
	_ = f.MarkHidden("no-hot-path") // it is there
}

// defaultServerName is what a host is called that was given no name.
const defaultServerName = "gantry"

// baseURL is what clients reach the host by, without a slash at its end; the listener is open.
func (s *settings) baseURL() string {
	if s.PublicURL != "" {
		return strings.TrimSuffix(s.PublicURL, "/")
	}
	return "http://" + reachable(s.Listen)
}

// checkNames holds what serve tells to clients against what they can use.
func (s *settings) checkNames() error {
	if s.PublicURL != "" {
		u, err := url.Parse(s.PublicURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return usageError{fmt.Errorf("--public-url: %q is not a URL such as https://api.example.com", s.PublicURL)}
		}
	}
	if s.PageSize < 0 || s.PageSize > 100_000 {
		return usageError{fmt.Errorf("--page-size: %d is not between 0 (the default) and 100000", s.PageSize)}
	}
	if s.ServerName != "" && !abi.ValidToolName(s.ServerName) { // only serve has one
		return usageError{fmt.Errorf("--server-name: %q is not 1 to %d of A-Z, a-z, 0-9, _ . and -", s.ServerName, abi.MaxNameBytes)}
	}
	return nil
}

// bindAdmission declares how large a module may be, and what compiling it may take. Few operators need
// it, so --help leaves it out.
func (s *settings) bindAdmission(f *pflag.FlagSet) {
	d := wasmbin.Limits{}.Filled()
	s.MaxModule, s.MaxBody = byteSize(d.FileBytes), byteSize(d.BodyBytes)
	f.Var(&s.MaxModule, "max-module", "most `bytes` of a plugin's file")
	f.Var(&s.MaxBody, "max-body", "most `bytes` of code in one function of a plugin")
	f.IntVar(&s.MaxFunctions, "max-functions", d.Functions, "most functions of a plugin")
	f.IntVar(&s.MaxLocals, "max-locals", d.Locals, "most locals of one function")
	f.IntVar(&s.MaxNesting, "max-nesting", d.Nesting, "how deep blocks of one function may lie within each other")
	f.IntVar(&s.MaxTables, "max-tables", d.Tables, "most tables of a plugin")
	f.IntVar(&s.MaxTableEntries, "max-table-entries", d.TableEntries, "most entries of one table, at the start or ever")
	s.CompileMemory = 1 << 30
	f.DurationVar(&s.CompileCPU, "compile-cpu", 30*time.Second, "most CPU `time` that compiling one plugin may take")
	f.Var(&s.CompileMemory, "compile-memory", "most `bytes` of memory that compiling one plugin may take")
	f.VisitAll(func(f *pflag.Flag) {
		if strings.HasPrefix(f.Name, "max-") || strings.HasPrefix(f.Name, "compile-") {
			f.Hidden = true
		}
	})
}

// bound is a flag of bindAdmission with the most it may be set to.
type bound struct {
	flag      string
	got, most int64
}

func (s *settings) bounds() []bound {
	return []bound{
		{"max-module", int64(s.MaxModule), 1 << 30}, {"max-body", int64(s.MaxBody), 1 << 30},
		{"compile-memory", int64(s.CompileMemory), 1 << 40},
		{"max-functions", int64(s.MaxFunctions), 10_000_000}, {"max-locals", int64(s.MaxLocals), 50_000},
		{"max-nesting", int64(s.MaxNesting), 20_000}, {"max-tables", int64(s.MaxTables), 10_000},
		{"max-table-entries", int64(s.MaxTableEntries), 100_000_000},
		{"drive-documents", s.DriveDocuments, 10_000_000}, {"drive-bytes", int64(s.DriveBytes), 1 << 40},
	}
}

// admission is what bindAdmission's flags say.
func (s *settings) admission() wasmbin.Limits {
	return wasmbin.Limits{
		FileBytes: int(s.MaxModule), BodyBytes: int(s.MaxBody), Functions: s.MaxFunctions, Locals: s.MaxLocals,
		Nesting: s.MaxNesting, Tables: s.MaxTables, TableEntries: s.MaxTableEntries,
	}
}

// notInFile are the flags that make no sense in the settings file.
var notInFile = []string{"config", "help", "version", "json", "quickstart"}

// fill sets every flag that the command line left out, from the variables and then the file, and
// checks what came of it.
func (s *settings) fill(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	flags := cmd.Flags()
	fromEnv := func(f *pflag.Flag) error {
		v, ok := lookup(envName(f.Name))
		if !ok || v == "" {
			return nil
		}
		if err := flags.Set(f.Name, v); err != nil {
			return usageError{fmt.Errorf("variable %s: %w", envName(f.Name), err)}
		}
		return nil
	}
	if err := unset(flags, fromEnv); err != nil {
		return err
	}
	if err := s.fillFromFile(cmd, lookup); err != nil {
		return err
	}
	return s.check()
}

func (s *settings) fillFromFile(cmd *cobra.Command, lookup func(string) (string, bool)) error {
	path := s.Config
	if path == "" {
		path = filepath.Join(s.Data, "gantry.yaml")
		if _, err := os.Stat(path); err != nil {
			return nil
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return usageError{fmt.Errorf("--config: %w", err)}
	}
	keys := fileKeys(cmd.Root())
	lines := reflect.New(fileType(keys))
	if err := yamlfile.Decode(data, lines.Interface(), lookup); err != nil {
		return usageError{fmt.Errorf("%s: %w", path, err)}
	}
	for i, key := range keys {
		f, value := cmd.Flags().Lookup(key), lines.Elem().Field(i).Interface()
		if value == nil || f == nil || f.Changed {
			continue // not in the file, of another command, or overruled
		}
		if err := cmd.Flags().Set(key, fileValue(value)); err != nil {
			return usageError{fmt.Errorf("%s: %s: %w", path, key, err)}
		}
	}
	return nil
}

// fileType is a struct with a field for each setting, so that the decoder knows their names.
func fileType(keys []string) reflect.Type {
	fields := make([]reflect.StructField, len(keys))
	for i, key := range keys {
		fields[i] = reflect.StructField{
			Name: fmt.Sprintf("F%d", i), Type: reflect.TypeFor[any](), Tag: reflect.StructTag(fmt.Sprintf(`yaml:%q`, key)),
		}
	}
	return reflect.StructOf(fields)
}

// fileKeys lists the settings that the file may hold: the flags of every command and those of serve.
func fileKeys(root *cobra.Command) []string {
	var keys []string
	add := func(f *pflag.Flag) {
		if !slices.Contains(notInFile, f.Name) && !slices.Contains(keys, f.Name) {
			keys = append(keys, f.Name)
		}
	}
	root.PersistentFlags().VisitAll(add)
	for _, c := range root.Commands() {
		if c.Name() == "serve" {
			c.Flags().VisitAll(add)
		}
	}
	slices.Sort(keys)
	return keys
}

// fileValue writes a YAML value as a flag would have it.
func fileValue(v any) string {
	if list, ok := v.([]any); ok {
		if slices.ContainsFunc(list, isMapping) {
			data, err := json.Marshal(list)
			if err == nil {
				return string(data)
			}
		}
		parts := make([]string, len(list))
		for i, x := range list {
			parts[i] = fmt.Sprint(x)
		}
		return strings.Join(parts, ",")
	}
	return fmt.Sprint(v)
}

func isMapping(v any) bool { _, ok := v.(map[string]any); return ok }

func (s *settings) check() error {
	if s.LogFormat != "text" && s.LogFormat != "json" {
		return usageError{fmt.Errorf("--log-format: %q is not text or json", s.LogFormat)}
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s.LogLevel)); err != nil {
		return usageError{fmt.Errorf("--log-level: %q is not debug, info, warn or error", s.LogLevel)}
	}
	if err := s.checkNames(); err != nil {
		return err
	}
	if err := s.checkIssuers(); err != nil {
		return err
	}
	if s.Data == "" {
		return usageError{fmt.Errorf("--data: name a folder")}
	}
	if s.CallLimit <= 0 || s.CallLimit > 24*time.Hour {
		return usageError{fmt.Errorf("--call-limit: %v is not between 0 and 24h", s.CallLimit)}
	}
	if c := tenants.Confirm(s.Confirm); c != tenants.ConfirmNever && c != tenants.ConfirmDestructive {
		return usageError{fmt.Errorf("--confirm-default: %q is not never or destructive", s.Confirm)}
	}
	if s.CompileCPU < time.Second || s.CompileCPU > time.Hour {
		return usageError{fmt.Errorf("--compile-cpu: %v is not between 1s and 1h", s.CompileCPU)}
	}
	if err := s.checkLimits(); err != nil {
		return err
	}
	for _, bound := range s.bounds() {
		if bound.got < 1 || bound.got > bound.most {
			return usageError{fmt.Errorf("--%s: %d is not between 1 and %d", bound.flag, bound.got, bound.most)}
		}
	}
	if s.Cache == "" {
		s.Cache = filepath.Join(s.Data, "cache")
	}
	if s.Plugins == "" {
		s.Plugins = filepath.Join(s.Data, "plugins")
	}
	return nil
}

// byteSize is yamlfile.Bytes as a flag.
type byteSize yamlfile.Bytes

// Set reads a size; it is pflag's.
func (b *byteSize) Set(v string) error { return (*yamlfile.Bytes)(b).UnmarshalText([]byte(v)) }

// String writes the size in the largest unit that divides it.
func (b *byteSize) String() string {
	for i, suffix := range []string{"GiB", "MiB", "KiB"} {
		if unit := byteSize(1) << (30 - 10*i); *b >= unit && *b%unit == 0 {
			return fmt.Sprintf("%d%s", *b/unit, suffix)
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type is what --help calls it.
func (b *byteSize) Type() string { return "bytes" }
