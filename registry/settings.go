// Copyright 2026 The Gantry Authors.

package registry

import (
	"encoding/json"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
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
}

func (s *Settings) visibleTo(t host.TenantID) bool {
	return s == nil || len(s.Tenants) == 0 || slices.Contains(s.Tenants, t)
}
