// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Consent is an operator's word on what a version asks for.
type Consent bool

// A version that asks for more than the one before it is served only where the operator has Agreed.
// That grants it nothing: its rights are what the settings file says.
const (
	Ask    Consent = false
	Agreed Consent = true
)

// Waiting is a version that is not served because it asks for more than the one before it.
type Waiting struct {
	Digest  string `json:"digest"`
	Version string `json:"version,omitempty"`
	// Asks is what it asks for, beyond what the version before it asked for and what is granted.
	Asks abi.Rights `json:"asks"`
}

// waitingError is why it is refused.
type waitingError struct{ Waiting }

func (w *waitingError) Error() string {
	version := w.Version
	if version == "" {
		version = short(w.Digest)
	}
	return "version " + version + " asks for more than the one before it: " + w.Asks.String()
}

// waits says to an operator what to do about a version that waits; other errors are as they were.
func waits(err error, hint, name string) error {
	more, ok := errors.AsType[*waitingError](err)
	if !ok {
		return err
	}
	return host.E("registry.prove", abi.CodeConflict, more).WithHint(hint, name, settingsExt)
}

// askMore tells whether a proven build has to wait. One that was served before need not, nor a first
// one, nor one that came with the program: who starts a program has chosen what is in it.
func (r *Registry) askMore(o outcome) *waitingError {
	rec := &o.entry.rec
	served := slices.ContainsFunc(rec.Versions, func(v Version) bool { return v.Digest == o.build.digest })
	if served || len(rec.Versions) == 0 || o.build.source == SourceEmbedded {
		return nil
	}
	last := rec.Versions[len(rec.Versions)-1].Wants
	if last == nil {
		return nil // written by a host that did not note it
	}
	asks := beyond(&o.manifest.Wants, last, &o.settings.Grants)
	if asks.IsZero() {
		return nil
	}
	return &waitingError{Waiting{Digest: o.build.digest, Version: o.manifest.Version, Asks: asks}}
}

// beyond is what asked holds that none of the others does.
func beyond(asked *abi.Rights, others ...*abi.Rights) abi.Rights {
	var out abi.Rights
	all := func(part func(*abi.Rights) []string) (has []string) {
		for _, o := range others {
			has = append(has, part(o)...)
		}
		return has
	}
	out.Hosts = without(asked.Hosts, all(func(r *abi.Rights) []string { return r.Hosts }), coversHost)
	out.Private = without(asked.Private, all(func(r *abi.Rights) []string { return r.Private }), coversRange)
	out.Tools = without(asked.Tools, all(func(r *abi.Rights) []string { return r.Tools }), coversTool)
	level := func(part func(*abi.Rights) string) string {
		for _, o := range others {
			if has := part(o); has == part(asked) || has == "write" {
				return ""
			}
		}
		return part(asked)
	}
	out.Files = level(func(r *abi.Rights) string { return r.Files })
	out.Memory = level(func(r *abi.Rights) string { return r.Memory })
	out.Drive = level(func(r *abi.Rights) string { return r.Drive })
	out.KV = asked.KV && !slices.ContainsFunc(others, func(r *abi.Rights) bool { return r.KV })
	for _, c := range asked.Credentials {
		same := func(has abi.Credential) bool { return has.Name == c.Name && has.Host == c.Host }
		if !slices.ContainsFunc(others, func(r *abi.Rights) bool { return slices.ContainsFunc(r.Credentials, same) }) {
			out.Credentials = append(out.Credentials, c)
		}
	}
	return out
}

func without(asked, has []string, covers func(has, asked string) bool) (out []string) {
	for _, a := range asked {
		if !slices.ContainsFunc(has, func(h string) bool { return covers(h, a) }) {
			out = append(out, a)
		}
	}
	return out
}

// coversHost errs on the side of asking: what is written differently counts as more.
func coversHost(has, asked string) bool {
	below, wild := strings.CutPrefix(has, "*.")
	return has == asked || has == "*" || wild && !strings.ContainsAny(asked, ":/") && strings.HasSuffix(asked, "."+below)
}

func coversRange(has, asked string) bool {
	h, err := netip.ParsePrefix(has)
	a, aerr := netip.ParsePrefix(asked)
	return has == asked || err == nil && aerr == nil && h.Bits() <= a.Bits() && h.Contains(a.Addr())
}

func coversTool(has, asked string) bool { return has == asked || has == "*" }

// Approve serves the version that waits for the operator's yes, if it is still the one with that
// digest: CodeConflict where it is not, or nothing waits. It may be called concurrently.
func (r *Registry) Approve(ctx context.Context, name, digest string) (Status, error) {
	const op = "registry.Approve"
	if err := r.takeTurn(ctx); err != nil {
		return Status{}, err
	}
	defer r.endTurn()
	e, known := r.entries[name]
	if !known {
		return Status{}, host.Errorf(op, abi.CodeNotFound, "there is no plugin %q", name)
	}
	list, err := r.list()
	if err != nil {
		return Status{}, host.Errorf(op, abi.CodeUnavailable, "the plugins folder cannot be read: %w", err)
	}
	b, err := r.newest(name, list[name])
	switch {
	case err != nil:
		return Status{}, outward(err)
	case e.refusal == nil || e.refusal.waiting == nil:
		return Status{}, host.Errorf(op, abi.CodeConflict, "no version of %s waits for a yes", name)
	case b == nil || b.digest != digest || e.refusal.waiting.Digest != digest:
		return Status{}, host.Errorf(op, abi.CodeConflict, "it is another version of %s that waits, or none any more", name).
			WithHint("look at it again: gantry plugin info %s", name)
	}
	out, err := r.proved(ctx, outcome{entry: e, now: list[name], consent: Agreed}, b)
	if err != nil {
		return Status{}, err
	}
	r.act(out)
	r.retryCollided(ctx, list)
	s, _ := r.Status(name)
	return s, nil
}
