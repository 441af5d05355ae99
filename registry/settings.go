// Copyright 2026 The Gantry Authors.

package registry

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/yamlfile"
)

// Settings are what an operator decided about one plugin: the YAML file beside its module. A
// plugin without one has the zero value: no rights, the default limits, visible to every tenant.
type Settings struct {
	// Disabled keeps the plugin from being served.
	Disabled bool
	// Prefix goes in front of every tool and prompt name.
	Prefix string
	// Tenants may see the plugin; empty means all.
	Tenants []host.TenantID
	// Config is what the plugin reads, a JSON object; nil means {}.
	Config json.RawMessage
	// Grants are the plugin's rights.
	Grants abi.Rights
	// Limits bound its calls; zero fields mean the host's defaults.
	Limits host.Limits
	// Isolation is what its calls may share; empty means host.IsolationCall.
	Isolation host.Isolation
}

func (s *Settings) visibleTo(t host.TenantID) bool {
	return s == nil || len(s.Tenants) == 0 || slices.Contains(s.Tenants, t)
}

// maxPrefix leaves a tool at least half of its name.
const maxPrefix = abi.MaxNameBytes / 2

// settingsFile is the form of NAME.yaml.
type settingsFile struct {
	Disabled bool            `yaml:"disabled"`
	Prefix   string          `yaml:"prefix"`
	Tenants  []host.TenantID `yaml:"tenants"`
	Config   map[string]any  `yaml:"config"`
	Grants   abi.Rights      `yaml:"grants"`
	Limits   limitsFile      `yaml:"limits"`

	Isolation host.Isolation `yaml:"isolation"`
}

type limitsFile struct {
	Wall        time.Duration  `yaml:"wall"`
	Fuel        int64          `yaml:"fuel"`
	Memory      yamlfile.Bytes `yaml:"memory"`
	Output      yamlfile.Bytes `yaml:"output"`
	Input       yamlfile.Bytes `yaml:"input"`
	Ops         int            `yaml:"ops"`
	Events      int            `yaml:"events"`
	Concurrency int            `yaml:"concurrency"`
	Egress      yamlfile.Bytes `yaml:"egress"`
}

// ParseSettings reads a settings file. Variables are expanded with lookup as yamlfile.Decode does;
// ${value}, which credential templates use, stays as it is. An empty file is the zero Settings. The
// error is a host.Error with CodeInvalidArg that names the field and the mend.
func ParseSettings(data []byte, lookup func(name string) (string, bool)) (*Settings, error) {
	const op = "registry.ParseSettings"
	var f settingsFile
	if err := yamlfile.Decode(data, &f, keepValue(lookup)); err != nil {
		return nil, err
	}
	for _, check := range []func() error{f.checkNames, f.checkGrants, f.Limits.check} {
		if err := check(); err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "%w", err)
		}
	}
	s := &Settings{Disabled: f.Disabled, Prefix: f.Prefix, Tenants: f.Tenants, Grants: f.Grants, Limits: f.Limits.limits(), Isolation: f.Isolation}
	if len(f.Config) > 0 {
		config, err := json.Marshal(f.Config)
		if err != nil {
			return nil, host.Errorf(op, abi.CodeInvalidArg, "config: %w", err)
		}
		s.Config = config
	}
	return s, nil
}

// keepValue lets the ${value} of abi.Credential.Template through.
func keepValue(lookup yamlfile.Lookup) yamlfile.Lookup {
	return func(name string) (string, bool) {
		switch {
		case name == "value":
			return "${value}", true
		case lookup == nil:
			return "", false
		}
		return lookup(name)
	}
}

func (f *settingsFile) checkNames() error {
	if f.Prefix != "" && (!abi.ValidToolName(f.Prefix) || len(f.Prefix) > maxPrefix) {
		return fmt.Errorf("prefix: %q cannot begin a tool's name; use 1 to %d of A-Z, a-z, 0-9, _ . and -, such as acme_", f.Prefix, maxPrefix)
	}
	if !f.Isolation.Valid() {
		return fmt.Errorf("isolation: %q is not one of call, tenant, shared", f.Isolation)
	}
	for i, t := range f.Tenants {
		if !t.Valid() {
			return fmt.Errorf("tenants[%d]: %q is not a tenant; use 1 to 63 of a-z, 0-9, - and _, with a letter or digit first", i, t)
		}
	}
	return nil
}

func (f *settingsFile) checkGrants() error {
	if err := f.Grants.Validate(); err != nil {
		return fmt.Errorf("grants.%w", err)
	}
	for i, c := range f.Grants.Credentials {
		kind, where, _ := strings.Cut(c.From, ":")
		if (kind != "env" && kind != "file") || where == "" {
			return fmt.Errorf("grants.credentials[%d] %s: from has to say where the secret is kept: env:NAME or file:/path", i, c.Name)
		}
	}
	return nil
}

// The most that settings may ask for. They are far above what a plugin should need; they catch a
// unit that was mistaken.
const (
	maxWall        = 24 * time.Hour
	maxFuel        = 1_000_000_000_000_000
	maxMemory      = 4 << 30 // what 32-bit Wasm can address
	maxBody        = 1 << 30
	maxCount       = 1_000_000_000
	maxConcurrency = 10_000
)

func (l *limitsFile) check() error {
	for _, c := range []struct {
		field    string
		got, max int64
		most     string
	}{
		{"wall", int64(l.Wall), int64(maxWall), "24h"},
		{"fuel", l.Fuel, maxFuel, "1000000000000000"},
		{"memory", int64(l.Memory), maxMemory, "4GiB"},
		{"output", int64(l.Output), maxBody, "1GiB"},
		{"input", int64(l.Input), maxBody, "1GiB"},
		{"ops", int64(l.Ops), maxCount, "1000000000"},
		{"events", int64(l.Events), maxCount, "1000000000"},
		{"concurrency", int64(l.Concurrency), maxConcurrency, "10000"},
		{"egress", int64(l.Egress), 1 << 40, "1TiB"},
	} {
		switch {
		case c.got < 0:
			return fmt.Errorf("limits.%s: is negative; leave it out for the host's default", c.field)
		case c.got > c.max:
			return fmt.Errorf("limits.%s: at most %s is allowed", c.field, c.most)
		}
	}
	return nil
}

func (l *limitsFile) limits() host.Limits {
	return host.Limits{
		Wall: l.Wall, Fuel: uint64(l.Fuel), MemoryBytes: int64(l.Memory), OutputBytes: int64(l.Output), InputBytes: int64(l.Input),
		Ops: l.Ops, Events: l.Events, Concurrency: l.Concurrency, EgressBytes: int64(l.Egress),
	}
}
