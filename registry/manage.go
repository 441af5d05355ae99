// Copyright 2026 The Gantry Authors.

package registry

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/gantryhost/gantry/abi"
	"github.com/gantryhost/gantry/host"
)

// Latest, as the digest of a Rollback, ends the rollback before it.
const Latest = "latest"

// Install proves a module, writes it to the folder as NAME.wasm and returns when it is served; with
// "disabled: true" in its settings it is only written. It ends a rollback. On an error nothing has
// changed: a file that was there stays, and so does what was served. CodeConflict is also the answer to
// a version that asks for more rights than the one before it, unless the operator has Agreed.
func (r *Registry) Install(ctx context.Context, name string, wasm []byte, consent Consent) (Status, error) {
	const op = "registry.Install"
	switch {
	case r.cfg.Dir == "":
		return Status{}, host.Errorf(op, abi.CodeUnavailable, "this host has no plugins folder; start it with one")
	case !abi.ValidPluginName(name):
		return Status{}, badName(name)
	case len(wasm) == 0:
		return Status{}, host.Errorf(op, abi.CodeInvalidArg, "the module is empty")
	case int64(len(wasm)) > r.cfg.MaxModuleBytes:
		return Status{}, host.Errorf(op, abi.CodeLimit, "the module has %d bytes; at most %d are allowed", len(wasm), r.cfg.MaxModuleBytes)
	}
	if err := r.takeTurn(ctx); err != nil {
		return Status{}, err
	}
	defer r.endTurn()
	list, err := r.folder.list()
	if err != nil {
		return Status{}, host.Errorf(op, abi.CodeUnavailable, "the plugins folder cannot be read: %w", err)
	}
	path := r.folder.path(name + moduleExt)
	out := outcome{entry: r.entryOf(name), now: list[name], consent: consent}
	if out, err = r.proved(ctx, out, &build{digestOf(wasm), path, wasm}); err != nil {
		return Status{}, err
	}
	if err := writeFile(path, wasm, writeOptions{0o644, true}); err != nil {
		r.discard(ctx, out)
		return Status{}, host.Errorf(op, abi.CodeUnavailable, "the module cannot be written: %w", err)
	}
	if list, err = r.folder.list(); err == nil {
		out.now = list[name]
	}
	r.act(out)
	r.retryCollided(ctx, list)
	s, _ := r.Status(name)
	return s, nil
}

// proved is prove with the check that act would make, so that nothing is begun that cannot be
// finished.
func (r *Registry) proved(ctx context.Context, out outcome, b *build) (outcome, error) {
	if out.now.problem != "" {
		return out, host.Errorf("registry.prove", abi.CodeConflict, "%s", out.now.problem)
	}
	out = r.prove(ctx, out, b)
	switch out.kind {
	case outcomeRefused:
		return out, outward(waits(out.err, "grant that in %[1]s%[2]s first, or let it be served without: gantry plugin install FILE --name %[1]s --agree", out.entry.name))
	case outcomeUnsettled:
		if err := ctx.Err(); err != nil {
			return out, host.E("registry.prove", host.CodeOf(err), err)
		}
		return out, host.Errorf("registry.prove", abi.CodeBusy, "the settings file is being written; try again")
	case outcomeReady:
		if err := r.collision(&Plugin{Name: out.entry.name, Manifest: out.manifest, Settings: out.settings}); err != nil {
			r.discard(ctx, out)
			return out, err
		}
	}
	return out, nil
}

// outward keeps a loader's reason from being told as a failure of the host: the one who sent the
// module can mend it.
func outward(err error) error {
	code := host.CodeOf(err)
	if code == abi.CodeInternal {
		code = abi.CodeContract
	}
	return host.Errorf("registry.load", code, "%s%w", reason(err), silent{err})
}

// silent keeps a cause for errors.Is and says nothing itself.
type silent struct{ error }

func (silent) Error() string   { return "" }
func (s silent) Unwrap() error { return s.error }

func (r *Registry) discard(ctx context.Context, o outcome) {
	if o.guest != nil {
		r.closeGuest(ctx, o.entry.name, o.guest)
	}
}

// Remove deletes NAME.wasm from the folder and returns when it is not served any more; running calls
// end in peace. Its settings file stays. An embedded plugin of that name is served again; one that
// is only embedded cannot be removed (CodeConflict), but disabled in its settings.
func (r *Registry) Remove(ctx context.Context, name string) error {
	const op = "registry.Remove"
	if err := r.takeTurn(ctx); err != nil {
		return err
	}
	defer r.endTurn()
	err := r.removeFile(name)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return host.Errorf(op, abi.CodeUnavailable, "the module cannot be deleted: %w", err)
	case r.embedded[name]:
		return host.Errorf(op, abi.CodeConflict, "the plugin %s is built into the host", name).
			WithHint("put \"disabled: true\" into %s%s in the plugins folder", name, settingsExt)
	default:
		return host.Errorf(op, abi.CodeNotFound, "there is no plugin %q in the plugins folder", name)
	}
	list, err := r.folder.list()
	if err != nil {
		return host.Errorf(op, abi.CodeUnavailable, "the plugins folder cannot be read: %w", err)
	}
	out := r.resolve(ctx, r.entryOf(name), list[name])
	out.pin = nil
	r.act(out)
	r.retryCollided(ctx, list)
	return nil
}

func (r *Registry) removeFile(name string) error {
	if r.cfg.Dir == "" || !abi.ValidPluginName(name) {
		return fs.ErrNotExist
	}
	return os.Remove(r.folder.path(name + moduleExt))
}

// Rollback serves a version of the history although the folder holds another: the one with the
// digest (or the first 6 or more of its hex digits), for "" the one before that which is served now,
// for Latest the folder's own again. It holds over a restart and ends when the file's content becomes
// something new. On an error nothing has changed.
func (r *Registry) Rollback(ctx context.Context, name, digest string) (Status, error) {
	const op = "registry.Rollback"
	if err := r.takeTurn(ctx); err != nil {
		return Status{}, err
	}
	defer r.endTurn()
	e, known := r.entries[name]
	list, err := r.list()
	if err != nil {
		return Status{}, host.Errorf(op, abi.CodeUnavailable, "the plugins folder cannot be read: %w", err)
	}
	var top *build
	if known {
		top, err = r.newest(name, list[name])
	}
	switch {
	case err != nil:
		return Status{}, outward(err)
	case top == nil:
		return Status{}, host.Errorf(op, abi.CodeNotFound, "there is no plugin %q", name)
	}
	out := outcome{entry: e, now: list[name]}
	b, err := r.target(e, top, digest)
	if err != nil {
		return Status{}, err
	}
	if b.digest != top.digest {
		out.pin = &pin{Digest: b.digest, Over: top.digest}
	}
	if out, err = r.proved(ctx, out, b); err != nil {
		return Status{}, err
	}
	r.act(out)
	r.retryCollided(ctx, list)
	s, _ := r.Status(name)
	return s, nil
}

// target is the build that a Rollback means.
func (r *Registry) target(e *entry, top *build, digest string) (*build, error) {
	const op = "registry.Rollback"
	var v Version
	var ok bool
	switch digest {
	case Latest:
		return top, nil
	case "":
		now := top.digest
		if e.served != nil {
			now = e.served.Digest
		}
		if v, ok = e.rec.before(now); !ok {
			return nil, host.Errorf(op, abi.CodeNotFound, "no version of %s from before this one is kept", e.name)
		}
	default:
		if v, ok = e.rec.find(digest); !ok {
			return nil, host.Errorf(op, abi.CodeNotFound, "no kept version of %s has the digest %q; see the plugin's versions", e.name, digest)
		}
	}
	if v.Digest == top.digest {
		return top, nil
	}
	return r.kept(e.name, v.Digest)
}
