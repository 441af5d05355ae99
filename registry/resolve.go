// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// build is a module as bytes, before anybody has looked into it.
type build struct {
	digest, source string
	wasm           []byte
}

// outcome is what a look at one plugin's files came to. The turn's holder acts on it.
type outcome struct {
	entry *entry
	now   seen
	kind  outcomeKind
	// pin is the pin that holds from here on; pinned says that it is not the one before.
	pin    *pin
	pinned bool
	// consent is the operator's word on this build.
	consent Consent
	// build, settings, guest and manifest belong to ready; build also to disabled.
	build    *build
	settings *Settings
	guest    host.Guest
	manifest *abi.Manifest
	// err is why the newest build is refused. With ready it says why an older one is served.
	err error
}

type outcomeKind int

const (
	outcomeUnsettled outcomeKind = iota // the files were changing; look again
	outcomeUnchanged                    // what is served is what should be
	outcomeGone                         // there is no build
	outcomeDisabled                     // the operator does not want it served
	outcomeRefused                      // the build cannot be served; err says why
	outcomeReady                        // the build is loaded and proven
)

// refuse ends a look with an error. What the caller broke off says nothing about the file.
func (o outcome) refuse(ctx context.Context, err error) outcome {
	o.kind, o.err = outcomeRefused, err
	if errors.Is(err, errUnsettled) || ctx.Err() != nil {
		o.kind = outcomeUnsettled
	}
	return o
}

// resolve decides what of a plugin should be served, and loads it. It runs beside the resolve of
// other plugins and changes nothing.
func (r *Registry) resolve(ctx context.Context, e *entry, now seen) outcome {
	out := outcome{entry: e, now: now, pin: e.rec.Pin}
	b, err := r.newest(e.name, now)
	switch {
	case err != nil:
		return out.refuse(ctx, err)
	case b == nil:
		out.kind = outcomeGone
		return out
	case !abi.ValidPluginName(e.name):
		return out.refuse(ctx, badName(e.name))
	}
	wanted := b
	if p := e.rec.Pin; p != nil && b.digest != p.Digest {
		if b.digest != p.Over {
			out.pin = nil // a new file is a new wish
		} else if wanted, err = r.kept(e.name, p.Digest); err != nil {
			return out.refuse(ctx, fmt.Errorf("rolled back to %s: %w", short(p.Digest), err))
		}
	}
	out = r.prove(ctx, out, wanted)
	out.err = waits(out.err, "grant that in %[1]s%[2]s, or let it be served without: gantry plugin approve %[1]s", e.name)
	if out.kind == outcomeRefused && e.served == nil {
		return r.lastGood(ctx, out, b.digest)
	}
	return out
}

func badName(name string) error {
	return host.Errorf("registry.resolve", abi.CodeInvalidArg,
		"the file name %q is not a plugin name; use a small letter, then up to 63 of a-z, 0-9, _ and -", name)
}

// newest is the build that the sources hold: the folder's, else the embedded one, else nil.
func (r *Registry) newest(name string, now seen) (*build, error) {
	if now.problem != "" {
		return nil, host.Errorf("registry.resolve", abi.CodeInvalidArg, "%s", now.problem)
	}
	file := name + moduleExt
	if now.module != nil {
		wasm, err := r.folder.read(file, now.module, r.cfg.MaxModuleBytes)
		if err != nil {
			return nil, err
		}
		if len(wasm) == 0 {
			return nil, host.Errorf("registry.resolve", abi.CodeContract, "%s is empty", file)
		}
		return &build{digestOf(wasm), r.folder.path(file), wasm}, nil
	}
	return r.builtIn(name)
}

func (r *Registry) builtIn(name string) (*build, error) {
	if !r.embedded[name] {
		return nil, nil
	}
	wasm, err := readEmbedded(r.cfg.Embedded, name+moduleExt)
	if err != nil || wasm == nil {
		return nil, err
	}
	return &build{digestOf(wasm), SourceEmbedded, wasm}, nil
}

// kept finds a build that was served before.
func (r *Registry) kept(name, digest string) (*build, error) {
	if b, err := r.builtIn(name); err == nil && b != nil && b.digest == digest {
		return b, nil
	}
	wasm, err := r.history.read(name, digest)
	if err != nil {
		return nil, host.Errorf("registry.history", abi.CodeNotFound, "%w", err)
	}
	return &build{digest, r.history.module(name, digest), wasm}, nil
}

// lastGood serves the newest version that once worked where the file of today does not and nothing
// is served: a host that restarts beside a broken file is no worse off than one that did not.
func (r *Registry) lastGood(ctx context.Context, failed outcome, newest string) outcome {
	versions := failed.entry.rec.Versions
	for i := len(versions) - 1; i >= 0; i-- {
		if versions[i].Digest == newest {
			continue
		}
		b, err := r.kept(failed.entry.name, versions[i].Digest)
		if err != nil {
			continue
		}
		if out := r.prove(ctx, failed, b); out.kind == outcomeReady {
			out.err = failed.err
			return out
		}
	}
	return failed
}

// prove reads the settings that go with the build and loads it.
func (r *Registry) prove(ctx context.Context, out outcome, b *build) outcome {
	out.build = b
	settings, err := r.settings(out.entry.name, out.now, b)
	if err != nil {
		return out.refuse(ctx, err)
	}
	out.settings = settings
	old := out.entry.served
	switch {
	case settings.Disabled:
		out.kind = outcomeDisabled
		return out
	case old != nil && old.Digest == b.digest && reflect.DeepEqual(old.Settings, settings):
		out.kind = outcomeUnchanged
		return out
	}
	guest, manifest, err := r.load(ctx, &Artifact{
		Name: out.entry.name, Digest: b.digest, Source: b.source, Wasm: b.wasm, Settings: settings,
	})
	if err != nil {
		return out.refuse(ctx, err)
	}
	out.kind, out.guest, out.manifest = outcomeReady, guest, manifest
	if out.consent == Agreed {
		return out
	}
	if more := r.askMore(out); more != nil {
		r.discard(ctx, out)
		out.guest = nil
		return out.refuse(ctx, more)
	}
	return out
}

// settings are the operator's, else, for an embedded build, those it came with.
func (r *Registry) settings(name string, now seen, b *build) (*Settings, error) {
	file := name + settingsExt
	var data []byte
	var err error
	switch {
	case now.settings != nil:
		data, err = r.folder.read(file, now.settings, maxSettingsBytes)
	case b.source == SourceEmbedded:
		data, err = readEmbedded(r.cfg.Embedded, file)
	}
	if err != nil {
		return nil, err
	}
	s, err := ParseSettings(data, r.cfg.Lookup)
	if err != nil {
		return nil, host.Errorf("registry.settings", host.CodeOf(err), "%s: %s", file, reason(err))
	}
	return s, nil
}

// load calls the loader. A module is a stranger's bytes: what panics over it is told like any other
// failure to load.
func (r *Registry) load(ctx context.Context, a *Artifact) (g host.Guest, m *abi.Manifest, err error) {
	const op = "registry.load"
	late := host.Errorf(op, abi.CodeDeadline, "loading the module took longer than %s", r.cfg.LoadTimeout)
	ctx, cancel := context.WithTimeoutCause(ctx, r.cfg.LoadTimeout, late)
	defer cancel()
	defer context.AfterFunc(r.ctx, cancel)()
	defer func() {
		if p := recover(); p != nil {
			g, m, err = nil, nil, host.Errorf(op, abi.CodeContract, "the module cannot be loaded: %v", p)
		}
	}()
	g, m, err = r.cfg.Loader.Load(ctx, a)
	if err == nil && g == nil {
		err = errors.New("the loader returned no guest")
	}
	if err == nil {
		if err = r.fits(a, m); err == nil {
			return g, m, nil
		}
		r.closeGuest(ctx, a.Name, g)
	} else if context.Cause(ctx) == error(late) {
		err = late
	}
	return nil, nil, err
}

// reason is an error for the operator: what it says to people and what to do, without the names of
// functions.
func reason(err error) string {
	var he *host.Error
	var ae *abi.Error
	text, hint := err.Error(), ""
	switch {
	case errors.As(err, &he):
		hint = he.Hint
		if he.Message != "" {
			text = he.Message
		} else if he.Err != nil {
			text = reason(he.Err)
		}
	case errors.As(err, &ae):
		text, hint = ae.Message, ae.Hint
	}
	if hint != "" {
		return text + "; " + hint
	}
	return text
}
