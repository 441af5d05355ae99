// Copyright 2026 The Gantry Authors.

package registry

import (
	"cmp"
	"slices"
	"time"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// State is where a plugin stands.
type State string

// The states. Serving and pinned plugins answer calls; a plugin whose newest build was refused stays
// serving, with a Reason, as long as an older one can be served.
const (
	// StateServing says that the newest build is served, or, with a Reason, an older one.
	StateServing State = "serving"
	// StatePinned says that a rollback holds the plugin at an older version.
	StatePinned State = "pinned"
	// StateRefused says that nothing is served; Reason says why.
	StateRefused State = "refused"
	// StateDisabled says that the settings keep it from being served.
	StateDisabled State = "disabled"
	// StateAbsent says that there is a settings file, or a history, but no module.
	StateAbsent State = "absent"
)

// Status is what an operator may know of one plugin. It has no secrets: settings that a plugin reads
// as its config are left out.
type Status struct {
	Name    string `json:"name"`
	State   State  `json:"state"`
	Version string `json:"version,omitempty"`
	Summary string `json:"summary,omitempty"`
	Source  string `json:"source,omitempty"`
	Digest  string `json:"digest,omitempty"`
	// Generation is Plugin.Generation, 0 where nothing is served.
	Generation uint64    `json:"generation,omitempty"`
	LoadedAt   time.Time `json:"loaded_at,omitzero"`
	// Reason is why the newest file is not served, and RefusedAt when that was found.
	Reason    string    `json:"reason,omitempty"`
	RefusedAt time.Time `json:"refused_at,omitzero"`
	// Waiting is the refused file where a yes is all that it lacks; see Registry.Approve.
	Waiting *Waiting `json:"waiting,omitempty"`
	// Tools are the names that callers use.
	Tools   []string        `json:"tools,omitempty"`
	Tenants []host.TenantID `json:"tenants,omitempty"`
	// Wants is what the plugin asks for, Granted what its operator gave.
	Wants    abi.Rights  `json:"wants,omitzero"`
	Granted  abi.Rights  `json:"granted,omitzero"`
	Limits   host.Limits `json:"limits,omitzero"`
	InFlight int64       `json:"in_flight"`
	// Versions are those a rollback can go to, oldest first.
	Versions []Version `json:"versions,omitempty"`
}

// Problem is something an operator should mend.
type Problem struct {
	// Plugin is empty for a problem of the whole folder.
	Plugin string    `json:"plugin,omitempty"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// Statuses tells of every plugin that is known, in order of names.
func (r *Registry) Statuses() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Status, 0, len(r.entries))
	for _, e := range r.entries {
		if s := e.status(); s.State != StateAbsent || e.last.settings != nil {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b Status) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Status tells of one plugin; ok is false where the name was never heard of.
func (r *Registry) Status(name string) (s Status, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.entries[name]
	if !ok {
		return Status{}, false
	}
	return e.status(), true
}

// Problems are what stands in the way of serving everything there is, the folder's first and then in
// order of plugin names. It is empty where all is well.
func (r *Registry) Problems() []Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Problem
	if p := r.folderProblem; p != nil {
		out = append(out, Problem{Reason: p.reason, Since: p.at})
	}
	for _, e := range r.entries {
		if e.refusal != nil {
			out = append(out, Problem{Plugin: e.name, Reason: e.refusal.reason, Since: e.refusal.at})
		}
	}
	slices.SortFunc(out, func(a, b Problem) int { return cmp.Compare(a.Plugin, b.Plugin) })
	return out
}

func (e *entry) status() Status {
	s := Status{Name: e.name, State: e.state, Versions: slices.Clone(e.rec.Versions)}
	if e.refusal != nil {
		s.Reason, s.RefusedAt, s.Waiting = e.refusal.reason, e.refusal.at, e.refusal.waiting
	}
	if e.state == StateAbsent && e.last.settings != nil {
		s.Reason = e.name + settingsExt + " is here, but there is no " + e.name + moduleExt
	}
	p := e.served
	if p == nil {
		return s
	}
	s.Version, s.Summary, s.Wants = p.Manifest.Version, p.Manifest.Summary, p.Manifest.Wants
	s.Source, s.Digest, s.Generation, s.LoadedAt = p.Source, p.Digest, p.Generation, p.LoadedAt
	s.Tenants, s.Granted, s.Limits = p.Settings.Tenants, p.Settings.Grants, p.Settings.Limits
	s.InFlight = p.life.inFlight()
	for i := range p.Manifest.Tools {
		s.Tools = append(s.Tools, p.Settings.Prefix+p.Manifest.Tools[i].Name)
	}
	return s
}
