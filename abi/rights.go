// Copyright 2026 The Gantry Authors.

package abi

import (
	"fmt"
	"strings"
)

// Rights is a set of permissions. The same type says what a plugin wants (Manifest.Wants) and what
// its operator grants (the settings file beside it). The zero value permits nothing.
type Rights struct {
	// Hosts are what the plugin may reach over HTTP: "api.example.com", "*.example.com" (any depth
	// below, not the name itself), "example.com:8443", "https://api.example.com/v1" (scheme, host
	// and port count, the path does not), or "*" for any public host. Ports 80 and 443 are meant
	// where none is given.
	Hosts []string `json:"hosts,omitempty" yaml:"hosts"`
	// Private are CIDR ranges outside the public internet (loopback, private, link-local …) that the
	// plugin may be connected to when a host of Hosts resolves there. Without it all are refused.
	Private []string `json:"private,omitempty" yaml:"private"`
	// Files gives the plugin a folder of its own, per tenant. "" none, "read", "write" (which includes read).
	Files string `json:"files,omitempty" yaml:"files"`
	// KV gives the plugin a small key-value space of its own, per tenant.
	KV bool `json:"kv,omitempty" yaml:"kv"`
	// Memory opens the memory of the user of each call: "" no, "read", "write" (which includes read).
	Memory string `json:"memory,omitempty" yaml:"memory"`
	// Drive lets the plugin search and read the tenant's knowledge base: "" no, "read" yes.
	Drive string `json:"drive,omitempty" yaml:"drive"`
	// Tools are names of tools of other plugins it may call; "*" any.
	Tools []string `json:"tools,omitempty" yaml:"tools"`
	// Credentials are secrets that the host puts into requests to the host they are declared for.
	// The guest never sees them.
	Credentials []Credential `json:"credentials,omitempty" yaml:"credentials"`
}

// Credential says where one secret goes and, in an operator's settings, where it comes from.
type Credential struct {
	// Name is how errors and listings call it, such as OPENAI_API_KEY.
	Name string `json:"name" yaml:"name"`
	// Host is the one host pattern (as in Rights.Hosts, without "*") whose requests get it.
	Host string `json:"host" yaml:"host"`
	// Header is the request header that carries it; Query is the URL parameter instead.
	Header string `json:"header,omitempty" yaml:"header"`
	Query  string `json:"query,omitempty" yaml:"query"`
	// Template is the value with ${value} for the secret, such as "Bearer ${value}"; empty is the secret alone.
	Template string `json:"template,omitempty" yaml:"template"`
	// Optional lets requests go out without it when it is not set. Otherwise that is an error.
	Optional bool `json:"optional,omitempty" yaml:"optional"`
	// From is where the operator keeps it: "env:NAME" or "file:/path". A plugin's own wish leaves it empty.
	From string `json:"-" yaml:"from"`
}

// The values of Rights.Files.
const (
	FilesRead  = "read"
	FilesWrite = "write"
)

// The values of Rights.Memory.
const (
	MemoryRightRead  = "read"
	MemoryRightWrite = "write"
)

// IsZero tells whether it permits nothing.
func (r Rights) IsZero() bool {
	return len(r.Hosts) == 0 && len(r.Private) == 0 && r.Files == "" && !r.KV && r.Memory == "" && r.Drive == "" &&
		len(r.Tools) == 0 && len(r.Credentials) == 0
}

// String tells the rights in one line, without secrets: "hosts api.example.com; kv".
func (r Rights) String() string {
	var parts []string
	list := func(label string, values []string) {
		if len(values) > 0 {
			parts = append(parts, label+" "+strings.Join(values, " "))
		}
	}
	level := func(label, value string) {
		if value != "" {
			parts = append(parts, label+" "+value)
		}
	}
	list("hosts", r.Hosts)
	list("private", r.Private)
	list("tools", r.Tools)
	level("files", r.Files)
	if r.KV {
		parts = append(parts, "kv")
	}
	level("memory", r.Memory)
	level("drive", r.Drive)
	for _, c := range r.Credentials {
		parts = append(parts, "credential "+c.Name+" for "+c.Host)
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// Validate checks the form of the rights; the error names the field. Host patterns and ranges are
// checked for syntax by the one who enforces them (host/egress).
func (r *Rights) Validate() error {
	switch r.Files {
	case "", FilesRead, FilesWrite:
	default:
		return fmt.Errorf("files: %q is not one of read, write", clip(r.Files))
	}
	switch r.Memory {
	case "", MemoryRightRead, MemoryRightWrite:
	default:
		return fmt.Errorf("memory: %q is not one of read, write", clip(r.Memory))
	}
	if r.Drive != "" && r.Drive != DriveRights {
		return fmt.Errorf("drive: %q is not read", clip(r.Drive))
	}
	for i, c := range r.Credentials {
		switch {
		case c.Name == "":
			return fmt.Errorf("credentials[%d]: name is missing", i)
		case c.Host == "" || strings.Contains(c.Host, "*"):
			return fmt.Errorf("credentials[%d] %s: host has to be one host without *", i, clip(c.Name))
		case (c.Header == "") == (c.Query == ""):
			return fmt.Errorf("credentials[%d] %s: set header or query, one of them", i, clip(c.Name))
		case c.Template != "" && !strings.Contains(c.Template, "${value}"):
			return fmt.Errorf("credentials[%d] %s: template has no ${value}", i, clip(c.Name))
		}
	}
	return nil
}
