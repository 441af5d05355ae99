// Copyright 2026 The Gantry Authors.

package invoke

import (
	"math/rand/v2"
	"slices"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
	"github.com/gantryhost/gantry/host/schema"
	"github.com/gantryhost/gantry/registry"
)

// unknownTool tells of a tool that is not there, or not for this caller, with the nearest name that
// is.
func (p *Pipeline) unknownTool(op string, who *host.Principal, name string) error {
	err := host.Errorf(op, abi.CodeUnknownTool, "there is no tool %q here", clip(name))
	seen := p.visibleTools(who)
	names := make([]string, len(seen))
	for i, t := range seen {
		names[i] = t.Name
	}
	if near := schema.Nearest(name, names); near != "" {
		return err.WithHint("did you mean %s?", near)
	}
	return err.WithHint("list the tools to see the names that can be called")
}

// visibleTools are those the principal may call, in order of names.
func (p *Pipeline) visibleTools(who *host.Principal) []registry.ToolRef {
	if !who.Has(host.ScopeReadTools) {
		return nil
	}
	all := p.cfg.Catalog.Snapshot().Tools(who.Tenant)
	if !slices.ContainsFunc(all, func(t registry.ToolRef) bool { return !mayCall(who, t.Tool) }) {
		return all
	}
	out := make([]registry.ToolRef, 0, len(all))
	for _, t := range all {
		if mayCall(who, t.Tool) {
			out = append(out, t)
		}
	}
	return out
}

// mayCall tells whether the principal has the scopes for the tool, given that it has read:tools.
func mayCall(who *host.Principal, t *abi.Tool) bool {
	if !t.Annotations.ReadOnly && !who.Has(host.ScopeWriteTools) {
		return false
	}
	return !slices.ContainsFunc(t.Scopes, func(s string) bool { return !who.Has(host.Scope(s)) })
}

func clip(s string) string {
	if len(s) > abi.MaxNameBytes {
		return s[:abi.MaxNameBytes] + "…"
	}
	return s
}

// newCallID is a random UUID. Who may see a call is decided by its owner, so the id need not be a
// secret; it has to be unique.
func newCallID() string { return formatUUID(rand.Uint64(), rand.Uint64(), 4) }

// formatUUID sets the version and variant bits of RFC 9562.
func formatUUID(hi, lo uint64, version uint64) string {
	hi = hi&^0xf000 | version<<12
	lo = lo&^(3<<62) | 2<<62
	const digits = "0123456789abcdef"
	var b [36]byte
	at := 0
	put := func(v uint64, shift int) {
		for ; shift >= 0; shift -= 4 {
			if at == 8 || at == 13 || at == 18 || at == 23 {
				b[at] = '-'
				at++
			}
			b[at] = digits[v>>shift&15]
			at++
		}
	}
	put(hi, 60)
	put(lo, 60)
	return string(b[:])
}
